import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** The top of the repository. */
export const ROOT = resolve(__dirname, '../../..');
export const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

const run = promisify(execFile);

/** Why no editor can run here; undefined when it can. Tests skip with it, by name. */
export function whyNoEditor(): string | undefined {
  if (process.platform !== 'linux')
    return `the editor in a browser is set up on Linux only, this is ${process.platform}`;
  if (!existsSync(CHROMIUM)) return `${CHROMIUM} is missing (package chromium)`;
  return undefined;
}

/** The folder of VS Code's server; sets it up when this machine has none (minutes, once). */
async function editorFolder(): Promise<string> {
  const { stdout } = await run(process.execPath, [join(ROOT, 'scripts/editor.mjs')], { maxBuffer: 1 << 20 });
  return stdout.trim();
}

/** What a test may want to be different. */
export interface ServerOptions {
  /** Folders are trusted without asking (default), or Workspace Trust is on as for users. */
  readonly trust?: 'off' | 'on';
  /** A package made by `npm run package`, installed before the start. */
  readonly vsix?: string;
  /** User settings on top of the quiet ones below. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
}

/** No tips, no updates, no welcome: nothing that comes or goes by itself. */
const QUIET_SETTINGS = {
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.reduceMotion': 'on',
  // `Workbench.theme` says what the machine prefers: no command, no focus, nothing on the screen is closed by it.
  'window.autoDetectColorScheme': true,
  'window.autoDetectHighContrast': true,
  'workbench.preferredLightColorTheme': 'Light Modern',
  'workbench.preferredDarkColorTheme': 'Dark Modern',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'window.commandCenter': false,
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'github.gitAuthentication': false,
  'task.autoDetect': 'off',
  'npm.autoDetect': 'off',
  'terminal.integrated.gpuAcceleration': 'off',
  'terminal.integrated.initialHint': false,
} as const;

/**
 * Seconds that the server keeps the extension host of a window whose connection is gone. A page that closes says so, but
 * now and then too late for the message to leave; the default is three hours.
 */
const GRACE_S = 20;

/** VS Code's own server on a free loopback port, with data, extensions and a home of its own. */
export class EditorServer {
  private constructor(
    readonly port: number,
    /** Everything it keeps lies here: `data`, `extensions`, `home`. Removed by `stop`. */
    readonly folder: string,
    private readonly child: ChildProcess,
    private readonly guard: ChildProcess,
    private readonly output: () => string,
  ) {}

  static async start(options: ServerOptions = {}): Promise<EditorServer> {
    const editor = await editorFolder();
    const folder = await mkdtemp(join(tmpdir(), 'clusterlift-editor-'));
    const [data, extensions, home] = ['data', 'extensions', 'home'].map((each) => join(folder, each)) as [
      string,
      string,
      string,
    ];
    await mkdir(join(data, 'data/User'), { recursive: true });
    await mkdir(extensions);
    await mkdir(home, { mode: 0o700 });
    await writeFile(
      join(data, 'data/User/settings.json'),
      JSON.stringify({ ...QUIET_SETTINGS, ...options.settings }, null, 2),
    );

    const server = [join(editor, 'out/server-main.js'), '--server-data-dir', data, '--extensions-dir', extensions];
    // Without the gallery it asks nobody outside of this machine.
    const env = { ...cleanEnvironment(), HOME: home, EXTENSIONS_GALLERY: 'null', ...options.env };
    if (options.vsix !== undefined) {
      await run(process.execPath, [...server, '--install-extension', options.vsix, '--force'], {
        env,
        timeout: 180_000,
      });
    }
    const args = ['--host', '127.0.0.1', '--port', '0', '--without-connection-token', '--accept-server-license-terms'];
    args.push('--enable-smoke-test-driver', '--telemetry-level', 'off');
    args.push('--reconnection-grace-time', String(GRACE_S));
    if (options.trust !== 'on') args.push('--disable-workspace-trust');
    // A process group of its own, so that `stop` also ends extension hosts and terminals.
    const child = spawn(process.execPath, [...server, ...args], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const guard = endWithUs(child);
    let output = '';
    const port = await new Promise<number>((done, fail) => {
      const keep = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-100_000);
        const found = /Extension host agent listening on (\d+)/.exec(output);
        if (found) done(Number(found[1]));
      };
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      child.once('error', fail);
      child.once('exit', (code) => fail(new Error(`the editor's server ended with ${String(code)}\n${output}`)));
      setTimeout(() => fail(new Error(`the editor's server did not come up\n${output}`)), 60_000).unref();
    });
    return new EditorServer(port, folder, child, guard, () => output);
  }

  get home(): string {
    return join(this.folder, 'home');
  }

  /** Process id of the server; its group holds the extension hosts. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** What the server printed lately. */
  get log(): string {
    return this.output();
  }

  /**
   * Address of a workbench.
   * @param folder the workspace folder, or a `.code-workspace` file
   * @param development pairs as VS Code's `payload` wants them (`extensionDevelopmentPath`, `extensionTestsPath`)
   */
  url(folder: string, development: Readonly<Record<string, string>> = {}): string {
    const remote = Object.entries(development).map(([key, path]) => [
      key,
      `vscode-remote://127.0.0.1:${this.port}${path}`,
    ]);
    const payload = remote.length === 0 ? '' : `&payload=${encodeURIComponent(JSON.stringify(remote))}`;
    const kind = folder.endsWith('.code-workspace') ? 'workspace' : 'folder';
    return `http://127.0.0.1:${this.port}/?${kind}=${encodeURIComponent(folder)}${payload}`;
  }

  /** Process ids of the extension hosts started so far, the youngest last. */
  get extensionHosts(): number[] {
    return [...this.log.matchAll(/<(\d+)> Launched Extension Host Process/g)].map((found) => Number(found[1]));
  }

  /** How many extension hosts have activated the extension so far. */
  async activations(): Promise<number> {
    const texts = await this.#logs('remoteexthost.log');
    return texts.filter((text) => text.includes('_doActivateExtension clusterlift.clusterlift')).length;
  }

  /** Milliseconds of each activation on the extension's own clock, as it writes them into its log. */
  async activationTimes(): Promise<number[]> {
    const texts = await this.#logs('Clusterlift.log');
    return texts.flatMap((text) => [...text.matchAll(/activated in ([\d.]+) ms/g)].map(([, ms]) => Number(ms)));
  }

  async #logs(name: string): Promise<string[]> {
    const logs = join(this.folder, 'data/data/logs');
    const files = (await readdir(logs, { recursive: true })).filter((file) => basename(file) === name);
    return Promise.all(files.map((file) => readFile(join(logs, file), 'utf8')));
  }

  /** Ends the server and all that it started, and removes its folder. */
  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined) {
      const ended = new Promise((done) => this.child.once('exit', done));
      this.guard.stdin?.end();
      const timer = setTimeout(() => this.child.pid !== undefined && process.kill(-this.child.pid, 'SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    }
    // Children of the server may still write their last lines.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/**
 * Ends the group of a process when this one is gone, also after a `kill -9`: a pipe that only we hold closes then.
 * Ending its stdin ends the group at once.
 */
function endWithUs(child: ChildProcess): ChildProcess {
  const script = 'cat >/dev/null; kill -TERM "-$1"';
  const args = ['-c', script, 'sh', String(child.pid)];
  return spawn('sh', args, { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
}

/** The environment without what belongs to the test run: npm's, Node's and another editor's variables. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS|VSCODE_|ELECTRON_|XDG_)/.test(name)),
  );
}
