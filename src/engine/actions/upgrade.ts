import { backUp, isVerified } from './backup';
import { upgradeNode } from './upgrade-node';
import { leaveOf } from '../journal/budget';
import type { RunContext } from '../control/context';
import { finishRun, refuseRun } from '../control/finish';
import { lockAll, unlockAll } from '../control/locks';
import { markPoint } from '../points/mark';
import { isGood, isOvertaken, tally } from '../journal/outcome';
import { mustNotBeOvertaken } from '../steps/overtaken';
import { provisionIfAsked } from './provision';
import { renewPart } from './renew';
import { rollBack, rollbackIsDue } from './rollback';
import type { Image } from '../control/runpackage';
import { provisionAndCheck } from './final-health';
import { stageAgain, stageEverywhere } from '../steps/staging';
import { changesBegun } from '../journal/view';

/**
 * The whole upgrade, from the locks to the last line of the journal. A resumed run takes the same way:
 * what is done is passed over, what was begun is probed first.
 */
export async function runUpgrade(ctx: RunContext, image: Image): Promise<void> {
  try {
    await lockAll(ctx);
    await markPoint(ctx);
    await mustNotBeOvertaken(ctx, image);
    if (!ctx.view.committed) await prepareNodes(ctx, image);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return refuseRun(ctx, error);
  }
  if (!ctx.view.committed && !ctx.view.rollingBack) {
    await changeInBatches(ctx, image);
    if (everyNodeIsGood(ctx)) await proveAndCommit(ctx, image);
  }
  if (rollbackIsDue(ctx)) await rollBack(ctx, image);
  await unlockAll(ctx);
  await finishRun(ctx);
}

/** Everything that must be true on every node before the first one is changed. */
async function prepareNodes(ctx: RunContext, image: Image): Promise<void> {
  if (Object.values(ctx.view.nodes).some(changesBegun)) return stageAgain(ctx, image);
  await stageEverywhere(ctx, image);
  await backUp(ctx, image);
}

async function changeInBatches(ctx: RunContext, image: Image): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'change' });
  for (const node of ctx.plan.nodes) {
    if (node.action === 'skip' && !ctx.nodeView(node.name).outcome) await ctx.finishNode(node.name, 'unchanged');
  }
  for (const batch of ctx.plan.batches) {
    const open = batch.filter((name) => ctx.nodeView(name).outcome === undefined);
    // A begun bracket is always finished; a new one needs leave.
    const todo = open.filter((name) => changesBegun(ctx.nodeView(name)) || mayBegin(ctx));
    await Promise.all(todo.map((name) => upgradeInTurn(ctx, image, name)));
    await reportBudget(ctx);
  }
  for (const name of ctx.plan.batches.flat()) {
    if (ctx.nodeView(name).outcome === undefined) await ctx.finishNode(name, 'not-started');
  }
}

async function upgradeInTurn(ctx: RunContext, image: Image, name: string): Promise<void> {
  if (!changesBegun(ctx.nodeView(name)) && !(await isNewEnough(ctx, image, name))) return;
  await upgradeNode(ctx, image, name);
}

async function isNewEnough(ctx: RunContext, image: Image, name: string): Promise<boolean> {
  const { backup, point } = ctx.plan;
  if (!backup || !point || !ctx.node(name).steps.includes('upgrade')) return true;
  return renewPart(ctx, { backup, point, pkg: image }, name);
}

/** May another node be begun: nobody asked to stop, the way back is verified, and the failure budget holds? */
function mayBegin(ctx: RunContext): boolean {
  if (ctx.view.stopRequested || isOvertaken(ctx.view) || (ctx.plan.backup && !isVerified(ctx))) return false;
  return leaveOf(ctx.view).startMore;
}

async function reportBudget(ctx: RunContext): Promise<void> {
  const { failed, unknown } = tally(ctx.view);
  const { exceeded, allowed, batch } = leaveOf(ctx.view);
  if (ctx.view.budget || (!exceeded && batch === undefined)) return;
  await ctx.record({ type: 'budget.exceeded', failed, unknown, allowed, ...(batch === undefined ? {} : { batch }) });
}

function everyNodeIsGood(ctx: RunContext): boolean {
  return Object.values(ctx.view.nodes).every((node) => isGood(node.outcome));
}

/** Provision when asked for, health of all, then the one line after which there is only forward. */
async function proveAndCommit(ctx: RunContext, image: Image): Promise<void> {
  if (!(await provisionAndCheck(ctx, image, () => provisionIfAsked(ctx, image)))) return;
  await ctx.record({ type: 'phase', phase: 'commit' });
  await ctx.record({ type: 'committed' });
}
