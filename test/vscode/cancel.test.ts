import { strict as assert } from 'node:assert';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../../package.json';
import english from '../../package.nls.json';
import { needsLab } from '../integration/cli/scene';
import { acmePackage, executions } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { useEditor } from './harness/fixture';
import { clusterWithPoint, makeRuns } from './harness/past';
import { ROOT } from './harness/server';
import { until } from './harness/until';
import type { Workbench } from './harness/workbench';

/** What a person answers to a prompt: a row, rows, a text, a button of a dialog, or a file. */
type Answer =
  | { readonly pick: string | RegExp }
  | { readonly several: RegExp | undefined }
  | { readonly type: string }
  | { readonly press: string }
  /** Escape leads back to the prompt before. */
  | { readonly file: true };

const staging: Answer = { pick: 'staging' };
const live: Answer = { pick: 'live' };
const real: Answer = { pick: 'real' };
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
    { several: undefined },
  ];
  return {
    'Add Cluster…': [[{ pick: /^workspace/ }, { type: 'fresh' }, { several: /other hosts/ }, { type: 'x' }]],
    'Upgrade…': [
      [live, ...steps, { pick: /Upgrade .* now/ }, typed],
      [staging, { pick: /Choose a file/ }, { file: true }],
    ],
    'Preview Upgrade…': [
      [
        staging,
        { pick: /Newest package on the cluster/ },
        { pick: /at once/ },
        { pick: /No backup/ },
        { several: undefined },
      ],
    ],
    'Check…': [[staging, { pick: /Newest/ }]],
    Status: [[staging]],
    'Provision…': [[live, { press: 'Provision' }, typed]],
    'Backup: Add Location…': [[staging, { type: 'other' }, { type: 'file:///x' }]],
    'Backup: Remove Location…': [[staging, nightly, { press: 'Remove' }]],
    'Backup: Create Restore Point…': [[live, nightly, { press: 'Back Up' }, typed]],
    'Backup: Verify Restore Point…': [[real, nightly, { pick: /./ }]],
    'Backup: Clean Up…': [[live, nightly, { type: '3' }, { press: 'Clean Up' }, typed]],
    'Roll Back…': [[staging]],
    'Unlock…': [[live, { type: 'it is dead' }, { press: 'Unlock' }, typed]],
    'Inspect Package…': [[{ pick: /Enter a URL/ }, { type: image }]],
    'Show Node Output': [[staging, { pick: 'n1' }]],
    'Open Node Log': [[staging, { pick: 'n1' }]],
    'Open SSH Terminal': [[staging, { pick: 'n1' }]],
    'Save as Task…': [
      [staging, { pick: /Newest/ }, { pick: /at once/ }, { pick: /No backup/ }, { several: undefined }],
    ],
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
/** Nothing listens there; `real` is of real nodes and has a restore point. */
const CLUSTERS = {
  staging: { nodes: [node('n1', 1), node('n2', 2)] },
  live: { production: true, nodes: [node('p1', 3), node('p2', 4)] },
};

/** These ask nothing. */
const OTHERS = ['Open clusters.json', 'Forget Saved Secrets', 'Show Log', 'Clear Filter'];
const REFRESHES = ['Refresh Clusters', 'Refresh Restore Points'];

describe('Every prompt of the window', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab | undefined;
  let image: string;
  /** Prompts of which there is a picture. */
  const pictured = new Set<string>();

  before(async function () {
    needsLab(this);
    image = (await acmePackage('2.0')).path;
    const { home } = editor.server;
    lab = await clusterWithPoint(home, join(editor.folder, '.vscode/clusters.json'), CLUSTERS);
    await writeFile(join(home, '.ssh/config'), 'Host spare\n  HostName 127.0.0.1\n  Port 1\n');
    await makeRuns(home, join(editor.folder, '.vscode/clusters.json'));
    await editor.workbench.container('Clusters');
    await until('the clusters', async () => (await editor.workbench.tree('Clusters').rows()).length === 3);
  });
  after(() => lab?.stop());

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
      else if ('several' in answer) {
        if (answer.several) await input.choose(answer.several);
        await input.ok();
      } else if ('type' in answer) {
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

  /** Of each prompt once. */
  async function picture(workbench: Workbench, name: string): Promise<void> {
    const text = await look(workbench);
    if (pictured.has(text)) return;
    pictured.add(text);
    await workbench.screenshots(name);
  }

  async function back(workbench: Workbench): Promise<void> {
    const before = await look(workbench);
    await workbench.page.keyboard.press('Escape');
    await until('the prompt before', async () => !['', before].includes(await look(workbench)));
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
          await picture(workbench, `prompt-${title.replaceAll(/\W+/g, '-')}${String(index)}-${String(reached + 1)}`);
          if ('file' in (way[reached] ?? {})) await back(workbench);
          await workbench.page.keyboard.press('Escape');
          await until(`an end after prompt ${String(reached + 1)}`, async () => (await look(workbench)) === '');
        }
      }
      assert.deepEqual(await traces(workbench), before);
    });
  }

  it('of the page of Roll Back can be cancelled, and nothing has happened then', async () => {
    const { workbench } = editor;
    await workbench.command('Clusterlift: Roll Back…');
    await workbench.quickInput().choose('real');
    const page = await workbench.webview();
    const point = page.locator('input[type=radio]');
    await until('the restore point', async () => (await point.count()) === 1, 60_000);
    await point.check();
    const details = (): Promise<string> => page.locator('#details').innerText();
    await until('what the node says', async () => /n1\s+not installed\s+not installed/.test(await details()), 60_000);
    const before = await traces(workbench);
    for (const answers of [[], [{ press: 'Roll Back' }]]) {
      await page.locator('#roll-back').click();
      assert.equal(await prompt(workbench), 'dialog');
      assert.match((await workbench.dialog()).text, /n1: not installed → not installed/);
      for (const answer of answers) await give(workbench, answer);
      await picture(workbench, `prompt-Roll-Back-page-${String(answers.length + 1)}`);
      await workbench.page.keyboard.press('Escape');
      await until('an end', async () => (await look(workbench)) === '');
    }
    assert.deepEqual(await traces(workbench), before);
    assert.deepEqual(await executions(lab?.nodes ?? []), []);
  });
});
