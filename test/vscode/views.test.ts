import { strict as assert } from 'node:assert';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newRunId, planDigest, Runs, type OwnedRun } from '../../src/engine/journal/runs';
import { planOf } from '../unit/terminal/scenes';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { until } from './harness/until';

const STAGING = { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1, roles: ['database'] }] };
const clustersJson = (clusters: Readonly<Record<string, object>>): string => JSON.stringify({ clusters }, null, 2);

/** What the views say beside their rows, from a workspace with nothing in it to one with two folders and a mistake. */
describe('The views', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    files: {
      'both.code-workspace': JSON.stringify({ folders: [{ path: 'left' }, { path: 'right' }] }),
      'left/notes.txt': 'nothing yet',
      'right/notes.txt': 'nothing yet',
    },
    open: 'both.code-workspace',
    settings: { 'clusterlift.refreshOnShow': false },
  });

  const file = (folder: 'left' | 'right'): string => join(editor.folder, folder, '.vscode/clusters.json');

  async function write(folder: 'left' | 'right', text: string): Promise<void> {
    await mkdir(join(editor.folder, folder, '.vscode'), { recursive: true });
    await writeFile(file(folder), text);
  }

  const labels = async (): Promise<string[]> =>
    (await editor.workbench.tree('Clusters').rows()).map(({ label }) => label);

  async function message(part: string): Promise<void> {
    const tree = editor.workbench.tree('Clusters');
    await until(`"${part}" above the clusters`, async () => (await tree.message()).includes(part));
  }

  async function problems(): Promise<string[]> {
    const rows = editor.workbench.page.locator('.markers-panel .monaco-list-row').filter({ hasText: 'Clusterlift' });
    return rows.allInnerTexts();
  }

  it('say in an empty workspace what can be done, with a link to it', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    await message('A cluster is a named set of Linux nodes');
    for (const view of ['Runs', 'Restore Points']) await workbench.tree(view).expand();
    assert.match(await workbench.tree('Runs').message(), /No runs yet/);
    assert.match(await workbench.tree('Restore Points').message(), /No restore points yet/);
    await workbench.screenshots('views-empty');
    await workbench.page.getByRole('button', { name: 'Add Cluster', exact: true }).click();
    const wizard = await workbench.quickInput().open('Add Cluster');
    await wizard.cancel();
  });

  it('point to the mistakes of a file that has nothing but mistakes, each with its line, until they are mended', async () => {
    const { workbench } = editor;
    await write('left', clustersJson({ staging: { primary: 'n7', ...STAGING } }));
    await message('clusters.json contains errors');
    await workbench.command('Problems: Focus on Problems View');
    const [problem, ...others] = await until('the problem', async () => {
      const told = await problems();
      return told.length > 0 ? told : undefined;
    });
    assert.deepEqual(others, []);
    assert.match(problem ?? '', /n7[\s\S]*config-unknown-node[\s\S]*Ln \d+/);
    await workbench.screenshots('views-mistake');
    await workbench.page.getByRole('button', { name: 'Open clusters.json', exact: true }).click();
    const pick = workbench.quickInput(); // Which of the files: those of both folders and the user's own.
    await until('the editor', async () => {
      if (await pick.isOpen()) await pick.choose(/left/);
      return workbench.page.locator('.monaco-editor[data-uri$="clusters.json"]').isVisible();
    });
    await workbench.page.locator('.view-line').filter({ hasText: '"n7"' }).click();
    await workbench.page.keyboard.press('ControlOrMeta+Shift+K'); // Delete Line.
    await until('the problem to go as it is typed', async () => (await problems()).length === 0);
    assert.deepEqual(await labels(), []);
    await workbench.page.keyboard.press('ControlOrMeta+S');
    await until('the cluster', async () => (await labels()).join() === 'staging');
  });

  it('name a cluster with its folder where two have the same name', async () => {
    await write('right', clustersJson({ staging: STAGING, other: STAGING }));
    await until('both folders', async () => (await labels()).join() === 'left/staging,right/staging,other');
    await editor.workbench.screenshots('views-folders');
  });

  it('see a file that is written into a new folder at once, each time', async () => {
    for (let round = 0; round < 6; round++) {
      await rm(join(editor.folder, 'right/.vscode'), { recursive: true });
      await until('one folder', async () => (await labels()).join() === 'staging');
      await write('right', clustersJson({ staging: STAGING, other: STAGING }));
      await until('both folders', async () => (await labels()).join() === 'left/staging,right/staging,other');
    }
  });

  it('keep the clusters of one file when another has a mistake, and say which', async () => {
    await write('right', '{ "clusters": { "staging": { "nodes": [] } } }');
    await message('Errors in right/.vscode/clusters.json. See the Problems view.');
    await until('the other file alone', async () => (await labels()).join() === 'staging');
  });

  it('show the filter that is on, and how to be rid of it', async () => {
    const { workbench } = editor;
    await write('right', clustersJson({ other: { nodes: [{ name: 'web', host: '127.0.0.1', port: 1 }] } }));
    await until('two clusters', async () => (await labels()).join() === 'staging,other');
    await workbench.command('Clusterlift: Filter Clusters…');
    const input = await workbench.quickInput().open('Filter Clusters');
    await input.type('data');
    await input.accept();
    await message('Filter: data');
    await until('one cluster', async () => (await labels()).join() === 'staging');
    await workbench.screenshots('views-filter');
    await workbench.tree('Clusters').action('Clear Filter');
    await until('all clusters', async () => (await labels()).join() === 'staging,other');
    assert.equal(await workbench.tree('Clusters').message(), '');
  });

  it('offer to make the first restore point of a place that has none', async () => {
    const { workbench } = editor;
    const stateDir = join(editor.server.folder, 'node');
    await write('right', clustersJson({ here: { stateDir, nodes: [{ name: 'me', connection: 'local' }] } }));
    await until('the cluster', async () => (await labels()).includes('here'));
    const points = workbench.tree('Restore Points');
    const row = await until('its places', async () =>
      (await points.rows()).find(({ spoken }) => spoken.includes('here')),
    );
    await points.open(row.label);
    // The file makes this machine a node: the first time, a person says whether its programs may run here.
    const pick = await workbench.quickInput().open('Clusterlift');
    const said = (await pick.items()).map(({ label }) => label).join(' ');
    assert.match(said, /makes this machine a node.*me: state directory/);
    await pick.choose(/^Yes/);
    await until('the offer', async () =>
      (await points.rows()).some(({ label }) => label === 'No restore points – Create…'),
    );
    await workbench.screenshot('views-no-points');
  });

  it('act on the row that was clicked where only one can be meant, whatever else is selected', async () => {
    const { workbench } = editor;
    const tree = workbench.tree('Clusters');
    await tree.select('staging', 'here');
    await tree.menu('here', 'Unlock…');
    const input = await workbench.quickInput().open('Unlock here');
    await input.cancel();
  });

  describe('count', () => {
    let owned: OwnedRun;
    const badge = (): Promise<string[]> =>
      editor.workbench.page.locator('.activitybar .badge-content:visible').allInnerTexts();

    before(async () => {
      const plan = planOf(['n1'], {
        run: newRunId('staging'),
        cluster: 'staging',
        configFile: file('left'),
        command: 'clusterlift upgrade',
      });
      owned = await new Runs(join(editor.server.home, '.local/state/clusterlift')).create(plan);
      const { run, action, cluster } = plan;
      const started = { run, action, cluster, plan: planDigest(plan), host: 'h', pid: 1, epoch: 1 };
      await owned.journal.append({ type: 'run.started', ...started });
    });

    after(() => owned.journal.close());

    it('what is running', async () => {
      await until('the badge of one run', async () => (await badge()).join() === '1');
      await editor.workbench.screenshot('views-badge-running');
    });

    it('what failed, until somebody looked at it', async () => {
      const { workbench } = editor;
      await workbench.container('Explorer');
      await owned.journal.append({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
      const [told] = await until('the one notification', async () => {
        const all = await workbench.notifications();
        return all.length > 0 ? all : undefined;
      });
      assert.equal(told?.message, 'Upgrade of staging failed');
      assert.deepEqual(await badge(), ['1']);
      await workbench.container('Clusters');
      await until('the badge to go', async () => (await badge()).length === 0);
      assert.equal((await workbench.tree('Runs').rows())[0]?.label, 'upgrade staging');
    });
  });
});
