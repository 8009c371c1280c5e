import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion } from '../lab/acme';
import type { Lab, LabNode } from '../lab/nodes';
import { acmeCluster, needsLab } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import type { QuickInput } from './harness/quickinput';
import { ROOT } from './harness/server';
import { runTask } from './harness/task';
import { until } from './harness/until';

/** As a person would: the installed package, a real window, real nodes, the mouse and the keyboard. */
describe('Upgrading from the window', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab;
  let image: string;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}, {}, {}]);
    image = (await acmePackage('2.0')).path;
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    const nodes = lab.clustersJson().clusters['lab']?.nodes ?? [];
    const clusters = {
      east: { user: 'root', nodes: nodes.slice(0, 2) },
      north: { user: 'root', nodes: nodes.slice(2, 3) },
      west: { user: 'root', production: true, nodes: nodes.slice(3) },
    };
    // Written while the window is open: the tree follows the file.
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify({ clusters }, null, 2));
  });

  after(async () => {
    await (lab as Lab | undefined)?.stop();
  });

  const runs = async (): Promise<number> =>
    (await readdir(join(editor.server.home, '.local/state/clusterlift/runs'))).length;
  const versions = async (from: number, to?: number): Promise<(string | undefined)[]> =>
    Promise.all(lab.nodes.slice(from, to).map((node: LabNode) => acmeVersion(node)));

  /** Chooses how: one node after the other, without a backup. */
  async function mode(pick: QuickInput): Promise<void> {
    await until('the mode', async () => (await pick.placeholder()).includes('rolled out?'), 60_000);
    await pick.choose(/One node after the other/);
    await until('the backup', async () => (await pick.placeholder()).includes('backup'));
  }

  /** Waits for the checks of the summary of a cluster. */
  async function checked(pick: QuickInput, cluster: string): Promise<string> {
    await until(`the summary of ${cluster}`, async () =>
      (await pick.items()).some(({ label }) => label.includes(`Upgrade ${cluster} now`)),
    );
    await until(
      'the end of the checks',
      async () => !(await pick.items()).some(({ label }) => label.includes('Checking all nodes')),
      60_000,
    );
    const items = await pick.items();
    assert.ok(
      items.some(({ label }) => label.includes('not be able to roll back')),
      JSON.stringify(items),
    );
    return items[0]?.detail ?? '';
  }

  it('shows the clusters of the folder as soon as the file is there', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Clusters');
    await until('three clusters', async () => (await tree.rows()).length === 3);
    assert.match((await tree.rows())[0]?.spoken ?? '', /^Cluster east, 2 nodes/);
    await tree.open('east');
    await until('its nodes', async () => (await tree.rows()).length === 5);
    await workbench.screenshots('clusters');
  });

  it('asks the nodes for version and health, and keeps what they say', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Clusters');
    await tree.menu('east', 'Status');
    await until(
      'an answer',
      async () =>
        (await tree.rows()).filter(({ description }) => description.startsWith('not managed by Clusterlift')).length ===
        2,
      60_000,
    );
    await workbench.screenshots('clusters-status');
  });

  it('upgrades from the palette: cluster, package, mode, backup, nodes, summary, task terminal', async () => {
    const { workbench } = editor;
    await workbench.command('Clusterlift: Upgrade…');
    const pick = workbench.quickInput();
    await until('the clusters', async () => (await pick.placeholder()).includes('Which cluster?'));
    await workbench.screenshots('wizard-0-cluster');
    await pick.choose('east');
    await pick.open('(1/5)');
    await workbench.screenshots('wizard-1-package');
    await pick.choose(/Enter a URL or a path/);
    await until('the field', async () => (await pick.title()).includes('(2/5)'));
    await pick.type(image);
    await workbench.screenshots('wizard-1-path');
    await pick.accept();
    await until('the mode', async () => (await pick.placeholder()).includes('rolled out?'), 60_000);
    await workbench.screenshots('wizard-2-mode');
    await mode(pick);
    await workbench.screenshots('wizard-3-backup');
    await pick.back();
    await mode(pick);
    await pick.choose(/No backup/);
    await until('the nodes', async () => (await pick.placeholder()).includes('Which nodes'));
    await workbench.screenshots('wizard-4-nodes');
    await pick.ok();
    // The path is long: its end is shown, so that the words after it are seen.
    assert.match(
      await checked(pick, 'east'),
      /^clusterlift upgrade \.\.\.\/\S+\.iso serial backup none --cluster east$/,
    );
    await workbench.screenshots('wizard-5-summary');
    await pick.choose(/Upgrade east now/);
    const text = await workbench.terminalShows('Exit status', 180_000);
    await workbench.screenshots('task-terminal');
    assert.match(text.replaceAll('\n', ''), /> clusterlift upgrade \/\S+\.iso serial backup none/);
    assert.match(text, /Exit status 0/);
    assert.deepEqual(await versions(0, 2), ['2.0', '2.0']);
    const tree = workbench.tree('Clusters');
    await until(
      'what the run proved in the tree',
      async () => (await tree.rows()).filter(({ description }) => description === '2.0 · healthy').length === 2,
    );
  });

  it('shows the run, and replays it in a new terminal, which stays until a key is pressed', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Runs');
    await tree.expand();
    // The folders of runs are looked at once a second.
    await until('the end of the run', async () => /upgrade .*succeeded/.test((await tree.rows())[0]?.spoken ?? ''));
    // The task's terminal shows the same text: without it, what is read below is the new one.
    await workbench.command('Terminal: Kill All Terminals');
    await until('an empty panel', async () => (await workbench.terminalText()) === '');
    await tree.menu('upgrade east', 'Follow Run');
    await workbench.terminalShows(/Exit status 0[^]*Press any key/);
    await tree.open('upgrade east');
    await until('its nodes', async () => (await tree.rows()).length === 3);
    await workbench.screenshots('runs');
    await workbench.terminalPress('Enter');
    await until('the end of the terminal', async () => (await workbench.terminalText()) === '');
  });

  it('upgrades two selected clusters by right click: one wizard, one summary and one task each', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Clusters');
    await tree.select('north', 'west');
    await tree.menu('west', 'Upgrade…');
    const pick = workbench.quickInput();
    await pick.open('Upgrade north, west (1/3)');
    await workbench.screenshots('wizard-two-1-package');
    await pick.choose(/Enter a URL or a path/);
    await until('the field', async () => (await pick.title()).includes('(2/'));
    await pick.type(image);
    await pick.accept();
    await mode(pick);
    await pick.choose(/No backup/);
    assert.match(await checked(pick, 'north'), /--cluster north$/);
    await workbench.screenshots('wizard-two-2-summary');
    await pick.choose(/Upgrade north now/);
    assert.match(await checked(pick, 'west'), /--cluster west$/);
    await pick.choose(/Upgrade west now/);
    // West is a production cluster: its name is typed.
    await until('the question for the name', async () => (await pick.message()).includes('production cluster'));
    assert.deepEqual(await versions(2), ['1.0', '1.0']);
    await pick.type('east');
    await until('the refusal', async () => (await pick.message()).includes('That is not "west"'));
    await workbench.screenshots('wizard-two-3-name');
    await pick.type('west');
    await pick.accept();
    // Only the package's own script knows the version there; it may run now, and the plan is another one.
    await until('the second look', async () => (await pick.message()).includes('n4: 1.0 → 2.0'));
    await workbench.screenshots('wizard-two-4-second-look');
    await pick.type('west');
    await pick.accept();
    await until('both upgrades', async () => (await versions(2)).every((each) => each === '2.0'), 120_000);
    const runsTree = workbench.tree('Runs');
    await until('both runs in the tree', async () => {
      const rows = await runsTree.rows();
      return rows.filter(({ spoken }) => /upgrade of (north|west), succeeded/.test(spoken)).length === 2;
    });
    assert.equal(await runs(), 3);
    await workbench.screenshots('two-tasks');
  });

  it('upgrades by a task of tasks.json, and says that there is nothing to do when it runs a second time', async () => {
    const { workbench } = editor;
    const task = {
      label: 'to three',
      type: 'clusterlift',
      command: 'upgrade',
      cluster: 'east',
      package: (await acmePackage('3.0')).path,
      mode: 'serial',
      backup: 'none',
      problemMatcher: [],
    };
    await writeFile(
      join(editor.folder, '.vscode/tasks.json'),
      JSON.stringify({ version: '2.0.0', tasks: [task] }, null, 2),
    );
    await workbench.command('Terminal: Kill All Terminals');
    await until('an empty panel', async () => (await workbench.terminalText()) === '');
    await runTask(workbench, 'to three');
    await workbench.terminalShows(/2\.0 +3\.0 +upgraded[^]*Exit status 0/, 120_000);
    assert.deepEqual(await versions(0, 2), ['3.0', '3.0']);
    await runTask(workbench, 'to three');
    await workbench.terminalShows(/Nothing to do[^]*Exit status 0/, 120_000);
    await workbench.screenshots('task-again');
    assert.equal(await runs(), 4);
  });
});
