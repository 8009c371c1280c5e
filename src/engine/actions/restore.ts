import { hasCode } from '../../base/errors';
import { readPinned } from '../points/store';
import { onAll, verifyAll } from './backup';
import { reportBroken } from '../points/badpart';
import { errorRecord, type RunContext } from '../control/context';
import { finishRun, refuseRun } from '../control/finish';
import { lockAll, unlockAll } from '../control/locks';
import { markPoint } from '../points/mark';
import { closeFailed } from '../steps/now';
import { isGood, isOvertaken, outcomeOf } from '../journal/outcome';
import { packageOn } from '../control/runpackage';
import { mustNotBeOvertaken } from '../steps/overtaken';
import { pointScripts } from '../points/pointscripts';
import { provisionIfAsked } from './provision';
import { stagePart, dropPart, goBack, proveRestored, restoreNodeAndStart, type WayBack } from './restore-nodes';
import { checkFinalHealth } from './final-health';
import { isUndoKept, keepForUndo } from './undo';
import { changesBegun } from '../journal/view';
import { demandVouched } from '../points/vouch';

/** The action `restore`: every node back to what the restore point holds, or, where that fails, to where it was. */
export async function runRestore(ctx: RunContext): Promise<void> {
  let way: WayBack | undefined;
  try {
    await lockAll(ctx);
    await markPoint(ctx);
    await mustNotBeOvertaken(ctx, undefined);
    if (!ctx.view.committed) way = await prepare(ctx);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return refuseRun(ctx, error);
  }
  if (way) {
    const provisioned = await change(ctx, way);
    const good = ctx.plan.nodes.every(({ name }) => isGood(ctx.nodeView(name).outcome));
    if (provisioned && good) await commit(ctx, way);
  }
  await unlockAll(ctx);
  await finishRun(ctx);
}

/** Verified, and brought to every node, and what it replaces saved, before the first one is stopped. */
async function prepare(ctx: RunContext): Promise<WayBack> {
  const read = await readPinned(ctx);
  const scripts = pointScripts(read.point, ctx.plan.primary);
  const way: WayBack = { read, pkg: scripts, lane: 'main' };
  if (ctx.plan.nodes.some(({ name }) => changesBegun(ctx.nodeView(name)))) {
    await keepForUndo(ctx, scripts);
    return way;
  }
  await demandVouched(ctx, read);
  try {
    await stageAll(ctx, way);
    await keepForUndo(ctx, scripts);
  } catch (error) {
    ctx.signal.throwIfAborted();
    await Promise.all(ctx.plan.nodes.map(({ name }) => dropPart(ctx, way, name)));
    throw error;
  }
  return way;
}

async function stageAll(ctx: RunContext, way: WayBack): Promise<void> {
  const unverified = ctx.plan.nodes.filter(({ steps }) => steps.includes('verify-backup')).map(({ name }) => name);
  if (unverified.length > 0) {
    await ctx.record({ type: 'phase', phase: 'backup' });
    await verifyAll(ctx, way.read, unverified);
  }
  if (ctx.view.stopRequested) return;
  await ctx.record({ type: 'phase', phase: 'stage' });
  await onAll(
    ctx,
    ctx.plan.nodes.map(({ name }) => name),
    async (name) => {
      try {
        await stagePart(ctx, way, name);
      } catch (error) {
        ctx.signal.throwIfAborted();
        await reportBroken(ctx, undefined, way.read, name, error);
        throw error;
      }
    },
  );
}

/**
 * Every node put back and started, then provisioned together, then proven one by one.
 * @returns false: a provision is due and could not be run
 */
async function change(ctx: RunContext, way: WayBack): Promise<boolean> {
  await ctx.record({ type: 'phase', phase: 'change' });
  await Promise.all(
    open(ctx).map(async (name) => {
      const mayBegin = !ctx.view.stopRequested && !isOvertaken(ctx.view) && isUndoKept(ctx);
      if (changesBegun(ctx.nodeView(name)) || mayBegin) return orBack(ctx, way, name, restoreNodeAndStart);
      await dropPart(ctx, way, name);
      await ctx.finishNode(name, 'not-started');
    }),
  );
  // With a node that failed or is unknown, the cluster is not what it is to be provisioned for.
  const whole = ctx.plan.nodes.every(({ name }) => open(ctx).includes(name) || isGood(ctx.nodeView(name).outcome));
  const provisioned = !whole || (await provisionRestored(ctx, way));
  await Promise.all(
    open(ctx).map((name) =>
      orBack(ctx, way, name, async () => {
        await proveRestored(ctx, way, name);
        await ctx.finishNode(name, 'restored');
      }),
    ),
  );
  return provisioned;
}

function open(ctx: RunContext): string[] {
  return ctx.plan.nodes.map(({ name }) => name).filter((name) => ctx.nodeView(name).outcome === undefined);
}

/** A provision is everybody's: where it fails, every node goes back; where nobody knows how it went, all wait for that answer. */
async function provisionRestored(ctx: RunContext, way: WayBack): Promise<boolean> {
  try {
    if (way.pkg) await provisionIfAsked(ctx, way.pkg);
    return true;
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (hasCode(error, 'primary-left-out')) {
      const { code, message } = errorRecord(error);
      await ctx.record({ type: 'warning', code, message });
      return false;
    }
    await Promise.all(open(ctx).map((name) => closeBack(ctx, way, name, error)));
    return false;
  }
}

/** Does something to a node; where that fails, what was there before the restore is put back. */
async function orBack(
  ctx: RunContext,
  way: WayBack,
  name: string,
  act: (ctx: RunContext, way: WayBack, name: string) => Promise<void>,
): Promise<void> {
  try {
    await act(ctx, way, name);
  } catch (error) {
    ctx.signal.throwIfAborted();
    await closeBack(ctx, way, name, error);
  }
}

async function closeBack(ctx: RunContext, way: WayBack, name: string, error: unknown): Promise<void> {
  if (outcomeOf(error) === 'unknown') return ctx.finishNode(name, 'unknown', error);
  try {
    await goBack(ctx, way, name);
    await closeFailed(ctx, packageOn(way.pkg, name), name, error);
  } catch (stuck) {
    ctx.signal.throwIfAborted();
    await closeFailed(ctx, packageOn(way.pkg, name), name, stuck);
  }
}

async function commit(ctx: RunContext, { pkg }: WayBack): Promise<void> {
  if (pkg && !(await checkFinalHealth(ctx, pkg))) return;
  await ctx.record({ type: 'phase', phase: 'commit' });
  await ctx.record({ type: 'committed' });
}
