import { strict as assert } from 'node:assert';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame } from 'playwright-core';
import { acmePackage, acmeVersion } from '../lab/acme';
import { type BackupScene, backupScene, censusOf, createPoint } from '../integration/cli/backup-scene';
import { needsLab, run } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import type { TreeRow } from './harness/tree';
import { until } from './harness/until';

/** The page with real restore points of real nodes, from the choice to the last check. */
describe('Rolling back from the page', function () {
  this.timeout(600_000);
  const editor = useEditor({ vsix: join(ROOT, 'clusterlift.vsix'), settings: { 'clusterlift.refreshOnShow': false } });
  let scene: BackupScene | undefined;
  let before_: string[] = [];

  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}]);
    const { lab, nodes } = scene;
    before_ = await censusOf(nodes);
    await run(lab, ['upgrade', (await acmePackage('2.0')).path, 'backup', 'vault'], 0);
    for (const node of nodes) await node.must('echo late > /opt/acme/late');
    await createPoint(scene, 'vault');
    const config = JSON.parse(await readFile(join(lab.home, '.config/clusterlift/clusters.json'), 'utf8')) as {
      backupLocations: Record<string, string>;
    };
    // Its password would be asked for.
    Reflect.deleteProperty(config.backupLocations, 'restic');
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify(config));
  });
  after(() => scene?.lab.stop());

  const nodes = (): BackupScene['nodes'] => scene?.nodes ?? [];

  it('shows what will happen on each node once a point is chosen', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    await until('the cluster', async () => (await workbench.tree('Clusters').rows()).length > 0, 60_000);
    await workbench.tree('Clusters').menu('lab', 'Roll Back…');
    const page = await pageOf();
    await until('the restore points', async () => (await page.locator('input[type=radio]').count()) === 2, 90_000);
    await page.locator('input[type=radio]').first().check();
    await page.locator('input[type=radio]').last().check();
    const details = page.locator('#details');
    await until('what is lost', async () => (await details.innerText()).includes('/opt/acme'), 90_000);
    const text = await details.innerText();
    assert.match(text, /n1\s+2\.0\s+1\.0\s+verified/);
    assert.match(text, /n2: what came since .* will be replaced: .* changed in \/etc\/acme, .* changed in \/opt\/acme/);
    assert.match(text, /These changes are saved in a restore point first: \d{8}T\d{6}Z-lab-/);
    await workbench.screenshots('rollback-real');
  });

  it('chooses the one that somebody points at in the tree, in the page that is open', async () => {
    const { workbench } = editor;
    const page = await pageOf();
    const tree = workbench.tree('Restore Points');
    await tree.expand();
    const rows = async (): Promise<TreeRow[]> => (await tree.rows()).filter(({ level }) => level === 2);
    await until('the points', async () => {
      await tree.open('lab: vault');
      return (await rows()).length === 2;
    });
    const [newest, oldest] = await rows();
    const radio = page.locator('input[type=radio]');
    await tree.menu(newest?.label ?? '', 'Roll Back…');
    await until('the newest', () => radio.first().isChecked());
    await workbench.screenshots('rollback-chosen-in-tree');
    await tree.menu(oldest?.label ?? '', 'Roll Back…');
    await until('the oldest', () => radio.last().isChecked());
  });

  it('asks, restores, and leaves the trees as they were before the upgrade', async () => {
    const { workbench } = editor;
    const page = await pageOf();
    await page.locator('#roll-back').click();
    const dialog = await until('the question', () => workbench.dialog(), 30_000);
    assert.match(dialog.text, /Roll back lab to[\s\S]*n1: 2\.0 → 1\.0\s+n2: 2\.0 → 1\.0/);
    await workbench.screenshots('rollback-question');
    await workbench.dialogButton('Roll Back');
    const text = await workbench.terminalShows('Exit status', 180_000);
    await workbench.screenshots('rollback-terminal');
    assert.match(text, /Exit status 0/);
    assert.deepEqual(await censusOf(nodes()), before_);
    for (const node of nodes()) assert.equal(await acmeVersion(node), '1.0');
  });

  it('is not started again without a question: recently used, run again, after a reload', async () => {
    const { workbench } = editor;
    const pick = workbench.quickInput();
    for (const node of nodes()) await node.must('echo later > /opt/acme/later');
    const now = await censusOf(nodes());
    const asksFirst = async (way: string, begin: () => Promise<void>): Promise<void> => {
      await workbench.command('Terminal: Kill All Terminals');
      await begin();
      await until(`the question after ${way}`, async () => (await pick.title()).includes('Continue'), 120_000);
      const rows = (await pick.items()).map(({ label }) => label).join(' ');
      assert.match(rows, /Restore lab to the state of/, way);
      await workbench.screenshots(`rollback-again-${way.replaceAll(' ', '-')}`);
      await pick.cancel();
      const text = await workbench.terminalShows(/Exit status/, 60_000);
      assert.match(text, /nothing was changed[^]*Exit status 130/, way);
      assert.deepEqual(await censusOf(nodes()), now, way);
    };
    await asksFirst('recently used', () => workbench.pickFrom('Tasks: Run Task', 'clusterlift: restore lab'));
    await asksFirst('run again', () => workbench.command('Tasks: Rerun Last Task'));
    const before = await editor.server.activations();
    await workbench.command('Developer: Reload Window');
    await until('the new window', async () => (await editor.server.activations()) > before, 60_000);
    await asksFirst('after a reload', () => workbench.pickFrom('Tasks: Run Task', 'clusterlift: restore lab'));
  });

  it('runs without a question where exactly that stands in tasks.json, and not where only its name does', async () => {
    const { workbench } = editor;
    const [first] = await pointsOf();
    const write = (tasks: readonly object[]): Promise<void> =>
      writeFile(
        join(editor.folder, '.vscode/tasks.json'),
        JSON.stringify({ version: '2.0.0', tasks: tasks.map((task) => ({ ...task, problemMatcher: [] })) }),
      );
    const definition = { type: 'clusterlift', command: 'restore', cluster: 'lab', point: first, location: 'vault' };
    await write([{ label: 'back to the first', ...definition }]);
    await workbench.command('Terminal: Kill All Terminals');
    await workbench.pickFrom('Tasks: Run Task', 'back to the first');
    assert.match(await workbench.terminalShows('Exit status', 180_000), /Exit status 0/);
    assert.deepEqual(await censusOf(nodes()), before_);
    // Run again from the list of the recently used ones, once it stands there no more.
    await write([{ label: 'back to the first', ...definition, nodes: ['n2'] }]);
    await workbench.command('Terminal: Kill All Terminals');
    await workbench.command('Tasks: Rerun Last Task');
    const pick = workbench.quickInput();
    // The editor takes the task as it stands now; a question comes before anything else that it would run.
    const outcome = await until(
      'a question or the end',
      async () => {
        if ((await pick.isOpen()) && (await pick.title()).includes('Continue')) return 'asked';
        const text = await workbench.terminalText();
        return text.includes('Exit status 0') ? text : undefined;
      },
      120_000,
    );
    assert.ok(outcome === 'asked' || outcome.includes('--nodes n2'), outcome);
  });

  /** Ids of the points in the location, oldest first. */
  async function pointsOf(): Promise<string[]> {
    if (!scene) return [];
    const { events } = await run(scene.lab, ['backup', 'list', 'vault'], 0);
    return events.flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  }

  async function pageOf(): Promise<Frame> {
    const page = await editor.workbench.webview();
    await until('the page', async () => (await page.locator('h1').count()) > 0);
    return page;
  }
});
