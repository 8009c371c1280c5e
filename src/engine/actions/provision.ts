import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { errorRecord, type RunContext } from '../control/context';
import { finishRun, refuseRun } from '../control/finish';
import { fenceOf, lockAll, unlockAll } from '../control/locks';
import { clearRequest, keepRequest } from '../node/requests';
import { scriptJob } from '../steps/jobstep';
import { isGood, isOvertaken, outcomeOf } from '../journal/outcome';
import { mustNotBeOvertaken } from '../steps/overtaken';
import { packageOn, type RunPackage, type Scripts } from '../control/runpackage';
import { provisionAndCheck } from './final-health';
import { stepOf, type NodeView } from '../journal/view';

/**
 * Runs the cluster's provision script once, on the primary, when the manifest always wants it or a node asked for it
 * (in this run, or in an earlier one whose request is still kept). Fulfilled requests are then cleared on every node.
 * @throws ClusterliftError of the provision step, or `primary-left-out`, which is not the failure of a node
 */
export async function provisionIfAsked(ctx: RunContext, packages: RunPackage): Promise<void> {
  const pkg = packageOn(packages, ctx.plan.primary);
  if (!pkg || !provisionIsDue(ctx, pkg)) return;
  if (ctx.plan.nodes.some((node) => node.name === ctx.plan.primary)) {
    await keepUntilDone(ctx);
    return provision(ctx, pkg);
  }
  const { code, message, hint, exit } = primaryLeftOut(ctx.plan.primary);
  if (!ctx.view.overrides.includes(code)) throw new ClusterliftError({ code, message, hint, exit });
  await ctx.record({ type: 'warning', code, message });
}

/** A provision that fails is still due, also where no script asked for it: the next upgrade finds all nodes at the target. */
async function keepUntilDone(ctx: RunContext): Promise<void> {
  const { primary: name } = ctx.plan;
  if (Object.values(ctx.view.nodes).some((node) => node.wantsProvision)) return;
  if (stepOf(ctx.nodeView(name), 'provision')?.state === 'done') return;
  await ctx.retryWhileUnreachable(name, (connection) =>
    keepRequest(connection, ctx.node(name).stateDir, fenceOf(ctx, name), 'provision'),
  );
}

/** The action `provision` by itself: the script of what is installed, health of all nodes, and the commit. */
export async function runProvision(ctx: RunContext, pkg: Scripts): Promise<void> {
  try {
    await lockAll(ctx);
    await mustNotBeOvertaken(ctx, pkg);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return refuseRun(ctx, error);
  }
  const proven = ctx.view.committed || (await provisionAndCheck(ctx, pkg, () => provision(ctx, pkg)));
  if (proven && !ctx.view.committed && !isOvertaken(ctx.view)) {
    await ctx.record({ type: 'committed' });
  }
  await unlockAll(ctx);
  await finishRun(ctx);
}

function provisionIsDue(ctx: RunContext, pkg: RunPackage): boolean {
  const { provision, scripts } = pkg.manifest;
  if (provision === 'never' || scripts.provision === undefined) return false;
  return provision === 'always' || Object.values(ctx.view.nodes).some((node) => node.wantsProvision);
}

/** @throws ClusterliftError of the provision step */
async function provision(ctx: RunContext, pkg: RunPackage): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'provision' });
  const { idempotent: repeatable } = pkg.manifest;
  await scriptJob(ctx, pkg, { node: ctx.plan.primary, step: 'provision', action: 'provision', repeatable });
  await Promise.all(ctx.plan.nodes.map(({ name }) => clear(ctx, name)));
  // A node counts as provisioned only where that was all there was to do.
  for (const { name } of ctx.plan.nodes) {
    const { outcome } = ctx.nodeView(name);
    if (!isGood(outcome) && outcome !== 'overtaken' && ctx.plan.action === 'provision')
      await ctx.finishNode(name, 'provisioned');
  }
}

/**
 * After a rollback the cluster is provisioned when the package always wants it, or a script of the way back asked for it:
 * from the version that failed to the one that is back. The nodes are back whatever comes of it, so a script that fails is
 * told, and what was asked for stays; one of unknown outcome may still run, so the primary is unknown with it.
 */
export async function provisionAfterRollback(ctx: RunContext, pkg: RunPackage): Promise<void> {
  const { provision: when, scripts, idempotent: repeatable } = pkg.manifest;
  const asked = Object.values(ctx.view.nodes).some(askedOnTheWayBack);
  if (scripts.provision === undefined || when === 'never' || !(when === 'always' || asked)) return;
  const primary = ctx.plan.nodes.find(({ name }) => name === ctx.plan.primary);
  // Only where the primary has the package: it changed, too.
  if (primary?.action !== 'change') return;
  const node = primary.name;
  try {
    await scriptJob(ctx, pkg, { node, step: 'provision', action: 'provision', lane: 'rollback', repeatable });
    const back = Object.values(ctx.view.nodes).filter(({ outcome }) => outcome === 'rolled-back');
    await Promise.all(back.map(({ name }) => clear(ctx, name)));
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (outcomeOf(error) === 'unknown') return ctx.finishNode(node, 'unknown', error);
    const { code, message } = errorRecord(error);
    const text = `The nodes are rolled back, but not provisioned: ${message}. Mend it, then run \`clusterlift provision\``;
    await ctx.record({ type: 'warning', node, code, message: text });
  }
}

/** Has a script of the rollback asked for a provision? */
export function askedOnTheWayBack({ steps }: NodeView): boolean {
  return steps.some(({ lane, data }) => lane === 'rollback' && data?.['provision'] === true);
}

/** The request stays on the nodes, so that a later run, or `provision`, fulfils it. */
function primaryLeftOut(primary: string): ClusterliftError {
  return new ClusterliftError({
    code: 'primary-left-out',
    message: `A provision is due, and its node ${primary} is left out by --nodes`,
    hint: advice`Run \`clusterlift provision\` with ${primary}; the request stays on the nodes until then.`,
    exit: ExitStatus.failed,
  });
}

async function clear(ctx: RunContext, name: string): Promise<void> {
  await ctx.retryWhileUnreachable(name, (connection) =>
    clearRequest(connection, ctx.node(name).stateDir, fenceOf(ctx, name), 'provision'),
  );
}
