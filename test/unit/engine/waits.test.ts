import { strict as assert } from 'node:assert';
import { sleep } from '../../../src/base/async';
import { ClusterliftError, ExitStatus, hasCode } from '../../../src/base/errors';
import { RunContext } from '../../../src/engine/control/context';
import type { JournalEntry, RunEvent } from '../../../src/engine/journal/events';
import { waitUntilHealthy } from '../../../src/engine/steps/health';
import type { Journal } from '../../../src/engine/journal/journal';
import { scriptJob } from '../../../src/engine/steps/jobstep';
import { rebootAndWait } from '../../../src/engine/steps/reboot';
import type { RunPackage } from '../../../src/engine/control/runpackage';
import { retryOnServer } from '../../../src/engine/points/store';
import { readVersion } from '../../../src/engine/steps/version';
import { stepOf } from '../../../src/engine/journal/view';
import { Meter } from '../../../src/package/sources/meter';
import { QuestionBroker } from '../../../src/service/broker';
import type { ExecRequest, ExecResult, NodeConnection } from '../../../src/ssh/connection';
import { PausableDeadline } from '../../../src/ssh/reach/pausable-deadline';
import { Throttle } from '../../../src/ssh/reach/throttle';
import { useFakeTime } from '../../lab/time';
import { planOf } from './plans';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The clock of the operator's machine is set while it waits: an hour forward, twenty minutes back, or not at all. */
const STEPS = [0, HOUR, -20 * MINUTE] as const;

