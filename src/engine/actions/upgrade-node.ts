import { ClusterliftError, ExitStatus } from '../../base/errors';
import { leaveOf } from '../journal/budget';
import type { RunContext } from '../control/context';
import { keepInstalled } from '../steps/installed';
import { scriptJob } from '../steps/jobstep';
import { closeFailed } from '../steps/now';
import { isOvertaken } from '../journal/outcome';
import { waitUntilHealthy } from '../steps/health';
import { rebootAndWait } from '../steps/reboot';
import type { RunPackage } from '../control/runpackage';
import { upgradeIsProven } from '../steps/proof';
import { startAgain } from '../steps/startagain';
import { proveVersion } from '../steps/version';

/**
 * Brings one node through `stop → upgrade → start → reboot? → version → health` and closes its part of the run.
 * Begun, it goes on to its end: it throws only when the whole run is detached or taken over.
 */
export async function upgradeNode(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  try {
    if (ctx.node(node).steps.includes('upgrade')) await changeNode(ctx, pkg, node);
    await bringUp(ctx, pkg, node);
    if (ctx.node(node).steps.includes('upgrade')) await keepInstalled(ctx, pkg, node);
    await ctx.finishNode(node, 'upgraded');
  } catch (error) {
    ctx.signal.throwIfAborted();
    await closeFailed(ctx, pkg, node, error);
  }
}

async function changeNode(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  try {
    await scriptJob(ctx, pkg, { node, step: 'stop', action: 'upgrade', repeatable: true });
    await scriptJob(ctx, pkg, {
      node,
      step: 'upgrade',
      action: 'upgrade',
      repeatable: false,
      wasDone: () => upgradeIsProven(ctx, pkg, node),
    });
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!rollbackFollows(ctx, node)) await startAgain(ctx, pkg, node);
    throw error;
  }
}

/** From changed to proven: start, reboot when asked for, the version, and health for as long as it must hold. */
async function bringUp(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  if (ctx.node(node).steps.includes('start')) {
    await scriptJob(ctx, pkg, { node, step: 'start', action: 'upgrade', repeatable: true });
  }
  if (ctx.nodeView(node).wantsReboot) await rebootAndWait(ctx, pkg, node);
  await proveVersion(ctx, pkg, { node, lane: 'main', target: pkg.version, otherwise: wrongVersion });
  await waitUntilHealthy(ctx, pkg, node, 'health');
}

/** Will this failure lead to a rollback, so that starting the application now would only be in the way? */
function rollbackFollows(ctx: RunContext, node: string): boolean {
  if (ctx.plan.options.onFailure !== 'rollback' || isOvertaken(ctx.view)) return false;
  return leaveOf(ctx.view, node).exceeded;
}

function wrongVersion(node: string, found: string | undefined, target = ''): ClusterliftError {
  return new ClusterliftError({
    code: 'wrong-version',
    message: `${node} reports version ${found ?? '(not installed)'} instead of ${target}`,
    hint: `Read the log of ${node}: its scripts ended well, but the version did not change. It is not tried again by itself.`,
    exit: ExitStatus.failed,
    node,
  });
}
