import { strict as assert } from 'node:assert';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../../package.json';
import english from '../../package.nls.json';
import { newRunId, planDigest, Runs } from '../../src/engine/runs';
import { acmePackage } from '../lab/acme';
import { planOf } from '../unit/terminal/scenes';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { until } from './harness/until';
import type { Workbench } from './harness/workbench';

/** What a person answers to a prompt: a row, a text, or a button of a dialog. */
type Answer =
  { readonly pick: string | RegExp } | { readonly type: string } | { readonly press: string } | { readonly ok: true };

const staging: Answer = { pick: 'staging' };
const live: Answer = { pick: 'live' };
const nightly: Answer = { pick: /nightly/ };
const typed: Answer = { type: 'live' };

/**
 * Every command that asks, and the answers that lead through its prompts; each of them is cancelled once. The last
 * answer of each is never given: it would start something.
 */
const PROMPTS = (image: string): Readonly<Record<string, readonly (readonly Answer[])[]>> => {
  const steps: readonly Answer[] = [
    { pick: /Enter a URL/ },
    { type: image },
    { pick: /at once/ },
    { pick: /No backup/ },
    { ok: true },
  ];
  return {
    'Add Cluster…': [[{ pick: /workspace/ }, { type: 'fresh' }, { pick: /Other hosts/ }]],
    'Upgrade…': [[live, ...steps, { pick: /Upgrade .* now/ }, typed]],
    'Preview Upgrade…': [
      [staging, { pick: /Newest on the cluster/ }, { pick: /at once/ }, { pick: /No backup/ }, { ok: true }],
    ],
    'Check…': [[staging, { pick: /Newest/ }]],
    Status: [[staging]],
    'Provision…': [[live, { press: 'Provision' }, typed]],
    'Backup: Add Location…': [[staging, { type: 'other' }, { type: 'file:///x' }]],
    'Backup: Remove Location…': [[staging, nightly, { press: 'Remove' }]],
    'Backup: Create Restore Point…': [[live, nightly, { press: 'Back Up' }, typed]],
    'Backup: Verify Restore Point…': [[staging, nightly]],
    'Backup: Clean Up…': [[live, nightly, { type: '3' }, { press: 'Clean Up' }, typed]],
    'Roll Back…': [[staging]],
    'Unlock…': [[live, { type: 'it is dead' }, { press: 'Unlock' }, typed]],
    'Inspect Package…': [[{ pick: /Enter a URL/ }, { type: image }]],
    'Show Node Output': [[staging, { pick: 'n1' }]],
    'Open Node Log': [[staging, { pick: 'n1' }]],
    'Open SSH Terminal': [[staging, { pick: 'n1' }]],
    'Save as Task…': [[staging, { pick: /Newest/ }, { pick: /at once/ }, { pick: /No backup/ }, { ok: true }]],
    'Filter Clusters…': [[{ type: 'x' }]],
    'Retry Failed Nodes…': [[{ pick: /failed|upgrade/ }, { press: 'Retry' }, typed]],
    'Abandon Run…': [[{ pick: /upgrade/ }, { press: 'Abandon' }]],
    'Resume Run': [[{ pick: /upgrade/ }]],
    'Stop Run': [[{ pick: /upgrade/ }, { press: 'Stop Run' }]],
    'Follow Run': [[{ pick: /upgrade/ }]],
    'Open Journal of Run': [[{ pick: /upgrade/ }]],
  };
};

const node = (name: string, port: number): Record<string, unknown> => ({ name, host: '127.0.0.1', port });
const CLUSTERS = JSON.stringify({
  clusters: {
    staging: { nodes: [node('n1', 1), node('n2', 2)] },
    live: { production: true, nodes: [node('p1', 3), node('p2', 4)] },
  },
  backupLocations: { nightly: 'file:///srv/backups' },
});

/** These ask nothing. */
const OTHERS = ['Open clusters.json', 'Forget Saved Secrets', 'Show Log', 'Clear Filter'];
const REFRESHES = ['Refresh Clusters', 'Refresh Restore Points'];