describe('Waits of a run', () => {
  const held = useFakeTime();

  for (const step of STEPS) {
    describe(`while the clock is set by ${String(step / MINUTE)} minutes`, () => {
      /** Sets the clock after so long. */
      const stepsAfter = (ms: number): void => void sleep(ms).then(() => held.time.step(step));

      it('a node that becomes healthy in its time is healthy', async () => {
        const { time } = held;
        const ctx = run(() => script('health', time.now < 10_000 ? 1 : 0));
        stepsAfter(5000);
        await time.until(waitUntilHealthy(ctx, pkg({ health: 2 * MINUTE }), 'n1', 'health'));
        assert.ok(time.now >= 10_000 && time.now < 12_000, String(time.now));
        assert.ok(
          (stepOf(ctx.nodeView('n1'), 'health')?.ms ?? HOUR) < 12_000,
          'the time that it is said to have taken',
        );
      });

      it('a node that never becomes healthy fails at the end of its time', async () => {
        const { time } = held;
        const ctx = run(() => script('health', 1));
        stepsAfter(5000);
        const end = waitUntilHealthy(ctx, pkg({ health: 2 * MINUTE }), 'n1', 'health');
        await assert.rejects(time.until(end), (e) => hasCode(e, 'unhealthy'));
        assert.ok(time.now >= 2 * MINUTE && time.now < 2 * MINUTE + 2000, String(time.now));
      });

      it('a node that is away is waited for, as long as was said', async () => {
        const { time } = held;
        const back = run(() => (time.now < 40_000 ? away() : script('version', 0, '2.0')));
        stepsAfter(5000);
        assert.equal(await time.until(readVersion(back, pkg(), 'n1')), '2.0');
        assert.ok(time.now < 50_000);
        const began = time.now;
        const gone = run(away);
        stepsAfter(5000);
        const end = gone.retryWhileUnreachable(
          'n1',
          (connection) => connection.exec({ script: '', timeout: 1 }),
          10 * MINUTE,
        );
        await assert.rejects(time.until(end), (e) => hasCode(e, 'node-unknown'));
        assert.ok(Math.abs(time.now - began - 10 * MINUTE) < 10_000, String(time.now - began));
      });

      it('a job is overdue after its time, and let go of after that and --give-up, 24 days at most', async () => {
        const { time } = held;
        const giveUp = 24 * DAY;
        const ctx = run(async () => {
          await sleep(25_000 * 60);
          return { code: 0, signal: undefined, stdout: '', stderr: 'CLUSTERLIFT-JOB running \n' };
        }, giveUp);
        await locked(ctx);
        stepsAfter(5000);
        const job = { node: 'n1', step: 'upgrade', action: 'upgrade', repeatable: false } as const;
        const end = scriptJob(ctx, pkg({ upgrade: DAY }), job);
        end.catch(() => undefined);
        await time.pass(DAY - 1);
        assert.equal(stepOf(ctx.nodeView('n1'), 'upgrade')?.overdue, false);
        await time.pass(1);
        assert.equal(stepOf(ctx.nodeView('n1'), 'upgrade')?.overdue, true);
        await time.pass(giveUp - 1);
        assert.equal(stepOf(ctx.nodeView('n1'), 'upgrade')?.state, 'running');
        await assert.rejects(time.until(end), (e) => hasCode(e, 'overdue'));
        assert.ok(time.now < DAY + giveUp + HOUR, String(time.now));
        assert.equal(time.pending, 0, 'no timer is left');
      });

      it('the age of a job is counted on its node: a resume, or a machine that slept, begins no new count', async () => {
        const { time } = held;
        const aged = (start: number): RunContext =>
          run(async () => {
            await sleep(25_000);
            const age = Math.floor((start + time.now) / 1000);
            return { code: 0, signal: undefined, stdout: '', stderr: `CLUSTERLIFT-JOB running ${String(age)}\n` };
          }, HOUR);
        const job = { node: 'n1', step: 'upgrade', action: 'upgrade', repeatable: false } as const;
        for (const [age, overdueAt, endsAt] of [
          [DAY - HOUR, HOUR, 2 * HOUR],
          [3 * DAY, 25_000, HOUR + 25_000],
        ] as const) {
          const ctx = aged(age - time.now);
          await locked(ctx);
          stepsAfter(5000);
          const began = time.now;
          const end = scriptJob(ctx, pkg({ upgrade: DAY }), job);
          end.catch(() => undefined);
          await time.pass(overdueAt - 6000);
          assert.equal(stepOf(ctx.nodeView('n1'), 'upgrade')?.overdue, false);
          await time.pass(40_000);
          assert.equal(stepOf(ctx.nodeView('n1'), 'upgrade')?.overdue, true);
          await assert.rejects(time.until(end), (e) => hasCode(e, 'overdue'));
          assert.ok(Math.abs(time.now - began - endsAt) < 40_000, String(time.now - began));
        }
      });

      it('a node that restarts has the time of its manifest and --give-up to be back', async () => {
        const { time } = held;
        const boots = (ms: number): RunContext =>
          run((request) => {
            if (request.script.includes('emit boot')) return entries({ boot: time.now < ms ? 'old' : 'new' });
            return { ...entries({}), stderr: 'CLUSTERLIFT-JOB ended 0\n' };
          }, HOUR);
        const back = boots(8 * MINUTE);
        await locked(back);
        stepsAfter(5000);
        await time.until(rebootAndWait(back, pkg({ reboot: 10 * MINUTE }), 'n1'));
        assert.ok(time.now < 9 * MINUTE);
        const began = time.now;
        const gone = boots(Infinity);
        await locked(gone);
        stepsAfter(5000);
        const end = rebootAndWait(gone, pkg({ reboot: 10 * MINUTE }), 'n1');
        await assert.rejects(time.until(end), (e) => hasCode(e, 'reboot-unknown'));
        assert.ok(Math.abs(time.now - began - HOUR - 10 * MINUTE) < 5000, String(time.now - began));
      });

      it('a backup server that is away has a minute to come back', async () => {
        const { time } = held;
        stepsAfter(5000);
        const lost = new ClusterliftError({ code: 'link-lost', message: 'gone', hint: 'x', exit: ExitStatus.failed });
        const work = (until: number) => (): Promise<string> =>
          time.now < until ? Promise.reject(lost) : Promise.resolve('read');
        assert.equal(await time.until(retryOnServer(run(away), work(40_000))), 'read');
        const began = time.now;
        await assert.rejects(time.until(retryOnServer(run(away), work(Infinity))), (e) => hasCode(e, 'server-lost'));
        assert.ok(Math.abs(time.now - began - MINUTE) < 6000);
      });

      it('a package is sent at the rate that was asked for', async () => {
        const { time } = held;
        const throttle = new Throttle(1000);
        stepsAfter(5000);
        await time.until(
          throttle
            .take(100)
            .then(() => throttle.take(20_000))
            .then(() => throttle.take(1)),
        );
        assert.ok(Math.abs(time.now - 20_000) < 1000, String(time.now));
      });

      it('a server has its time for the handshake, without that of a question', async () => {
        const { time } = held;
        let late: number | undefined;
        const deadline = new PausableDeadline(30_000, () => (late = time.now));
        await time.pass(10_000);
        stepsAfter(1000);
        await time.until(deadline.during(() => sleep(HOUR)));
        await time.pass(19_999);
        assert.equal(late, undefined);
        await time.pass(1);
        assert.equal(late, HOUR + 30_000);
      });

      it('a question with nobody there waits as long as was said', async () => {
        const { time } = held;
        const broker = new QuestionBroker({ sink: () => undefined, maxWait: () => 24 * HOUR });
        stepsAfter(5000);
        const question = { kind: 'confirm', text: 'Go on?', typeName: undefined } as const;
        assert.equal(await time.until(broker.ask(question)), undefined);
        assert.equal(time.now, 24 * HOUR);
      });

      it('a rate and the time that is left are those of the transfer', async () => {
        const { time } = held;
        const told: { rate: number; etaMs: number | undefined }[] = [];
        const meter = new Meter((progress) => told.push(progress));
        for (let second = 0; second <= 10; second++) {
          meter.at(second * 1000, 20_000);
          if (second === 5) time.step(step);
          await time.pass(1000);
        }
        assert.deepEqual([told.at(-1)?.rate, told.at(-1)?.etaMs], [1000, 10_000]);
      });
    });
  }

  it('the version script of a package has the time of its manifest', async () => {
    const asked: string[] = [];
    const ctx = run((request) => {
      asked.push((request.stdin as Buffer).toString());
      assert.ok(request.timeout > 10 * MINUTE, 'and the connection waits longer than the node');
      return script('version', 0, '2.0');
    });
    await held.time.until(readVersion(ctx, pkg({ version: 10 * MINUTE }), 'n1'));
    assert.match(asked.join(''), /^run version 600 /m);
  });

  it('one call of the health script may take what is left of its time', async () => {
    const { time } = held;
    const limits: number[] = [];
    const ctx = run(async (request) => {
      limits.push(Number(/^run health (\d+) /m.exec((request.stdin as Buffer).toString())?.[1]));
      await sleep(100_000);
      return script('health', 1);
    });
    const end = waitUntilHealthy(ctx, pkg({ health: 5 * MINUTE }), 'n1', 'health');
    await assert.rejects(time.until(end), (e) => hasCode(e, 'unhealthy'));
    assert.deepEqual(limits, [300, 199, 98]);
  });

  type Answer = ExecResult | Promise<ExecResult>;

  function run(exec: (request: ExecRequest) => Answer, giveUp = 2 * HOUR): RunContext {
    let seq = 0;
    const journal = {
      append: (event: RunEvent): Promise<JournalEntry> => {
        const time = new Date(held.time.wall()).toISOString();
        return Promise.resolve({ seq: ++seq, time, prev: '', ...event });
      },
    } as unknown as Journal;
    const connection: NodeConnection = {
      node: 'n1',
      exec: async (request) => {
        await sleep(10);
        const result = await exec(request);
        await request.onStdout?.(Buffer.from(result.stdout));
        return result;
      },
      openReader: () => assert.fail('nothing is read'),
      append: () => assert.fail('nothing is sent'),
      close: () => Promise.resolve(),
    };
    return new RunContext(
      planOf(['n1']),
      '/nowhere',
      {
        connect: () => connection,
        openStore: () => assert.fail('no backup here'),
        asker: { ask: () => Promise.resolve(undefined) },
        sink: () => undefined,
        detach: new AbortController().signal,
        isClosed: () => Promise.resolve(false),
        giveUp,
        by: 'ann@here',
      },
      journal,
    );
  }
});

