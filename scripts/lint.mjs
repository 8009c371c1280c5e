// `npm run lint`: everything that can be said about the source without running it. All checks run, also after one
// failed; the output of those that failed comes last. `npm run lint -- eslint prettier` runs only these, `--list` names them.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { howTo, language } from './prose.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NODE = join(ROOT, 'node_modules/node/bin/node');
const tool = (file, ...args) => [NODE, [join(ROOT, 'node_modules', file), ...args]];

const CHECKS = {
  types: tool('typescript/bin/tsc', '-p', '.'),
  'types of pages': tool('typescript/bin/tsc', '-p', 'src/webview'),
  'types of editor tests': tool('typescript/bin/tsc', '-p', 'test/vscode'),
  eslint: tool(
    'eslint/bin/eslint.js',
    '--cache',
    '--cache-location',
    'node_modules/.cache/eslint/',
    '--max-warnings=0',
    '.',
  ),
  prettier: tool('prettier/bin/prettier.cjs', '--check', '--log-level=warn', '--cache', '.'),
  'import directions': tool(
    'dependency-cruiser/bin/dependency-cruise.mjs',
    'src',
    'test',
    'scripts',
    '--output-type=err-long',
  ),
  'dead code': tool('knip/bin/knip.js', '--no-config-hints'),
  shellcheck: ['shellcheck', ['--shell=sh', ...tracked('*.sh')]],
  'lock files': lockFiles,
  'how-to': () => howTo(ROOT, tracked('docs/how-to/*.md')),
  language: () => language(ROOT, tracked('*.md', 'src/*.ts', 'src/*.sh', 'scripts/*')),
};

/** Files that git knows or would add. */
function tracked(...patterns) {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return stdout.split('\n').filter((each) => each !== '');
}

/** A lock file says what to install, not from where, and it is complete: else `npm ci` refuses it on a new machine. */
function lockFiles() {
  return tracked('package-lock.json', '**/package-lock.json').flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const { packages } = JSON.parse(text);
    const there = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, '')));
    const missing = Object.values(packages)
      .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
      .filter((name) => !there.has(name));
    return [
      ...(/"resolved": "https?:/.test(text) ? [`${file} names a registry: omit-lockfile-registry-resolved`] : []),
      ...(missing.length > 0 ? [`${file} lacks ${missing.join(', ')}: does the registry have them?`] : []),
    ];
  });
}

/** @returns {Promise<{ outcome: 'ok' | 'failed' | 'missing', output: string }>} */
async function run(check) {
  if (typeof check === 'function') {
    const findings = check();
    return { outcome: findings.length === 0 ? 'ok' : 'failed', output: findings.join('\n') };
  }
  const [command, args] = check;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }) },
    });
    let output = '';
    const keep = (chunk) => (output += chunk);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) =>
      resolve({ outcome: error.code === 'ENOENT' ? 'missing' : 'failed', output: error.message }),
    );
    child.on('close', (code) => resolve({ outcome: code === 0 ? 'ok' : 'failed', output }));
  });
}

async function main(names) {
  if (names[0] === '--list') {
    console.log(Object.keys(CHECKS).join('\n'));
    return 0;
  }
  const unknown = names.filter((name) => !(name in CHECKS));
  if (unknown.length > 0) {
    console.error(`There is no check ${unknown.join(', ')}; there are: ${Object.keys(CHECKS).join(', ')}`);
    return 2;
  }
  const failed = [];
  let missing = 0;
  for (const [name, check] of Object.entries(CHECKS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const start = Date.now();
    const { outcome, output } = await run(check);
    const said = outcome === 'missing' ? 'NOT INSTALLED, skipped' : outcome;
    console.log(`${name.padEnd(22)} ${said} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    if (outcome === 'failed') failed.push({ name, output });
    if (outcome === 'missing') missing++;
  }
  for (const { name, output } of failed) console.log(`\n── ${name} ──\n${output.trim()}`);
  if (missing > 0 && process.env.CI) console.log('\nWith CI set, a check that is not installed is a failure.');
  return failed.length > 0 || (missing > 0 && process.env.CI) ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
