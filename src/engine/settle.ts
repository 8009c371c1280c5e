import type { RunContext } from './context';
import { outcomeOf } from './bracket';
import { waitUntilHealthy } from './health';
import type { RunPackage } from './runpackage';

/** Health of all nodes together, after the last change: what was healthy alone must be healthy in company. */
export async function settleAll(ctx: RunContext, pkg: RunPackage): Promise<void> {
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
