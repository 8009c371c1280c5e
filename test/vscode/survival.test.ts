import { strict as assert } from 'node:assert';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, underWay } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { runTask } from './harness/task';
import { until } from './harness/until';

const IMAGE_BYTES = 256 * 1024 * 1024;
/** So slow that everything below happens while the image is on its way; the last test takes the limit away. */
const UPLINK_MBIT = 24;
/** Seconds without one byte that are a pause; a slow machine that starts an editor meanwhile is allowed some. */
const PAUSE_S = 10;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** One upgrade, and all that can happen to the window and to the process of a run. None of it may stop or repeat it. */
describe('A run and its window', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab;

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}]);
    const image = (await acmePackage('2.0', { padBytes: IMAGE_BYTES })).path;
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    await lab.uplink(UPLINK_MBIT);
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await cp(join(lab.home, '.config/clusterlift/clusters.json'), join(editor.folder, '.vscode/clusters.json'));
    const ours = { type: 'clusterlift', command: 'upgrade', package: image, backup: 'none', problemMatcher: [] };
    const tasks = [
      { ...ours, label: 'up' },
      { ...ours, label: 'by itself', mode: 'serial', isBackground: true },
      // The editor takes up tasks like this one after a reload: ours must not come with it.
      { label: 'watcher', type: 'shell', command: 'sleep 1000', isBackground: true, problemMatcher: [] },
    ];
    await writeFile(join(editor.folder, '.vscode/tasks.json'), JSON.stringify({ version: '2.0.0', tasks }));
  });

  after(async () => {
    await (lab as Lab | undefined)?.stop();
  });

  const runsFolder = (): string => join(editor.server.home, '.local/state/clusterlift/runs');

  /** Process ids of those that worked on the run, the youngest last. */
  async function owners(): Promise<number[]> {
    const [run = '', ...others] = await readdir(runsFolder());
    assert.deepEqual(others, []);
    const files = (await readdir(join(runsFolder(), run))).filter((name) => /^owner\.\d+$/.test(name)).sort();
    return Promise.all(
      files.map(async (name) => {
        const { pid } = JSON.parse(await readFile(join(runsFolder(), run, name), 'utf8')) as { pid: number };
        return pid;
      }),
    );
  }

  /** Bytes of the image that are on the nodes. */
  async function staged(): Promise<number> {
    const sizes = await Promise.all(
      lab.nodes.map((node) => node.run('cat /var/lib/clusterlift/packages/*/image.iso* | wc -c')),
    );
    return sizes.reduce((sum, { stdout }) => sum + Number(stdout), 0);
  }

  /**
   * Counts the image on the nodes, once a second, while something happens to the window: at this rate about 3 MB come
   * in a second, and a run that began anew, or waited for its window, would be seen standing.
   */
  async function withoutPause(happening: () => Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const sizes: number[] = [];
    const counting = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        sizes.push(await staged());
        await sleep(1000);
      }
    })();
    await happening().finally(() => over.abort());
    await counting;
    let standing = 0;
    for (const [index, size] of sizes.slice(1).entries()) {
      assert.ok(size >= (sizes[index] ?? 0), `what was staged is gone: ${sizes.join()}`);
      standing = size > (sizes[index] ?? 0) ? 0 : standing + 1;
      assert.ok(standing < PAUSE_S, `nothing came for ${String(standing)} s: ${sizes.join()}`);
    }
  }

  /** Bytes arrive, and they are not the last ones. */
  async function goesOn(): Promise<void> {
    const before = await staged();
    await until('more of the image on the nodes', async () => (await staged()) > before);
    assert.ok((await staged()) < 2 * IMAGE_BYTES);
    assert.deepEqual(await executions(lab.nodes, 'upgrade'), []);
  }

  /** Finds the run in the tree and follows it in a new terminal. */
  async function follow(): Promise<void> {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Runs');
    await until('the run', async () => (await tree.rows()).some(({ spoken }) => spoken.includes('running')));
    await tree.menu('upgrade lab', 'Follow Run');
    await workbench.terminalShows(/> clusterlift upgrade[^]*n1[^]*n2/);
  }

  it('shows on the terminal, in the tree and in the status bar', async () => {
    const { workbench } = editor;
    await runTask(workbench, 'watcher');
    await runTask(workbench, 'up');
    await until('the image on its way', async () => (await staged()) > 0, 60_000);
    await workbench.container('Clusters');
    const tree = workbench.tree('Runs');
    await until('the run', async () => (await tree.rows()).some(({ spoken }) => spoken.includes('running')));
    await until('the status bar', async () =>
      (await workbench.statusBar()).some((each) => each.includes('Upgrade of lab')),
    );
    await workbench.tree('Clusters').open('lab');
    await workbench.screenshots('running');
  });

  it('asks at Ctrl+C, and goes on when that is cancelled', async () => {
    const { workbench } = editor;
    await workbench.terminalPress('Control+C');
    const pick = await workbench.quickInput().open('Upgrade of lab is running');
    assert.deepEqual(
      (await pick.items()).map(({ label }) => label),
      ['Stop', 'Detach', 'Cancel'],
    );
    await workbench.screenshots('ctrl-c');
    await pick.cancel();
  });

  it('goes on while the window is reloaded; the new one finds it and follows it', async () => {
    const [first] = await owners();
    await withoutPause(() => editor.workbench.reload());
    await follow();
    await editor.workbench.screenshots('followed');
    assert.deepEqual(await owners(), [first]);
    await goesOn();
  });

  it('goes on while there is no window', async () => {
    const [first] = await owners();
    const host = editor.server.extensionHosts.at(-1) ?? 0;
    await withoutPause(async () => {
      await editor.workbench.page.close();
      await until('the end of its extension host', () => Promise.resolve(!isAlive(host)));
      await goesOn();
    });
    await withoutPause(() => editor.reopen());
    assert.notEqual(editor.server.extensionHosts.at(-1), host, 'another window, another extension host');
    await follow();
    assert.deepEqual(await owners(), [first]);
    await goesOn();
  });

  it('goes on when the extension host is killed', async () => {
    const [first] = await owners();
    await withoutPause(async () => {
      process.kill(editor.server.extensionHosts.at(-1) ?? 0, 'SIGKILL');
      await sleep(3000);
      await editor.workbench.reload();
    });
    await follow();
    assert.deepEqual(await owners(), [first]);
    await goesOn();
  });

  it('is resumed by itself when its own process is killed before the eyes of the window', async () => {
    process.kill((await owners()).at(-1) ?? 0, 'SIGKILL');
    await editor.workbench.terminalShows('Resuming the run.');
    await until('another process', async () => (await owners()).length === 2);
    await goesOn();
    await editor.workbench.terminalShows(/Resuming the run[^]*n1[^]*n2/);
    const tree = editor.workbench.tree('Runs');
    await until('the run', async () => (await tree.rows()).some(({ spoken }) => spoken.includes('running')));
    const told = await editor.workbench.notifications();
    assert.ok(!told.some(({ message }) => message.includes('interrupted')), JSON.stringify(told));
  });

  it('is offered to be resumed when that happens again', async () => {
    const { workbench } = editor;
    process.kill((await owners()).at(-1) ?? 0, 'SIGKILL');
    await workbench.terminalShows(/Resume the run to continue[^]*Exit status 4\n.*Press any key[^\n]*$/);
    const tree = workbench.tree('Runs');
    await until('the run', async () => (await tree.rows()).some(({ spoken }) => spoken.includes('interrupted')));
    await until('the offer', async () =>
      (await workbench.notifications()).some(({ message }) => message.includes('interrupted')),
    );
    await workbench.screenshots('interrupted');
    assert.equal((await owners()).length, 2);
    await workbench.notificationButton('interrupted', 'Resume');
    await until('another process', async () => (await owners()).length === 3, 60_000);
    await workbench.terminalShows(/clusterlift resume[^]*n1[^]*n2/);
  });

  it('goes on when the window is reloaded while the nodes are changed, and ends as if nothing had happened', async () => {
    await lab.uplink();
    await underWay(lab, 'upgrade', 2);
    const { workbench } = editor;
    await workbench.reload();
    await follow();
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    await workbench.terminalShows('Exit status 0', 120_000);
    const tree = workbench.tree('Runs');
    await until('its end in the tree', async () =>
      (await tree.rows()).some(({ spoken }) => spoken.includes('succeeded')),
    );
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    await exactlyOnce(lab.nodes);
    assert.equal((await readdir(runsFolder())).length, 1);
    const told = (await workbench.notifications()).filter(({ message }) =>
      /lab was upgraded|Upgrade of lab/.test(message),
    );
    assert.equal(told.length, 1, JSON.stringify(told));
  });

  it('is not begun by a background task, which the editor would start again by itself', async () => {
    await runTask(editor.workbench, 'by itself');
    const text = await editor.workbench.terminalShows('Exit status 2');
    assert.match(text, /task-starts-itself/);
  });
});
