import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { useEditor } from './harness/fixture';
import { hostSuite } from './harness/host';
import { ROOT } from './harness/server';
import { until } from './harness/until';

const clustersJson = (port: number): string =>
  JSON.stringify({ clusters: { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port }] } } });
const TASKS = JSON.stringify({
  version: '2.0.0',
  tasks: [{ label: 'up', type: 'clusterlift', command: 'check', cluster: 'staging', problemMatcher: [] }],
});
const QUIET = { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' };

/** A mistake in it would be a diagnostic, if it was read. */
hostSuite('In a folder that is not trusted', ['host/untrusted.ts'], {
  trust: 'on',
  files: { '.vscode/clusters.json': clustersJson(1).replace('"host"', '"hots"'), '.vscode/tasks.json': TASKS },
  settings: QUIET,
});

describe('A folder that is not trusted', () => {
  // The node of the cluster: it only counts who comes.
  let node: Server;
  let connections = 0;
  const files: Record<string, string> = { '.vscode/tasks.json': TASKS };
  before(async () => {
    node = createServer((socket) => {
      connections++;
      socket.on('error', () => undefined).destroy();
    }).listen(0, '127.0.0.1');
    await once(node, 'listening');
    files['.vscode/clusters.json'] = clustersJson((node.address() as AddressInfo).port);
  });
  after(() => node.close());

  const editor = useEditor({
    trust: 'on',
    vsix: join(ROOT, 'clusterlift.vsix'),
    files,
    settings: { ...QUIET, 'clusterlift.refreshOnShow': false },
  });

  /** Nothing was started, nothing was written, nobody came to the node. */
  async function nothingHappened(): Promise<void> {
    assert.deepEqual(await processes(editor.server.home), []);
    assert.deepEqual(await readdir(join(editor.server.home, '.local/state/clusterlift')).catch(() => []), []);
    assert.equal(connections, 0);
  }

  it('shows no cluster, says why, and offers nothing that connects', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Clusters');
    await until('the reason', async () => (await tree.message()).includes('until you trust the folder'));
    assert.deepEqual(await tree.rows(), []);
    await workbench.screenshots('untrusted');
    const palette = await workbench.palette('Clusterlift: ');
    const offered = (await palette.items()).map(({ label }) => label);
    await palette.cancel();
    for (const command of ['Upgrade…', 'Status', 'Check…', 'Roll Back…', 'Open SSH Terminal']) {
      assert.ok(!offered.includes(`Clusterlift: ${command}`), command);
    }
    assert.ok(offered.includes('Clusterlift: Open clusters.json'), offered.join());
    await nothingHappened();
  });

  it('opens no terminal on a node, and says why', async () => {
    const { workbench } = editor;
    await workbench.command('Create New Terminal (With Profile)');
    await workbench.quickInput().choose(/Cluster Node \(SSH\)/);
    await until('the reason', async () =>
      (await workbench.notifications()).some(({ message }) =>
        message.includes('so Clusterlift does not connect or run anything'),
      ),
    );
    await workbench.command('Notifications: Show Notifications');
    await workbench.screenshots('untrusted-terminal');
    await workbench.page.keyboard.press('Escape');
    assert.equal(await workbench.page.locator('.terminal-wrapper').count(), 0);
    await nothingHappened();
  });

  it('runs no task of its tasks.json: a person is asked for trust, and Cancel is the end of it', async () => {
    const { workbench } = editor;
    await workbench.command('Tasks: Run Task');
    const dialog = await workbench.dialog();
    assert.match(dialog.text, /Do you trust the authors/);
    await workbench.screenshots('untrusted-task');
    await workbench.dialogButton('Cancel');
    // As long as the same task needs to come to the node, below, and longer.
    await wait(3_000);
    assert.equal(await workbench.terminalText(), '');
    await nothingHappened();
  });

  it('connects once somebody trusts it: the same task comes to the node', async () => {
    const { workbench } = editor;
    await workbench.command('Tasks: Run Task');
    await workbench.dialog();
    await workbench.dialogButton('Trust Folder & Continue');
    await workbench.quickInput().choose('up');
    await workbench.terminalShows('Exit status 3');
    assert.notEqual(connections, 0);
    assert.equal((await processes(editor.server.home)).length, 1);
  });
});

/** What runs of ours with this home: the process that looks, or one that works on a run. */
async function processes(home: string): Promise<string[]> {
  const read = (pid: string, file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
    const line = await read(pid, 'cmdline');
    if (!/cli\.js\0__(?:service|run)/.test(line)) continue;
    if ((await read(pid, 'environ')).split('\0').includes(`HOME=${home}`)) found.push(line.replaceAll('\0', ' '));
  }
  return found;
}
