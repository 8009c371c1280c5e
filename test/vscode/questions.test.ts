import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RunClient } from '../../src/service/client';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../lab/acme';
import { CliRun } from '../lab/cli';
import type { Lab } from '../lab/nodes';
import { acmeCluster, needsLab, underWay } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { runTask } from './harness/task';
import { until } from './harness/until';
import type { Workbench } from './harness/workbench';

const QUESTION = 'What should happen on n1';

/** A node that dies in the middle of its upgrade: only a person can say what came of it. */
describe('A question of a run', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab;
  let other: Workbench;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}]);
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await cp(join(lab.home, '.config/clusterlift/clusters.json'), join(editor.folder, '.vscode/clusters.json'));
    const { path } = await acmePackage('2.0');
    const task = { label: 'up', type: 'clusterlift', command: 'upgrade', package: path, backup: 'none' };
    const tasks = [{ ...task, problemMatcher: [] }];
    await writeFile(join(editor.folder, '.vscode/tasks.json'), JSON.stringify({ version: '2.0.0', tasks }));
  });

  after(async () => {
    await (lab as Lab | undefined)?.stop();
  });

  /** What the run waits for, as it tells whoever asks. */
  async function waitingFor(): Promise<string | undefined> {
    const runs = join(editor.server.home, '.local/state/clusterlift/runs');
    const client = await RunClient.connect(join(runs, (await readdir(runs))[0] ?? ''));
    try {
      return (await client.status()).waitingFor ?? undefined;
    } finally {
      client.close();
    }
  }

  async function follow(workbench: Workbench): Promise<void> {
    await workbench.container('Clusters');
    const tree = workbench.tree('Runs');
    await until('the run', async () => (await tree.rows()).some(({ spoken }) => spoken.includes('upgrade of lab')));
    await tree.menu('upgrade lab', 'Follow Run');
  }

  it('waits while no window is open', async () => {
    await runTask(editor.workbench, 'up');
    await underWay(lab, 'upgrade', 1);
    await editor.workbench.page.close();
    await lab.node('n1').reboot(500);
    await until('the question', async () => (await waitingFor())?.includes(QUESTION), 120_000);
    await editor.reopen();
    assert.match((await waitingFor()) ?? '', new RegExp(QUESTION));
  });

  it('shows in the trees and the status bar of a window that does not follow the run', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    for (const view of ['Runs', 'Clusters'] as const) {
      const rows = workbench.tree(view);
      await until(`the words in ${view}`, async () =>
        (await rows.rows()).some(({ spoken }) => spoken.includes('waiting for your input')),
      );
    }
    await workbench.page.getByLabel('Clusterlift, Upgrade of lab: waiting for your input').first().waitFor();
    await workbench.screenshots('waiting-for-input');
    const { home } = editor.server;
    const here = { home, env: (extra?: NodeJS.ProcessEnv) => ({ ...process.env, HOME: home, ...extra }) };
    const { events } = await new CliRun(here, ['runs', '--json']).done;
    assert.deepEqual(
      events.map(({ state, waitingFor: text }) => [state, String(text).includes(QUESTION)]),
      [['live', true]],
    );
  });

  it('is asked in all windows that follow the run', async () => {
    await follow(editor.workbench);
    await editor.workbench.quickInput().open(QUESTION);
    other = await editor.another();
    await follow(other);
    await other.quickInput().open(QUESTION);
    await editor.workbench.screenshots('question');
    const items = await other.quickInput().items();
    assert.deepEqual(
      items.slice(-3).map(({ label }) => label),
      ['Mark as Done', 'Retry', 'Mark as Failed'],
    );
    // What happened is told whole, in rows that are not cut off.
    const told = items.slice(0, -3).map(({ label }) => label);
    assert.match(told.join(' '), /^The job upgrade on n1 was cut off by a restart .* or did it fail\?$/);
    assert.ok(
      told.every((row) => row.length <= 80),
      told.join('\n'),
    );
    await other.terminalShows(`waiting for your input`);
  });

  it('is closed in the others when it is answered in one, and the run goes on', async () => {
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    await other.quickInput().choose('Retry');
    await editor.workbench.quickInput().closed();
    for (const workbench of [editor.workbench, other]) await workbench.terminalShows('Exit status 0', 120_000);
    assert.equal(await acmeVersion(lab.node('n1')), '2.0');
  });
});
