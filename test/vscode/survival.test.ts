import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, underWay } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { runTask } from './harness/task';
import { until } from './harness/until';

/** A run must not die with a window: the upgrade scripts wait until the test lets them go on. */
describe('A run and its window', function () {
  this.timeout(300_000);
  const editor = useEditor({ settings: { 'clusterlift.refreshOnShow': false } });
  let lab: Lab;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}]);
    const image = (await acmePackage('2.0')).path;
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await cp(join(lab.home, '.config/clusterlift/clusters.json'), join(editor.folder, '.vscode/clusters.json'));
    const task = {
      label: 'up',
      type: 'clusterlift',
      command: 'upgrade',
      package: image,
      backup: 'none',
      problemMatcher: [],
    };
    const background = { ...task, label: 'by itself', mode: 'serial', isBackground: true };
    await writeFile(
      join(editor.folder, '.vscode/tasks.json'),
      JSON.stringify({ version: '2.0.0', tasks: [task, background] }),
    );
  });

  after(async () => {
    await lab.stop();
  });

  const runFolders = (): Promise<string[]> => readdir(join(editor.server.home, '.local/state/clusterlift/runs'));

  it('shows on the terminal, in the tree and in the status bar', async () => {
    const { workbench } = editor;
    await runTask(editor.workbench, 'up');
    await underWay(lab, 'upgrade', 2);
    await workbench.container('Clusters');
    const runs = workbench.tree('Runs');
    await until('the run', async () => (await runs.rows()).some(({ spoken }) => spoken.includes('running')));
    await until('the status bar', async () =>
      (await workbench.statusBar()).some((each) => each.includes('upgrade of lab')),
    );
    await workbench.screenshots('running');
  });

  it('asks at Ctrl+C, and goes on when that is cancelled', async () => {
    const { workbench } = editor;
    await workbench.terminalPress('Control+C');
    const pick = await workbench.quickInput().open('The run is going on');
    assert.deepEqual(
      (await pick.items()).map(({ label }) => label),
      ['Stop', 'Detach', 'Cancel'],
    );
    await workbench.screenshot('ctrl-c');
    await pick.cancel();
  });

  it('goes on when the window is reloaded; the new one finds it, follows it, and sees its end', async () => {
    const { workbench } = editor;
    await workbench.reload();
    await workbench.container('Clusters');
    const runs = workbench.tree('Runs');
    const [run] = await until('the run', async () => {
      const rows = await runs.rows();
      return rows.some(({ spoken }) => spoken.includes('running')) ? rows : undefined;
    });
    await runs.menu(run?.label ?? '', 'Follow Run');
    await workbench.terminalShows('> clusterlift upgrade');
    await until('the nodes at work', async () => /n1[^]*n2/.test(await workbench.terminalText()));
    await workbench.screenshot('followed');
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    await workbench.terminalShows('Exit status 0', 120_000);
    await until('its end in the tree', async () =>
      (await runs.rows()).some(({ spoken }) => spoken.includes('succeeded')),
    );
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    await exactlyOnce(lab.nodes);
    assert.equal((await runFolders()).length, 1);
    const told = (await workbench.notifications()).filter(({ message }) => message.includes('upgrade of lab'));
    assert.equal(told.length, 1, JSON.stringify(told));
  });

  it('is not begun by a background task, which the editor would start again by itself', async () => {
    await runTask(editor.workbench, 'by itself');
    const text = await editor.workbench.terminalShows('Exit status 2');
    assert.match(text, /task-starts-itself/);
  });
});
