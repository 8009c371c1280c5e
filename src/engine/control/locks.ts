import type { ErrorRecord } from '../journal/events';
import { advice } from '../../base/shell';
import { mapLimit, sleep, within } from '../../base/async';
import { every, stopwatch } from '../../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { isOverridden } from '../../base/overrides';
import { self } from '../../base/process';
import type { Fence } from '../../ssh/fence';
import { errorRecord, type RunContext } from './context';
import { takeAll } from './locking';
import { reportLost } from './lost';
import { beatLock, lockedBy, releaseLock, takeLock, type HeldLock, type TakeResult } from '../node/lock';
import { stepOf } from '../journal/view';
import { vouchedFor } from './holders';

/** How long a node may be away while nothing has been changed yet. Milliseconds. */
const MAX_AWAY = 60_000;
/** The work is done: a node that does not answer so long keeps a lock that goes stale. Milliseconds. */
const UNLOCK_MAX_AWAY = 20_000;
/** Milliseconds between heartbeats; a lock is stale after twelve of them (docs/on-a-node.md). */
const HEARTBEAT = 10_000;
/** Before a lock is looked at again whose holder may give it back. Milliseconds, more or less. */
const AGAIN = 500;
/** A node is told for so long that we have all locks; later by a heartbeat. Milliseconds. */
const ANNOUNCE_MAX_AWAY = 20_000;
const BEATS_AT_ONCE = 16;

/**
 * Takes the locks of all nodes, or none (locking.ts); a resumed run enters its own locks again with the next epoch.
 * @throws ClusterliftError `locked` (status 5) when another run holds one; `machine-twice`, `state-shared`, `lock-other-name`
 *   (status 3) when two nodes are one: then none is kept that was not held before
 */
export async function lockAll(ctx: RunContext): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'lock' });
  const offers = new Offers(ctx);
  const before = new Set<string>();
  await takeAll<HeldLock>(names(ctx), {
    take: async (name) => {
      const result = await lock(ctx, name, offers);
      if (result.kind === 'reentered') before.add(name);
      return result.kind === 'held' ? result : undefined;
    },
    giveBack: async (name) => {
      // What an earlier process of this run had left locked stays so: its work may not be over there.
      if (!before.has(name)) await unlock(ctx, name);
    },
    isUndecided: (holder) => holder.trying && !holder.stale,
    refused: (name, holder) => locked(name, holder),
    pause: () => sleep(AGAIN * (0.5 + Math.random()), ctx.signal),
  });
  await announceLocks(ctx);
}

/** Tells the nodes that this run has all of its locks. A node that cannot be asked now is told by a later heartbeat. */
async function announceLocks(ctx: RunContext): Promise<void> {
  if (names(ctx).length === 1) return;
  await mapLimit(names(ctx), BEATS_AT_ONCE, async (name) => {
    await within(ANNOUNCE_MAX_AWAY, beat(ctx, name, true), () => new Error(`${name} did not answer`));
  });
  ctx.signal.throwIfAborted();
}

async function lock(ctx: RunContext, name: string, offers: Offers): Promise<TakeResult> {
  const prior = stepOf(ctx.nodeView(name), 'lock');
  const key = { node: name, step: 'lock', lane: 'main', attempt: (prior?.attempt ?? 0) + 1 } as const;
  ctx.held.delete(name);
  await ctx.record({ type: 'step.started', ...key });
  const watch = stopwatch();
  const failed = async (error: unknown): Promise<void> =>
    ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'failed', error: errorRecord(error) });
  try {
    const result = await take(ctx, name, offers);
    if (result.kind === 'held') {
      await failed(locked(name, result));
      return result;
    }
    const { epoch } = result;
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'done', data: { epoch } });
    ctx.held.set(name, { run: ctx.plan.run, epoch, node: name });
    if (result.lost) await reportLost(ctx, name);
    return result;
  } catch (error) {
    ctx.signal.throwIfAborted();
    const told = error instanceof ClusterliftError ? error.on(name, 'lock') : error;
    await failed(told);
    throw told;
  }
}

async function take(ctx: RunContext, name: string, offers: Offers, takeOver?: HeldLock): Promise<TakeResult> {
  const { plan } = ctx;
  const result = await ctx.retryWhileUnreachable(
    name,
    (connection) =>
      vouchedFor(ctx, name, connection, () =>
        takeLock(connection, {
          stateDir: ctx.node(name).stateDir,
          run: plan.run,
          node: name,
          me: self(),
          token: ctx.token(name),
          tokenOf: (node) => ctx.token(node),
          user: ctx.services.by,
          command: plan.command,
          leastEpoch: ctx.epoch,
          lockedIn: ctx.nodeView(name).lockedIn,
          trying: names(ctx).length > 1,
          signal: ctx.signal,
          ...(takeOver ? { takeOver } : {}),
        }),
      ),
    MAX_AWAY,
  );
  if (result.kind !== 'held' || takeOver || !(await offers.mayTakeOver(name, result))) return result;
  return take(ctx, name, offers, result);
}

/** Stale locks without living jobs are offered: to the person there, one after the other, or to `--override stale-lock`. */
class Offers {
  #turn: Promise<unknown> = Promise.resolve();
  #declined = false;

