import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newRunId, planDigest, Runs, type OwnedRun } from '../../src/engine/runs';
import { acmePackage } from '../lab/acme';
import { planOf } from '../unit/terminal/scenes';
import { useEditor } from './harness/fixture';
import { until } from './harness/until';

const LINK = '[click](command:workbench.action.files.newUntitledFile)';
const EVIL = `$(bell) <img src=x onerror=alert(1)> ${LINK} \u001b[31mred\u001b]0;title\u0007 "'\`$(touch PWNED)\`; touch PWNED`;

const GOOD = { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1 }] } };
const CLUSTERS = JSON.stringify({
  clusters: { ...GOOD, [EVIL]: { nodes: [] } },
  backupLocations: { evil: 'file:///srv/$(touch PWNED)/<b>bold</b>' },
});

/** What a node, a package, a file or a name may say: everywhere it is text, and nothing else. */
describe('Hostile text', function () {
  this.timeout(600_000);
  const editor = useEditor({
    files: { '.vscode/clusters.json': CLUSTERS },
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let owned: OwnedRun;

  before(async () => {
    const { workbench, server, folder } = editor;
    await workbench.container('Clusters');
    await workbench.tree('Runs').expand();
    const configFile = join(folder, '.vscode/clusters.json');
    const plan = planOf(['n1'], {
      run: newRunId('staging'),
      cluster: 'staging',
      configFile,
      command: 'clusterlift upgrade',
    });
    owned = await new Runs(join(server.home, '.local/state/clusterlift')).create(plan);
    const { run, action, cluster } = plan;
    const { journal } = owned;
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
    await writeFile(
      join(owned.folder, 'n1.log'),
      `first\n${EVIL}\n${'y'.repeat(10 * 1024 * 1024)}\n\u001b[2J${EVIL}\nlast line\n`,
    );
  });

  after(() => owned.journal.close());

  afterEach(async () => {
    const { page } = editor.workbench;
    assert.equal(
      await page.locator('a[href^="command:"], a[data-href^="command:"]').filter({ hasText: 'click' }).count(),
      0,
    );
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    for (const folder of [editor.folder, editor.server.home, process.cwd(), owned.folder])
      assert.equal(existsSync(join(folder, 'PWNED')), false);
  });

  it('of clusters.json is a mistake with its line, and no row', async () => {
    const { workbench } = editor;
    await workbench.command('Problems: Focus on Problems View');
    const problem = workbench.page
      .locator('.markers-panel .monaco-list-row')
      .filter({ hasText: 'Clusterlift' })
      .first();
    await problem.waitFor();
    assert.equal(await problem.locator('.codicon-bell').count(), 0);
    await workbench.screenshot('hostile-problems');
  });

  it('of a node that failed: in the tree, in the one notification, and in what is read aloud', async () => {
    const { workbench } = editor;
    // A run is told of by the window that has its cluster.
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify({ clusters: GOOD }));
    await until('the cluster', async () => (await workbench.tree('Clusters').rows()).length === 1);
    const runs = workbench.tree('Runs');
    await until('the run', async () => (await runs.rows()).length > 0);
    const { journal } = owned;
    const error = { code: 'script-failed', message: `bin/upgrade said ${EVIL}`, hint: EVIL, log: [EVIL] };
    const key = { node: 'n1', step: 'upgrade', lane: 'main', attempt: 1 } as const;
    await journal.append({ type: 'step.started', ...key });
    await journal.append({ type: 'step.finished', ms: 5, ...key, result: 'failed', error });
    await journal.append({ type: 'node.finished', node: 'n1', outcome: 'failed', error });
    await journal.append({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
    await until('the notification', async () =>
      (await workbench.notifications()).some(({ message }) => message.includes('bin/upgrade said')),
    );
    await workbench.command('Notifications: Show Notifications');
    const toast = workbench.page.locator('.notification-list-item').filter({ hasText: 'bin/upgrade said' }).first();
    await toast.waitFor();
    assert.match(await toast.innerText(), /<img src=x onerror=alert\(1\)> \[click\] \(command:/);
    assert.equal(await toast.locator('.notification-list-item-message a').count(), 0);
    await workbench.screenshot('hostile-notification');
    const [run] = await runs.rows();
    await runs.open(run?.label ?? '');
    const step = await until('the step', async () => (await runs.rows()).find(({ level }) => level === 3));
    assert.match(step.description, /\$\(bell\) <img src=x/);
    assert.ok(!/\p{Cc}/u.test(step.spoken), step.spoken);
    assert.equal(await runs.row('upgrade').locator('.codicon-bell').count(), 0);
    // The tooltip is markdown: nothing in it becomes markup.
    await runs.row('upgrade').hover();
    const hover = workbench.page.locator('.workbench-hover').filter({ hasText: 'bell' });
    await hover.waitFor();
    assert.equal(await hover.locator('a, img, .codicon').count(), 0);
    await workbench.screenshot('hostile-tooltip');
  });

  it('of a log with a line of 10 MB: its end, without escapes, in its channel', async () => {
    const { workbench } = editor;
    const runs = workbench.tree('Runs');
    await runs.menu('n1', 'Show Node Output');
    await until('the end of the log', async () => (await workbench.outputText()).includes('last line'));
    const text = await workbench.outputText();
    assert.ok(text.includes('<img src=x onerror=alert(1)>'), text.slice(-2000));
    assert.ok(!text.includes('\u001b'));
    await workbench.screenshot('hostile-output');
  });

  it('of a package’s name: what is looked at is that file, and its name is shown as it is', async () => {
    const { workbench } = editor;
    const image = join(editor.server.home, `$(bell) [click](command:x) "$(touch PWNED)" ';touch PWNED;'.iso`);
    await copyFile((await acmePackage('2.0')).path, image);
    await workbench.command('Clusterlift: Inspect Package…');
    const pick = workbench.quickInput();
    await pick.choose(/Enter a URL/);
    await until('the field', async () => (await pick.message()).includes('URL or path'));
    await pick.type(image);
    await pick.accept();
    await until('what is in it', async () =>
      (await workbench.page.locator('.editor-group-container .view-lines').first().innerText()).includes('acme'),
    );
    // It is among the recent ones now.
    await workbench.command('Clusterlift: Inspect Package…');
    await until('the recent one', async () =>
      (await pick.items()).some(({ label }) => label.includes('$(bell) [click]')),
    );
    await workbench.screenshot('hostile-package');
    await pick.cancel();
  });
});
