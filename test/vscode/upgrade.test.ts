import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { acmeCluster, needsLab } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { runTask } from './harness/task';
import { until } from './harness/until';

/** As a person would: a real window, real nodes, the mouse and the keyboard. */
describe('Upgrading from the window', function () {
  this.timeout(300_000);
  const editor = useEditor({ settings: { 'clusterlift.refreshOnShow': false } });
  let lab: Lab | undefined;
  let image: string;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}]);
    image = (await acmePackage('2.0')).path;
    const { home } = editor.server;
    await cp(join(lab.home, '.ssh'), join(home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    // Written while the window is open: the tree follows the file.
    await cp(join(lab.home, '.config/clusterlift/clusters.json'), join(editor.folder, '.vscode/clusters.json'));
  });

  after(async () => {
    await lab?.stop();
  });

  it('shows the clusters of the folder as soon as the file is there', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Clusters');
    const [cluster] = await until('a cluster', async () => {
      const rows = await tree.rows();
      return rows.length > 0 ? rows : undefined;
    });
    assert.match(cluster?.spoken ?? '', /^Cluster \S+, 2 nodes/);
    await tree.open(cluster?.label ?? '');
    await until('its nodes', async () => (await tree.rows()).length === 3);
    await workbench.screenshots('clusters');
  });

  it('asks the nodes for version and health, and keeps what they say', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Clusters');
    const cluster = (await tree.rows())[0]?.label ?? '';
    await tree.menu(cluster, 'Status');
    await until(
      'an answer',
      async () => (await tree.rows()).every((row) => row.level === 1 || !row.description.startsWith('not asked')),
      60_000,
    );
    await workbench.screenshot('clusters-status');
  });

  it('upgrades by right click: package, mode, backup, nodes, summary, task terminal', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Clusters');
    const cluster = (await tree.rows())[0]?.label ?? '';
    await tree.menu(cluster, 'Upgrade…');
    const pick = workbench.quickInput();
    await pick.open('(1/5)');
    await workbench.screenshot('wizard-1-package');
    await pick.choose(/Enter a URL or a path/);
    await until('the field', async () => (await pick.title()).includes('(2/5)'));
    await pick.type(image);
    await pick.accept();
    await until('the mode', async () => (await pick.placeholder()).includes('how?'), 60_000);
    await workbench.screenshot('wizard-2-mode');
    await pick.choose(/One node after the other/);
    await until('the backup', async () => (await pick.placeholder()).includes('backup'));
    await workbench.screenshot('wizard-3-backup');
    await pick.back();
    await until('the mode again', async () => (await pick.placeholder()).includes('how?'));
    await pick.choose(/One node after the other/);
    await until('the backup', async () => (await pick.placeholder()).includes('backup'));
    await pick.choose(/No backup/);
    await until('the nodes', async () => (await pick.placeholder()).includes('Which nodes'));
    await workbench.screenshot('wizard-4-nodes');
    await pick.ok();
    await until(
      'the checks',
      async () => (await pick.items()).some(({ label }) => /no-backup|way back/.test(label)),
      60_000,
    );
    await until(
      'the end of the checks',
      async () => !(await pick.items()).some(({ label }) => label.includes('Checking all nodes')),
      60_000,
    );
    const [first] = await pick.items();
    assert.match(first?.detail ?? '', /^clusterlift upgrade \/.*\.iso serial backup none --cluster lab$/);
    await workbench.screenshot('wizard-5-summary');
    await pick.choose(/Upgrade .* now/);
    const text = await workbench.terminalShows('Exit status', 180_000);
    await workbench.screenshot('task-terminal');
    assert.match(text, /> clusterlift upgrade/);
    assert.match(text, /Exit status 0/);
    for (const node of lab?.nodes ?? []) assert.equal(await acmeVersion(node), '2.0');
  });

  it('shows the run, and replays it in a new terminal', async () => {
    const { workbench } = editor;
    const runs = workbench.tree('Runs');
    await runs.expand();
    // The folders of runs are looked at once a second.
    const [run] = await until('the end of the run', async () => {
      const rows = await runs.rows();
      return /upgrade .*succeeded/.test(rows[0]?.spoken ?? '') ? rows : undefined;
    });
    // The task's terminal shows the same text: without it, what is read below is the new one.
    await workbench.command('Terminal: Kill All Terminals');
    await until('an empty panel', async () => (await workbench.terminalText()) === '');
    await runs.menu(run?.label ?? '', 'Follow Run');
    await workbench.terminalShows('Exit status 0');
    await workbench.screenshots('runs');
  });

  it('says that there is nothing to do when the task runs a second time', async () => {
    const { workbench } = editor;
    const task = {
      version: '2.0.0',
      tasks: [
        {
          label: 'again',
          type: 'clusterlift',
          command: 'upgrade',
          package: image,
          mode: 'serial',
          backup: 'none',
          problemMatcher: [],
        },
      ],
    };
    await writeFile(join(editor.folder, '.vscode/tasks.json'), JSON.stringify(task));
    await runTask(workbench, 'again');
    await workbench.terminalShows(/Nothing to do[^]*Exit status 0/, 120_000);
    await workbench.screenshot('task-again');
    assert.equal((await readdir(join(editor.server.home, '.local/state/clusterlift/runs'))).length, 1);
  });
});