  constructor(private readonly ctx: RunContext) {}

  mayTakeOver(name: string, held: HeldLock): Promise<boolean> {
    if (!held.stale || held.jobsAlive.length > 0) return Promise.resolve(false);
    const mine = this.#turn.then(() => this.#ask(name, held));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #ask(name: string, held: HeldLock): Promise<boolean> {
    const { ctx } = this;
    if (isOverridden(ctx.view.overrides, 'stale-lock', name) || (await ctx.services.isClosed(held.owner.run)))
      return true;
    if (this.#declined) return false;
    const answer = await ctx.services.asker.ask(
      {
        kind: 'confirm',
        text: `${lockedBy(name, held.owner)}. That run seems to be gone. Take the lock over?`,
        typeName: undefined,
      },
      ctx.signal,
    );
    this.#declined = answer !== 'yes';
    if (this.#declined) return false;
    await ctx.record({ type: 'override', code: 'stale-lock', by: ctx.services.by });
    return true;
  }
}

/** The run and epoch that each changing command names, so that a late-comer is refused by the node itself. */
export function fenceOf(ctx: RunContext, name: string): Fence {
  const epoch = stepOf(ctx.nodeView(name), 'lock')?.data?.['epoch'];
  if (typeof epoch !== 'number') throw new Error(`${name} is not locked`);
  return { run: ctx.plan.run, epoch, node: name };
}

/** Frees the nodes whose outcome is known; may be repeated. A node that does not answer is left: its lock goes stale. */
export async function unlockAll(ctx: RunContext): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'unlock' });
  await Promise.all(
    names(ctx)
      .filter(
        (name) => stepOf(ctx.nodeView(name), 'lock')?.state === 'done' && ctx.nodeView(name).outcome !== 'unknown',
      )
      .filter((name) => stepOf(ctx.nodeView(name), 'unlock')?.state !== 'done')
      .map((name) => unlock(ctx, name)),
  );
}

async function unlock(ctx: RunContext, name: string): Promise<void> {
  const key = {
    node: name,
    step: 'unlock',
    lane: 'main',
    attempt: (stepOf(ctx.nodeView(name), 'unlock')?.attempt ?? 0) + 1,
  } as const;
  const watch = stopwatch();
  ctx.held.delete(name);
  await ctx.record({ type: 'step.started', ...key });
  try {
    const fence = fenceOf(ctx, name);
    const released = ctx.retryWhileUnreachable(
      name,
      (connection) => releaseLock(connection, ctx.node(name).stateDir, fence),
      UNLOCK_MAX_AWAY,
    );
    // A node that went away with its connection open is not waited for until the connection is found dead.
    await within(UNLOCK_MAX_AWAY, released, () => new Error(`${name} did not answer`));
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'done' });
  } catch (error) {
    ctx.signal.throwIfAborted();
    const record: ErrorRecord = {
      code: 'unlock',
      message: `The lock of ${name} could not be released: ${messageOf(error)}`,
      hint: 'It goes stale by itself; the next run frees it.',
    };
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'failed', error: record });
  }
}

/**
 * Keeps the locks fresh until `stop()`. A node that cannot be asked is tried again at the next beat;
 * one whose lock another run has now halts this process.
 * @param interval milliseconds between heartbeats
 */
export function keepLocks(ctx: RunContext, interval = HEARTBEAT): { stop: () => void } {
  const busy = new Set<string>();
  const timer = every(interval, () => {
    const isComplete = names(ctx).every((name) => ctx.held.has(name));
    for (const name of names(ctx)) {
      if (busy.has(name)) continue;
      busy.add(name);
      void beat(ctx, name, isComplete).finally(() => busy.delete(name));
    }
  });
  return {
    stop: () => {
      timer.cancel();
    },
  };
}

/** One heartbeat, where we hold the lock. It never rejects. @param isComplete does the run have all of its locks? */
async function beat(ctx: RunContext, name: string, isComplete: boolean): Promise<void> {
  const fence = ctx.held.get(name);
  if (!fence) return;
  try {
    await beatLock(ctx.connection(name), ctx.node(name).stateDir, fence, isComplete);
  } catch (error) {
    // A lock that we gave back or entered again while the beat was under way was not taken by another.
    if (ctx.held.get(name) === fence) ctx.onFenced(error, name);
  }
}

function names(ctx: RunContext): string[] {
  return ctx.plan.nodes.map((node) => node.name).sort();
}

function locked(name: string, held: HeldLock): ClusterliftError {
  const { run } = held.owner;
  const jobs = held.jobsAlive.length > 0;
  return new ClusterliftError({
    code: 'locked',
    message: `${lockedBy(name, held.owner)}${jobs ? '; its work on the node still goes on' : held.stale ? '; the lock is stale' : ''}`,
    hint:
      held.stale && !jobs
        ? advice`Go on with it by \`clusterlift resume ${run}\`; or take the lock over with \`--override stale-lock\`.`
        : advice`Follow it with \`clusterlift attach ${run}\`, go on with it by \`clusterlift resume ${run}\`, or wait until it has ended.`,
    exit: ExitStatus.locked,
    node: name,
  });
}