async function locked(ctx: RunContext): Promise<void> {
  const key = { node: 'n1', step: 'lock', lane: 'main', attempt: 1 } as const;
  await ctx.record({ type: 'step.started', ...key });
  await ctx.record({ type: 'step.finished', ...key, ms: 1, result: 'done', data: { epoch: 1 } });
}

function pkg(timeouts: Partial<Record<string, number>> = {}): RunPackage {
  const scripts = { version: 'bin/version', health: 'bin/health', upgrade: 'bin/upgrade' };
  const usual = { version: MINUTE, health: MINUTE, upgrade: HOUR, reboot: HOUR };
  return {
    product: 'acme',
    version: '2.0',
    sha256: '0'.repeat(64),
    place: 'installed',
    manifest: { scripts, timeouts: { ...usual, ...timeouts }, health: { interval: 1000, stable: 0 } },
  } as unknown as RunPackage;
}

/** What a node says: entries as `emit` in lib.sh writes them. */
function entries(values: Readonly<Record<string, string>>): ExecResult {
  const stdout = Object.entries(values)
    .map(([key, value]) => `${key} ${String(Buffer.byteLength(value))}\n${value}\n`)
    .join('');
  return { code: 0, signal: undefined, stdout, stderr: '' };
}

function script(name: string, rc: number, out = ''): ExecResult {
  return entries({ run: name, rc: String(rc), out, err: '', output: '' });
}

function away(): ExecResult {
  throw new ClusterliftError({
    code: 'link-lost',
    message: 'n1 is away',
    hint: 'x',
    exit: ExitStatus.unknown,
    node: 'n1',
  });
}
