import { within } from '../base/async';
import { every, stopwatch } from '../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import { isOverridden } from '../base/overrides';
import { self } from '../base/process';
import { errorRecord, type RunContext } from './context';
import { beatLock, lockedBy, releaseLock, takeLock, type Fence, type HeldLock } from './node/lock';
import { stepOf } from './view';

/** How long a node may be away while nothing has been changed yet. Milliseconds. */
const PATIENCE = 60_000;
/** The work is done: a node that does not answer so long keeps a lock that goes stale. Milliseconds. */
const UNLOCK_PATIENCE = 20_000;
/** Milliseconds between heartbeats; a lock is stale after twelve of them (design 6). */
const HEARTBEAT = 10_000;

/**
 * Takes the lock of every node in the order of names, all or none; a resumed run enters its own locks again with the next epoch.
 * @throws ClusterliftError `locked` (status 5) when another run holds one: then none is kept that was not held before
 */
export async function lockAll(ctx: RunContext): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'lock' });
  for (const name of names(ctx)) {
    if (stepOf(ctx.nodeView(name), 'unlock')?.state === 'done') continue;
    await lock(ctx, name);
  }
}

async function lock(ctx: RunContext, name: string): Promise<void> {
  const prior = stepOf(ctx.nodeView(name), 'lock');
  const key = { node: name, step: 'lock', lane: 'main', attempt: (prior?.attempt ?? 0) + 1 } as const;
  await ctx.record({ type: 'step.started', ...key });
  const watch = stopwatch();
  try {
    const epoch = await take(ctx, name);
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'done', data: { epoch } });
  } catch (error) {
    ctx.signal.throwIfAborted();
    const told = error instanceof ClusterliftError ? error.on(name, 'lock') : error;
    await ctx.record({
      type: 'step.finished',
      ...key,
      ms: watch.ms,
      result: 'failed',
      error: errorRecord(told),
    });
    throw told;
  }
}

async function take(ctx: RunContext, name: string, takeOver?: HeldLock): Promise<number> {
  const { plan } = ctx;
  const result = await ctx.insist(
    name,
    (connection) =>
      takeLock(connection, {
        stateDir: ctx.node(name).stateDir,
        run: plan.run,
        me: self(),
        token: ctx.token,
        user: ctx.services.by,
        command: plan.command,
        leastEpoch: ctx.epoch,
        signal: ctx.signal,
        ...(takeOver ? { takeOver } : {}),
      }),
    PATIENCE,
  );
  if (result.kind !== 'held') return result.epoch;
  if (!takeOver && (await mayTakeOver(ctx, name, result))) return take(ctx, name, result);
  throw locked(name, result);
}

/** A stale lock without living jobs is offered: to the person there, or to `--override stale-lock`. */
async function mayTakeOver(ctx: RunContext, name: string, held: HeldLock): Promise<boolean> {
  if (!held.stale || held.jobsAlive.length > 0) return false;
  if (isOverridden(ctx.view.overrides, 'stale-lock', name) || (await ctx.services.isClosed(held.owner.run)))
    return true;
  const answer = await ctx.services.asker.ask(
    {
      kind: 'confirm',
      text: `${lockedBy(name, held.owner)}. That run seems to be gone. Take the lock over?`,
      typeName: undefined,
    },
    ctx.signal,
  );
  if (answer !== 'yes') return false;
  await ctx.record({ type: 'override', code: 'stale-lock', by: ctx.services.by });
  return true;
}

/** The run and epoch that each changing command names, so that a late-comer is refused by the node itself. */
export function fenceOf(ctx: RunContext, name: string): Fence {
  const epoch = stepOf(ctx.nodeView(name), 'lock')?.data?.['epoch'];
  if (typeof epoch !== 'number') throw new Error(`${name} is not locked`);
  return { run: ctx.plan.run, epoch };
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
  await ctx.record({ type: 'step.started', ...key });
  try {
    const fence = fenceOf(ctx, name);
    const released = ctx.insist(
      name,
      (connection) => releaseLock(connection, ctx.node(name).stateDir, fence),
      UNLOCK_PATIENCE,
    );
    // A node that went away with its connection open is not waited for until the connection is found dead.
    await within(UNLOCK_PATIENCE, released, () => new Error(`${name} did not answer`));
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'done' });
  } catch (error) {
    ctx.signal.throwIfAborted();
    const record = {
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
  const beat = (name: string): void => {
    const fence = heldUnder(ctx, name);
    if (busy.has(name) || !fence) return;
    busy.add(name);
    beatLock(ctx.connection(name), ctx.node(name).stateDir, fence)
      .catch((error: unknown) => {
        // A lock that we gave back or entered anew while the beat was under way was not taken by another.
        if (heldUnder(ctx, name)?.epoch === fence.epoch) ctx.onFenced(error, name);
      })
      .finally(() => busy.delete(name));
  };
  const timer = every(interval, () => {
    for (const name of names(ctx)) beat(name);
  });
  return {
    stop: () => {
      timer.cancel();
    },
  };
}

/** How a node is locked just now; undefined while it is not, is being locked, or is being given back. */
function heldUnder(ctx: RunContext, name: string): Fence | undefined {
  const view = ctx.nodeView(name);
  const isHeld = stepOf(view, 'lock')?.state === 'done' && stepOf(view, 'unlock') === undefined;
  return isHeld ? fenceOf(ctx, name) : undefined;
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
        ? `Go on with it by \`clusterlift resume ${run}\`; or take the lock over with \`--override stale-lock\`.`
        : `Follow it with \`clusterlift attach ${run}\`, go on with it by \`clusterlift resume ${run}\`, or wait until it has ended.`,
    exit: ExitStatus.locked,
    node: name,
  });
}
