// Runs one step as a process group of its own, with a deadline, and counts its results.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setInterval } from 'node:timers';

const GRACE = 20_000;
const groups = new Set();

/** See run-step.d.mts. */
export async function runStep(step, { root, dir, env }) {
  const started = Date.now();
  const file = join(dir, `${step.name.replaceAll('/', '_')}.jsonl`);
  const { ended, output, failure } = await watch(step, file, {
    root,
    env: { ...env, ...step.env, TEST_RESULTS: file },
  });
  const ms = Date.now() - started;
  if (!step.mocha) {
    const failed = ended === 0 && !failure ? [] : [step.name];
    return { step, ms, passed: 1 - failed.length, failed, skipped: [], output, failure };
  }
  const { passed, failed, skipped, open, complete } = count(file);
  let why = failure;
  if (!why && !complete) why = `mocha ended with ${ended} before all tests had run`;
  if (!why && failed.length === 0 && ended !== 0) why = `mocha ended with ${ended}`;
  if (!why && passed + failed.length + skipped.length === 0) why = 'there was no test in it';
  if (why) failed.push(`${step.name}: ${why}${open ? `, in "${open}"` : ''}`);
  return { step, ms, passed, failed, skipped, output, failure: why };
}

function watch(step, file, { root, env }) {
  return new Promise((resolve) => {
    const [command, ...args] = step.command;
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    groups.add(child.pid);
    let output = '';
    let failure;
    let grace;
    const keep = (chunk) => (output += chunk);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const end = (reason) => {
      failure = reason;
      signal(child.pid, 'SIGTERM');
      setTimeout(() => signal(child.pid, 'SIGKILL'), 5000).unref();
    };
    const deadline = setTimeout(() => end(`not done after ${step.minutes} minutes`), step.minutes * 60_000);
    // A suite that has ended but does not exit has left something open.
    const look = setInterval(() => {
      if (step.mocha && grace === undefined && results(file).some(({ event }) => event === 'end')) {
        grace = setTimeout(() => end('it left something open and did not exit'), step.grace ?? GRACE);
      }
    }, 500);
    const done = (ended) => {
      for (const timer of [deadline, look, grace]) clearTimeout(timer);
      signal(child.pid, 'SIGKILL'); // what it may have left in its group
      groups.delete(child.pid);
      resolve({ ended, output, failure });
    };
    child.on('error', (error) => {
      output += error.message;
      done(1);
    });
    // 'exit' with a pause rather than 'close': something left behind may hold the pipes for ever.
    child.on('exit', (code, name) => setTimeout(() => done(code ?? name), 200));
  });
}

function signal(pid, name) {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}

/** For the end, also an early one. */
export function killAll() {
  for (const pid of groups) signal(pid, 'SIGKILL');
}

function results(file) {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

function count(file) {
  const failed = [];
  const skipped = [];
  let passed = 0;
  let open;
  let complete = false;
  for (const { event, name } of results(file)) {
    if (event === 'begin') open = name;
    else open = undefined;
    if (event === 'passed') passed++;
    if (event === 'failed') failed.push(name);
    if (event === 'skipped') skipped.push(name);
    if (event === 'end') complete = true;
  }
  return { passed, failed, skipped, open, complete };
}
