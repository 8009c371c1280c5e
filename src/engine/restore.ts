import { outcomeOf } from './bracket';
import { readPinned } from './store';
import { onAll, verifyAll } from './backup';
import type { RunContext } from './context';
import { finishRun, refuseRun } from './finish';
import { lockAll, unlockAll } from './locks';
import { isGood } from './outcome';
import { pointPackage } from './pointpackage';
import { provisionIfAsked } from './provision';
import { bringPart, dropPart, goBack, putBack, type WayBack } from './putback';
import { proveTogether } from './settle';
import { bracketBegun } from './view';

/** The action `restore`: every node back to what the restore point holds, or, where that fails, to where it was. */
export async function runRestore(ctx: RunContext): Promise<void> {
  let way: WayBack | undefined;
  try {
    await lockAll(ctx);
    if (!ctx.view.committed) way = await prepare(ctx);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return refuseRun(ctx, error);
  }
  if (way) {
    await change(ctx, way);
    const good = ctx.plan.nodes.every(({ name }) => isGood(ctx.nodeView(name).outcome));
    if (good) await commit(ctx, way);
  }
  await unlockAll(ctx);
  await finishRun(ctx);
}

/** Verified, and brought to every node, before the first one is stopped. */
async function prepare(ctx: RunContext): Promise<WayBack> {
  const read = await readPinned(ctx);
  const way: WayBack = { read, pkg: pointPackage(read.point), lane: 'main' };
  if (ctx.plan.nodes.some(({ name }) => bracketBegun(ctx.nodeView(name)))) return way;
  try {
    await bring(ctx, way);
  } catch (error) {
    ctx.signal.throwIfAborted();
    await Promise.all(ctx.plan.nodes.map(({ name }) => dropPart(ctx, way, name)));
    throw error;
  }
  return way;
}

async function bring(ctx: RunContext, way: WayBack): Promise<void> {
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
    (name) => bringPart(ctx, way, name),
  );
}

async function change(ctx: RunContext, way: WayBack): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'change' });
  const open = ctx.plan.nodes.filter(({ name }) => ctx.nodeView(name).outcome === undefined);
  await Promise.all(
    open.map(async ({ name }) => {
      if (bracketBegun(ctx.nodeView(name)) || !ctx.view.stopRequested) return restore(ctx, way, name);
      await dropPart(ctx, way, name);
      await ctx.finishNode(name, 'not-started');
    }),
  );
}

async function restore(ctx: RunContext, way: WayBack, name: string): Promise<void> {
  try {
    await putBack(ctx, way, name);
    await ctx.finishNode(name, 'restored');
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (outcomeOf(error) === 'unknown') return ctx.finishNode(name, 'unknown', error);
    try {
      await goBack(ctx, way, name);
      await ctx.finishNode(name, 'failed', error);
    } catch (stuck) {
      ctx.signal.throwIfAborted();
      await ctx.finishNode(name, outcomeOf(stuck), stuck);
    }
  }
}

async function commit(ctx: RunContext, way: WayBack): Promise<void> {
  const { pkg } = way;
  if (pkg && !(await proveTogether(ctx, pkg, () => provisionIfAsked(ctx, pkg)))) return;
  await ctx.record({ type: 'phase', phase: 'commit' });
  await ctx.record({ type: 'committed' });
}
