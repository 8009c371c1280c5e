import { ClusterliftError } from '../base/errors';
import type { RunContext } from './context';
import { outcomeOf } from './bracket';
import { waitUntilHealthy } from './health';
import type { RunPackage } from './runpackage';

/**
 * What comes after the last node: `provision`, then the health of all.
 * @returns false: it failed, and what failed stands in the journal
 */
export async function proveTogether(
  ctx: RunContext,
  pkg: RunPackage,
  provision: () => Promise<void>,
): Promise<boolean> {
  try {
    await provision();
    await settleAll(ctx, pkg);
    return true;
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!(error instanceof ClusterliftError)) throw error;
    if (error.node === undefined) await ctx.record({ type: 'warning', code: error.code, message: error.message });
    return false;
  }
}

/** Health of all nodes together, after the last change: what was healthy alone must be healthy in company. */
async function settleAll(ctx: RunContext, pkg: RunPackage): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'health' });
  const results = await Promise.allSettled(
    ctx.plan.nodes.map(async ({ name }) => {
      try {
        await waitUntilHealthy(ctx, pkg, name, 'settle');
      } catch (error) {
        ctx.signal.throwIfAborted();
        await ctx.finishNode(name, outcomeOf(error), error);
        throw error;
      }
    }),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
