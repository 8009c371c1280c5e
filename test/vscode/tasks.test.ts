import { strict as assert } from 'node:assert';
import { copyFile, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { acmeCluster, needsLab } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { runTask } from './harness/task';
import { until } from './harness/until';

/** What a task of tasks.json is told when it is wrong, what it asks, and what the wizard knows of a package before. */
describe('Tasks and packages', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab;
  let later: string;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}]);
    const made = await acmePackage('2.0', { manifest: { compatible: { from: '>=1.0' } } });
    await copyFile(made.path, join(lab.node('n1').root, 'root/acme-2.0.iso'));
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    const [n1, n2] = lab.clustersJson().clusters['lab']?.nodes ?? [];
    const nodes = [
      { ...n1, roles: ['webproxy'] },
      { ...n2, roles: ['database'] },
    ];
    const live = { user: 'root', production: true, roleOrder: ['database', 'webproxy'], nodes };
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify({ clusters: { live } }));
    later = join(editor.folder, 'later.iso');
    await write({
      'wrong node': { command: 'check', nodes: ['n9'] },
      'too early': { command: 'check', package: later },
    });
  });

  after(async () => {
    await (lab as Lab | undefined)?.stop();
  });

  /** The tasks.json with these tasks. */
  async function write(tasks: Readonly<Record<string, object>>): Promise<void> {
    const all = Object.entries(tasks).map(([label, task]) => ({
      ...{ label, type: 'clusterlift', cluster: 'live' },
      ...task,
      problemMatcher: [],
    }));
    await writeFile(
      join(editor.folder, '.vscode/tasks.json'),
      JSON.stringify({ version: '2.0.0', tasks: all }, null, 2),
    );
  }

  /** What the Problems view says, file by file and line by line. */
  async function problems(): Promise<string[]> {
    const { workbench } = editor;
    await workbench.command('Problems: Focus on Problems View');
    return workbench.page.locator('.markers-panel .monaco-list-row').allInnerTexts();
  }

  const problem = (text: string | RegExp): Promise<string> =>
    until(`${String(text)} in Problems`, async () => (await problems()).find((each) => each.search(text) >= 0), 60_000);
  const noProblem = (text: string): Promise<boolean> =>
    until(`no ${text} in Problems`, async () => (await problems()).every((each) => !each.includes(text)), 60_000);
  const runs = async (): Promise<string[]> =>
    readdir(join(editor.server.home, '.local/state/clusterlift/runs')).catch(() => []);

  it('shows the nodes by their role, as they will be upgraded', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Clusters');
    await until('the cluster', async () => (await tree.rows()).length === 1, 60_000);
    await tree.open('live');
    await until('its nodes', async () => (await tree.rows()).map(({ label }) => label).join() === 'live,n2,n1');
  });

  it('marks a value that no cluster knows in tasks.json, until the file is edited', async () => {
    const { workbench } = editor;
    await runTask(workbench, 'wrong node');
    await workbench.terminalShows(/has no node "n9"[^]*Exit status 2/);
    await runTask(workbench, 'too early');
    await workbench.terminalShows(/later\.iso[^]*Exit status 3/);
    assert.match(await problem('has no node "n9"'), /usage-unknown-node[^]*Ln 9,/);
    assert.match(await problem('later.iso'), /package-not-found[^]*Ln 19,/);
    await workbench.screenshots('task-problems');
    // The other one does well now: its mark goes without an edit, and only its own.
    await copyFile((await acmePackage('2.0')).path, later);
    await runTask(workbench, 'too early');
    await workbench.terminalShows(/Exit status 0/);
    await noProblem('package-not-found');
    await problem('has no node "n9"');
    await write({ 'upgrade live': { command: 'upgrade', package: later, mode: 'serial', backup: 'none' } });
    await noProblem('n9');
  });

  it("asks a production cluster's task with the plan in a dialog, then for the name", async () => {
    const { workbench } = editor;
    const pick = workbench.quickInput();
    const ask = async (): Promise<void> => {
      await runTask(workbench, 'upgrade live');
      const dialog = await until('the plan', () => workbench.dialog(), 60_000);
      assert.match(dialog.text, /live is a production cluster\. Upgrade 2 nodes to 2\.0 without a backup\?/);
      // No upgrade of ours left a record there, and no script of the package has run yet.
      assert.match(dialog.text, /n2: unknown → 2\.0\nn1: unknown → 2\.0/);
    };
    const typeLive = async (): Promise<void> => {
      await workbench.dialogButton('Continue…');
      await until('the question for the name', async () => (await pick.message()).includes('Type its name (live)'));
      await pick.type('live');
      await pick.accept();
    };
    const cancelled = async (): Promise<void> => {
      await workbench.page.keyboard.press('Escape');
      await workbench.terminalShows(/nothing was changed[^]*Exit status 130/);
      await workbench.command('Terminal: Kill All Terminals');
    };
    await ask();
    await workbench.screenshots('production-task-1-plan');
    await cancelled();
    await ask();
    await workbench.dialogButton('Continue…');
    await until('the question for the name', async () => (await pick.message()).includes('Type its name (live)'));
    await cancelled();
    await ask();
    await workbench.dialogButton('Continue…');
    await until('the question for the name', async () => (await pick.message()).includes('Type its name (live)'));
    assert.deepEqual(await runs(), [], 'nothing has begun');
    await workbench.screenshots('production-task-2-name');
    await pick.type('life');
    await pick.accept();
    await until('the refusal', async () => (await pick.message()).includes('That is not "live"'));
    await pick.type('live');
    await pick.accept();
    const again = await until('the changed plan', () => workbench.dialog(), 60_000);
    assert.match(again.text, /changed the plan for live[^]*n2: 1\.0 → 2\.0 \(before: unknown → 2\.0\)/);
    assert.deepEqual(await runs(), [], 'nothing has begun');
    await workbench.screenshots('production-task-3-changed');
    await typeLive();
    await workbench.terminalShows(/2\.0 +upgraded[^]*Exit status 0/, 120_000);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    assert.equal((await runs()).length, 1);
  });

  it('inspects the newest package of a cluster before anything else is asked', async () => {
    const { workbench } = editor;
    await workbench.command('Clusterlift: Preview Upgrade…');
    const pick = workbench.quickInput();
    await pick.open('(1/');
    await pick.choose(/Newest package on the cluster/);
    await until('the mode', async () => (await pick.placeholder()).includes('rolled out?'), 60_000);
    assert.match(await pick.placeholder(), /How should acme.* 2\.0 be rolled out\? \(from >=1\.0 · .*KiB.*\)/);
    await workbench.screenshots('wizard-newest');
    await workbench.page.keyboard.press('Escape');
    await pick.closed();
    // Without one, the list stays.
    await lab.node('n1').must('rm /root/acme-2.0.iso');
    await workbench.command('Clusterlift: Preview Upgrade…');
    await pick.open('(1/');
    await pick.choose(/Newest package on the cluster/);
    await until('the looking', async () => !(await pick.isOpen()));
    await until('the list again', async () => (await pick.placeholder()).includes('Which package?'));
    const rows = (await pick.items()).map(({ label, detail }) => `${label.trim()}: ${detail}`);
    assert.match(rows[0] ?? '', /^No usable package found in ~, ~\/media on n1: ./);
    assert.match(await pick.active(), /^Newest/, 'Enter takes what can be taken');
    await workbench.screenshots('wizard-none-found');
    await workbench.page.keyboard.press('Escape');
    await pick.closed();
  });
});
