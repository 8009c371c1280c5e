import { ClusterliftError } from '../../base/errors';
import type { RunContext } from '../control/context';
import { waitUntilHealthy } from '../steps/health';
import { closeFailed } from '../steps/now';
import { packageOn, type RunPackage } from '../control/runpackage';

/**
 * What comes after the last node: `provision`, then the health of all.
 * @returns false: it failed, and what failed stands in the journal
 */
export async function provisionAndCheck(
  ctx: RunContext,
  pkg: RunPackage,
  provision: () => Promise<void>,
): Promise<boolean> {
  try {
    await provision();
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!(error instanceof ClusterliftError)) throw error;
    const { node, code, message } = error;
    if (node === undefined) await ctx.record({ type: 'warning', code, message });
    else await closeFailed(ctx, packageOn(pkg, node), node, error);
    return false;
  }
  return checkFinalHealth(ctx, pkg);
}

/**
 * Health of all nodes together, after the last change: what was healthy alone must be healthy in company.
 * @returns false: one is not, and its part of the run is closed with the reason
 */
export async function checkFinalHealth(ctx: RunContext, pkg: RunPackage): Promise<boolean> {
  await ctx.record({ type: 'phase', phase: 'health' });
  const settled = await Promise.all(
    ctx.plan.nodes.map(async ({ name }) => {
      try {
        const own = packageOn(pkg, name);
        // After a restore, nothing is to run where nothing was installed.
        const isGone = ctx.plan.action === 'restore' && ctx.node(name).to === undefined;
        if (own && !isGone) await waitUntilHealthy(ctx, own, name, 'settle');
        return true;
      } catch (error) {
        ctx.signal.throwIfAborted();
        await closeFailed(ctx, packageOn(pkg, name), name, error);
        return false;
      }
    }),
  );
  return settled.every(Boolean);
}