/** A run that failed, one that was interrupted and one that is on (this process has it), in the folders where the window looks for them. */
async function makeRuns(home: string, configFile: string): Promise<void> {
  const runs = new Runs(join(home, '.local/state/clusterlift'));
  for (const how of ['failed', 'interrupted', 'live'] as const) {
    const plan = planOf(['p1', 'p2'], {
      run: newRunId('live'),
      cluster: 'live',
      configFile,
      command: 'clusterlift upgrade',
    });
    const owned = await runs.create(plan);
    const { journal } = owned;
    const { run, action, cluster } = plan;
    await journal.append({
      type: 'run.started',
      run,
      action,
      cluster,
      plan: planDigest(plan),
      host: 'h',
      pid: 1,
      epoch: 1,
    });
    if (how === 'failed') await journal.append({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
    await journal.close();
    if (how !== 'interrupted') continue;
    // Its process is not there any more.
    const [file = ''] = (await readdir(owned.folder)).filter((each) => each.startsWith('owner.'));
    const owner = JSON.parse(await readFile(join(owned.folder, file), 'utf8')) as Record<string, unknown>;
    await writeFile(join(owned.folder, file), JSON.stringify({ ...owner, pidStart: '1' }));
  }
}

describe('Every prompt of the window', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    files: { '.vscode/clusters.json': CLUSTERS },
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let image: string;

  before(async () => {
    image = (await acmePackage('2.0')).path;
    await makeRuns(editor.server.home, join(editor.folder, '.vscode/clusters.json'));
    await editor.workbench.container('Clusters');
    await until('the clusters', async () => (await editor.workbench.tree('Clusters').rows()).length === 2);
  });

  /** What starting anything would leave behind. */
  async function traces(workbench: Workbench): Promise<unknown> {
    return {
      file: await readFile(join(editor.folder, '.vscode/clusters.json'), 'utf8'),
      workspace: await readdir(join(editor.folder, '.vscode')),
      runs: await readdir(join(editor.server.home, '.local/state/clusterlift/runs')).catch(() => []),
      terminals: await workbench.page.locator('.terminal-wrapper').count(),
      tabs: await workbench.page.locator('.tabs-container .tab').count(),
      filtered: (await workbench.tree('Clusters').rows()).length,
    };
  }

  async function prompt(workbench: Workbench): Promise<'input' | 'dialog'> {
    return until('a prompt', async () => {
      if (await workbench.page.locator('.monaco-dialog-box').isVisible()) return 'dialog';
      return (await workbench.quickInput().isOpen()) ? 'input' : undefined;
    });
  }

  /** Gives an answer and waits until another prompt has taken the place of the one that was answered. */
  async function give(workbench: Workbench, answer: Answer): Promise<void> {
    const before = await look(workbench);
    if ('press' in answer) await workbench.dialogButton(answer.press);
    else {
      const input = workbench.quickInput();
      if ('pick' in answer) await input.choose(answer.pick);
      else if ('ok' in answer) await input.ok();
      else {
        await input.type(answer.type);
        await input.accept();
      }
    }
    await until(
      'the next prompt',
      async () => {
        const now = await look(workbench);
        return now !== '' && now !== before;
      },
      60_000,
    );
  }

  /** What tells one prompt from another; empty: there is none. */
  function look(workbench: Workbench): Promise<string> {
    return workbench.page.evaluate(() => {
      const dialog = document.querySelector('.monaco-dialog-box');
      if (dialog) return dialog.textContent;
      const input = document.querySelector('.quick-input-widget');
      if (!input?.checkVisibility()) return '';
      const box = input.querySelector<HTMLInputElement>('.quick-input-box input');
      const parts = ['.quick-input-title', '.quick-input-message'].map(
        (each) => input.querySelector(each)?.textContent,
      );
      return [box?.value.startsWith('>') ? '>' : '', ...parts, box?.placeholder].join('\n');
    });
  }

  it('is in the table below, or its command asks nothing', () => {
    const titles = manifest.contributes.commands.map(
      ({ title }) => english[title.slice(1, -1) as keyof typeof english],
    );
    assert.deepEqual(titles.sort(), [...Object.keys(PROMPTS('')), ...OTHERS, ...REFRESHES].sort());
  });

  for (const [title, ways] of Object.entries(PROMPTS('IMAGE'))) {
    it(`of "${title}" can be cancelled, and nothing has happened then`, async () => {
      const { workbench } = editor;
      const before = await traces(workbench);
      for (const [index] of ways.entries()) {
        const way = PROMPTS(image)[title]?.[index] ?? [];
        for (let reached = 0; reached < way.length; reached++) {
          await workbench.command(`Clusterlift: ${title}`);
          await until(
            'the palette to be gone',
            async () => !(await look(workbench)).startsWith('>') && (await look(workbench)) !== '',
          );
          await prompt(workbench);
          for (const answer of way.slice(0, reached)) await give(workbench, answer);
          await prompt(workbench);
          await workbench.page.keyboard.press('Escape');
          await until(`an end after prompt ${String(reached + 1)}`, async () => (await look(workbench)) === '');
        }
      }
      assert.deepEqual(await traces(workbench), before);
    });
  }
});
