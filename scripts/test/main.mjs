// Orders the steps, runs them side by side, and says what came out. Started by scripts/test.mjs.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareMachine } from './machine.mjs';
import { killAll, runStep } from './run-step.mjs';
import { allSteps, chosen } from './steps.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COLOR = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
const paint = (code, text) => (COLOR ? `\u001b[${code}m${text}\u001b[0m` : text);
const MARK = { passed: paint(32, '✓'), failed: paint(31, '✗'), skipped: paint(33, '–') };
const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const seconds = (ms) =>
  ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;

function show({ step, ms, passed, failed, skipped, output }) {
  const total = passed + failed.length + skipped.length;
  const parts = step.mocha ? [plural(total, 'test')] : [];
  if (failed.length > 0) parts.push(step.mocha ? paint(31, `${failed.length} failed`) : paint(31, 'failed'));
  if (skipped.length > 0) parts.push(paint(33, `${skipped.length} skipped`));
  const mark = failed.length > 0 ? MARK.failed : passed === 0 ? MARK.skipped : MARK.passed;
  console.log(`${mark} ${step.name.padEnd(44)} ${parts.join(', ').padEnd(22)} ${seconds(ms).padStart(10)}`);
  // Everything it said, except what went well.
  const said = step.mocha ? output.replace(/^ *✔ .*\n/gm, '') : output;
  if (failed.length > 0) console.log(`${said.replace(/^/gm, '    ').trimEnd()}\n`);
}

/** Runs all steps, at most `lanes` at a time; a step waits for those in `after`, and does not run if one in `needs` failed. */
async function runAll(steps, lanes, context) {
  const results = [];
  const waiting = [...steps];
  const running = new Map();
  const outcome = (name) => results.find(({ step }) => step.name === name);
  while (waiting.length > 0 || running.size > 0) {
    for (const step of [...waiting]) {
      if (running.size >= lanes) break;
      const { after = [], needs = [] } = step;
      const broken = needs.find((name) => (outcome(name)?.failed.length ?? 0) > 0);
      const open = [...after, ...needs].filter((name) => steps.some((each) => each.name === name) && !outcome(name));
      if (broken === undefined && open.length > 0) continue;
      if (step.one && [...running.keys()].some((each) => each.one === step.one)) continue;
      waiting.splice(waiting.indexOf(step), 1);
      const run =
        broken === undefined
          ? runStep(step, context)
          : Promise.resolve({
              step,
              ms: 0,
              passed: 0,
              failed: [`${step.name}: not run, because ${broken} failed`],
              skipped: [],
              output: `not run, because ${broken} failed`,
            });
      running.set(
        step,
        run.then((result) => {
          running.delete(step);
          results.push(result);
          show(result);
        }),
      );
    }
    await Promise.race(running.values());
  }
  return results;
}

/** Kills what tests left running, found by a variable that they inherited; gives their command lines. Linux only. */
function leftovers(mark) {
  const found = [];
  for (const pid of process.platform === 'linux' ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : []) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)) continue;
      found.push(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  return found;
}

/** Network and mounts of labs whose test was killed. */
function sweepLabs() {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return;
  const code = "require('./test/lab/slots').sweep()";
  spawnSync(process.execPath, ['-r', 'tsx/cjs', '-e', code], { cwd: ROOT, stdio: 'inherit', timeout: 60_000 });
}

async function main(names) {
  const started = Date.now();
  const ci = ['true', '1'].includes(process.env.CI ?? '');
  const user = process.getuid?.() === 0 ? 'root' : 'not root';
  // One more than there are cores: much of the time of the slow suites is spent waiting for nodes.
  const lanes = Math.max(2, Math.min(4, availableParallelism() + 1));
  console.log(
    `Node ${process.version.slice(1)} on ${process.platform} ${release()}, ${user}, ${lanes} at a time${ci ? ', CI: a skip is a failure' : ''}`,
  );
  const { lacks, env } = prepareMachine((text) => console.log(text));
  for (const lack of lacks) console.log(`${MARK.skipped} MISSING: ${lack}; tests that need it are skipped`);

  const steps = chosen(allSteps(), names);
  if (steps.length === 0) {
    console.log(
      `No step is called ${names.join(' or ')}; there are:\n  ${allSteps()
        .map(({ name }) => name)
        .join('\n  ')}`,
    );
    return 2;
  }
  const dir = mkdtempSync(join(tmpdir(), 'clusterlift-test-'));
  const mark = `CLUSTERLIFT_TEST=${dir}`;
  const context = {
    root: ROOT,
    dir,
    env: {
      ...process.env,
      ...env,
      CLUSTERLIFT_TEST: dir,
      PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
      NO_COLOR: '1',
      FORCE_COLOR: '0',
    },
  };
  const end = (status) => {
    killAll();
    const left = leftovers(mark);
    sweepLabs();
    rmSync(dir, { recursive: true, force: true });
    if (status !== undefined) process.exit(status);
    return left;
  };
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])
    process.once(signal, () => end(status));

  const results = await runAll(steps, lanes, context);
  const left = end();
  return summary(results, left, ci, Date.now() - started);
}

function summary(results, left, ci, ms) {
  const passed = results.reduce((sum, each) => sum + each.passed, 0);
  const failed = results.flatMap((each) =>
    each.failed.map((name) => `${each.step.name}: ${name.replace(`${each.step.name}: `, '')}`),
  );
  const skipped = results.flatMap((each) => each.skipped.map((name) => `${each.step.name}: ${name}`));
  if (left.length > 0) failed.push(`processes were left running: ${left.join('; ').slice(0, 1000)}`);
  console.log('');
  for (const name of skipped) console.log(`${MARK.skipped} skipped  ${name}`);
  for (const name of failed) console.log(`${MARK.failed} failed   ${name}`);
  if (ci && skipped.length > 0) console.log('With CI set, what is skipped counts as failed.');
  if (failed.length + skipped.length > 0) console.log('');
  console.log(`${plural(results.length, 'step')} in ${seconds(ms)}`);
  const bad = failed.length + (ci ? skipped.length : 0);
  console.log(`${passed} passed, ${bad} failed${!ci && skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
