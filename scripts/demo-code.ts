import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { InProcessNodes } from '../test/lab/inprocess';
import { EditorServer } from '../test/vscode/harness/server';
import { demoPackages } from './demo-product';

/**
 * `npm run demo:code`: three nodes inside this process and a workspace for them, in the editor that is there: `code`, else
 * the one of the tests, in a browser (also with `--browser`). Settings, extensions and keys are of the demo alone.
 */

const VSIX = resolve(__dirname, '../clusterlift.vsix');
const windows = process.platform === 'win32';

async function main(browser: boolean): Promise<number> {
  const nodes = await InProcessNodes.start(['node1', 'node2', 'node3']);
  try {
    const folder = await workspace(nodes);
    const code = browser ? undefined : findCode();
    // Without a terminal's Ctrl+C, the nodes would stay behind.
    const asked = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    // A home of its own, but the display of the person.
    const { HOME, XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, XDG_DATA_HOME } = nodes.env();
    const own = { HOME, XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, XDG_DATA_HOME };
    const XAUTHORITY = process.env['XAUTHORITY'] ?? join(homedir(), '.Xauthority');
    const env = { ...process.env, ...own, XAUTHORITY };
    if (code !== undefined) await Promise.race([inCode(code, nodes.dir, folder, env), asked]);
    else await inBrowser(folder, own, asked);
    return 0;
  } finally {
    await nodes.stop();
  }
}

/** A folder as a team has it: clusters, reviewed tasks, and the packages beside them. */
async function workspace(nodes: InProcessNodes): Promise<string> {
  const folder = join(nodes.dir, 'workspace');
  await mkdir(join(folder, '.vscode'), { recursive: true });
  const { good, bad } = await demoPackages(join(nodes.dir, 'nodes'));
  await copyFile(good.path, join(folder, 'hello-2.0.iso'));
  await copyFile(bad.path, join(folder, 'hello-3.0-fails-on-node2.iso'));
  const task = { type: 'clusterlift', command: 'upgrade', problemMatcher: [] };
  const how = { mode: 'serial', backup: 'none' };
  const tasks = [
    { label: 'Upgrade to 2.0', ...task, package: '${workspaceFolder}/hello-2.0.iso', ...how },
    {
      label: 'Upgrade to 3.0, which fails',
      ...task,
      package: '${workspaceFolder}/hello-3.0-fails-on-node2.iso',
      ...how,
    },
  ];
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  await writeFile(join(folder, '.vscode/clusters.json'), json(nodes.clustersJson()));
  await writeFile(join(folder, '.vscode/tasks.json'), json({ version: '2.0.0', tasks }));
  return folder;
}

function findCode(): string | undefined {
  return spawnSync('code', ['--version'], { shell: windows, timeout: 20_000 }).status === 0 ? 'code' : undefined;
}

/** Until its window is closed. */
async function inCode(code: string, dir: string, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const own = ['--user-data-dir', join(dir, 'editor'), '--extensions-dir', join(dir, 'extensions')];
  const run = async (...args: string[]): Promise<void> => {
    await once(spawn(code, [...own, ...args], { env, stdio: 'inherit', shell: windows }), 'close');
  };
  await run('--install-extension', VSIX, '--force');
  console.log('The demo ends when its window is closed.');
  await run('--disable-workspace-trust', '--new-window', '--wait', folder);
}

/** Until Ctrl+C. */
async function inBrowser(folder: string, env: NodeJS.ProcessEnv, asked: Promise<unknown>): Promise<void> {
  console.log('Setting up the editor of the tests (minutes, the first time) …');
  const server = await EditorServer.start({ vsix: VSIX, env });
  try {
    console.log(
      `Open ${server.url(folder)}\nThen choose Clusters at the left, or Run Task in the palette. Ctrl+C ends the demo.`,
    );
    await asked;
  } finally {
    await server.stop();
  }
}

void main(process.argv.includes('--browser')).then((status) => {
  process.exitCode = status;
});
