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
    assert.match(text, /n2: what came since .* will be lost: .* changed in \/etc\/acme, .* changed in \/opt\/acme/);
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

  async function pageOf(): Promise<Frame> {
    const page = await editor.workbench.webview();
    await until('the page', async () => (await page.locator('h1').count()) > 0);
    return page;
  }
});
