// The steps of `npm test`: one for each folder of unit tests, one for each file of the slower suites.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REPORTER = fileURLToPath(import.meta.resolve('./reporter.cjs'));
const NODE = process.execPath;

/** Deadlines against what hangs; nearly all are far quicker, also where starting a process is ten times as slow. */
const MINUTES = { unit: 20, integration: 40, faults: 60, vscode: 30 };

/** What takes long begins early, so that all cores are busy to the end. */
const EARLY = ['build', 'vscode-editor', 'faults/', 'unit/engine', 'vscode/', 'lint/eslint'];

/** @returns {import('./run-step.mjs').Step[]} */
export function allSteps() {
  const long = process.env.LONG ? 6 : 1;
  // Two editors at once would only slow each other down.
  const ofEditor = { needs: ['build', 'vscode-editor'], one: 'editor' };
  // Not all need the bundles, but those that do must not meet old ones.
  const withCli = { after: ['build'] };
  const steps = [
    // The bundles, and the package that the tests of the editor install.
    { name: 'build', command: ['npm', 'run', '--silent', 'package'], minutes: 10 },
    { name: 'vscode-editor', command: [NODE, 'scripts/editor.mjs'], minutes: 15 },
    ...lintChecks().map((check) => ({
      name: `lint/${check.replaceAll(' ', '-')}`,
      command: [NODE, 'scripts/lint.mjs', check],
      minutes: 10,
    })),
    ...folders('test/unit').map((name) => mocha(`unit/${name}`, `test/unit/${name}/**/*.test.ts`, MINUTES.unit * long)),
    ...files('test/vscode').map((file) => ({ ...mocha(nameOf(file), file, MINUTES.vscode), ...ofEditor })),
    ...files('test/faults').map((file) => ({ ...mocha(nameOf(file), file, MINUTES.faults * long), ...withCli })),
    ...files('test/integration').map((file) => ({
      ...mocha(nameOf(file), file, MINUTES.integration * long),
      ...withCli,
    })),
  ];
  const rank = ({ name }) => {
    const index = EARLY.findIndex((each) => name.startsWith(each));
    return index < 0 ? EARLY.length : index;
  };
  return steps.sort((a, b) => rank(a) - rank(b));
}

/** The steps that a person named by the beginnings of their names, and what these wait for. */
export function chosen(steps, names) {
  if (names.length === 0) return steps;
  const wanted = new Set(
    steps.filter(({ name }) => names.some((each) => name.startsWith(each.replace(/^test\//, '')))),
  );
  for (const { after = [], needs = [] } of wanted) {
    for (const step of steps) if ([...after, ...needs].includes(step.name)) wanted.add(step);
  }
  return steps.filter((step) => wanted.has(step));
}

function mocha(name, files, minutes) {
  return {
    name,
    command: [NODE, 'node_modules/mocha/bin/mocha.js', '--reporter', REPORTER, files],
    mocha: true,
    minutes,
  };
}

function lintChecks() {
  const { stdout } = spawnSync(NODE, ['scripts/lint.mjs', '--list'], { cwd: ROOT, encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

function folders(parent) {
  return readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && files(join(parent, entry.name)).length > 0)
    .map(({ name }) => name);
}

/** All test files below, except those of the editor itself. */
function files(parent) {
  return readdirSync(join(ROOT, parent), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('node_modules'))
    .sort();
}

function nameOf(file) {
  return join(relative('test', file), '..', basename(file, '.test.ts'));
}
