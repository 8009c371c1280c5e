import assert from 'node:assert/strict';
import { Linter } from 'eslint';
import { mapLimit, sleep, within } from '../../../src/base/async';
import { abortAfter, after, ageOf, deadlineIn, every, monotonic, stopwatch, wallClock } from '../../../src/base/clock';
import { useFakeTime } from '../../lab/time';

const DAY = 86_400_000;

describe('The clock', () => {
  const held = useFakeTime();

  it('waits longer than a timer of Node can: 40 days are 40 days', async () => {
    const { time } = held;
    let told: number | undefined;
    after(40 * DAY, () => (told = time.now));
    await time.pass(40 * DAY - 1);
    assert.equal(told, undefined);
    await time.pass(1);
    assert.equal(told, 40 * DAY);
  });

  it('never ends a wait for ever', async () => {
    const { time } = held;
    let told = false;
    const timer = after(Infinity, () => (told = true));
    await time.pass(400 * DAY);
    assert.equal(told, false);
    timer.cancel();
    assert.equal(time.pending, 0);
  });

  for (const ahead of [-1200_000, -1, 1, 3600_000, 400 * DAY]) {
    it(`takes no notice when the machine's clock is set by ${String(ahead)} ms`, async () => {
      const { time } = held;
      const watch = stopwatch();
      const deadline = deadlineIn(60_000);
      const wait = sleep(60_000).then(() => time.now);
      await time.pass(10_000);
      time.step(ahead);
      assert.equal(watch.ms, 10_000);
      assert.equal(deadline.passed, false);
      await time.pass(49_999);
      assert.equal(deadline.passed, false);
      await time.pass(1);
      assert.equal(deadline.passed, true);
      assert.equal(await wait, 60_000);
      assert.equal(monotonic(), 60_000);
    });
  }

  it('tells the age of something stored, which is never below nothing', () => {
    const { time } = held;
    const stored = wallClock();
    time.step(5000);
    assert.equal(ageOf(stored), 5000);
    time.step(-9000);
    assert.equal(ageOf(stored), 0);
  });

  it('repeats until it is cancelled, and starts a timer again', async () => {
    const { time } = held;
    let [beats, ends] = [0, 0];
    const beat = every(10_000, () => beats++);
    const idle = after(25_000, () => ends++);
    await time.pass(20_000);
    idle.restart();
    await time.pass(24_999);
    assert.deepEqual([beats, ends], [4, 0]);
    await time.pass(1);
    assert.equal(ends, 1);
    beat.cancel();
    await time.pass(60_000);
    assert.equal(beats, 4);
    assert.equal(time.pending, 0);
  });

  it('sleeps until a signal, with its reason, and leaves no timer behind', async () => {
    const { time } = held;
    const stop = new AbortController();
    const wait = sleep(30 * DAY, stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(wait, /enough/);
    await assert.rejects(sleep(1, stop.signal), /enough/);
    assert.equal(time.pending, 0);
  });

  it('bounds work by a deadline, also by one beyond 2^31 ms', async () => {
    const { time } = held;
    const never = new Promise<void>(() => undefined);
    const late = within(30 * DAY, never, () => new Error('late'));
    const work = mapLimit([late], 1, (each) => each);
    await time.pass(30 * DAY - 1);
    const signal = abortAfter(10, () => new Error('over'));
    assert.equal(await within(5, Promise.resolve('in time'), () => new Error('late')), 'in time');
    const [result] = await time.until(work);
    assert.match(String(result?.status === 'rejected' && result.reason), /late/);
    await time.pass(10);
    assert.match(String(signal.reason), /over/);
  });
});

describe('The lint rule of clocks', () => {
  const own = '../../../eslint.config.mjs';
  const lint = async (code: string): Promise<number> => {
    const { ownClock } = (await import(own)) as { ownClock: { selector: string; message: string }[] };
    return new Linter().verify(code, [{ rules: { 'no-restricted-syntax': ['error', ...ownClock] } }]).length;
  };

  for (const bad of [
    'const t = Date.now();',
    'f(Date.now);',
    'const t = new Date().getTime() - before;',
    'const t = +new Date();',
    'const t = Date();',
    'const ms = wallClock() - before;',
    'if (before < wallClock()) f();',
    'performance.now();',
    'process.hrtime.bigint();',
    'setTimeout(f, 10);',
    'setInterval(f, 10);',
    'globalThis.setTimeout(f, 10);',
    'AbortSignal.timeout(10);',
    'import { setTimeout as nap } from "node:timers/promises";',
    'import timers from "timers";',
  ]) {
    it(`forbids ${bad}`, async () => assert.equal(await lint(bad), 1));
  }

  it('allows times that are shown or stored', async () => {
    assert.equal(await lint('const at = new Date(wallClock()).toISOString(); const old = ageOf(stat.mtimeMs);'), 0);
    assert.equal(await lint('const shown = new Date(entry.time);'), 0);
  });
});
