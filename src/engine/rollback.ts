import { ClusterliftError, ExitStatus } from '../base/errors';
import { jobStatus } from '../ssh/jobs';
import { outcomeOf, startAnyway } from './bracket';
import { errorRecord, type RunContext } from './context';
import { budgetAllows } from './order';
import { tally } from './outcome';
import { provisionAfterRollback } from './provision';
import { bringPart, proveRestored, putBack, type WayBack } from './putback';
import type { RunPackage } from './runpackage';
import { jobId } from './steps';
import { readPinned } from './store';
import { bracketBegun, type NodeView } from './view';

/** A node that was given up once is not waited for as long again. Milliseconds. */
const PATIENCE = 60_000;

/** Has the upgrade failed so that it is to be rolled back, or has the rollback begun? Begun, it is finished. */
export function rollbackIsDue(ctx: RunContext): boolean {
  const { maxFailures, onFailure } = ctx.plan.options;
  if (onFailure !== 'rollback' || ctx.view.committed) return false;
  const { total, failed, unknown } = tally(ctx.view);
  return ctx.view.rollingBack || budgetAllows({ maxFailures, total, failed, unknown }).exceeded;
}

/** Brings every node whose bracket began back to the run's own restore point, those that began last first. */
export async function rollBack(ctx: RunContext, pkg: RunPackage): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'rollback' });
  let way: WayBack;
  try {
    way = { read: await readPinned(ctx), pkg, lane: 'rollback' };
  } catch (error) {
    ctx.signal.throwIfAborted();
    return cannotBegin(ctx, pkg, error);
  }
  for (const batch of backwards(ctx)) {
    await Promise.all(batch.map((name) => rollBackNode(ctx, way, name)));
  }
  const all = begun(ctx).every(({ outcome }) => outcome === 'rolled-back');
  if (all) await provisionAfterRollback(ctx, pkg);
}

/** Without the point there is no way back: for now (the server is away), or at all. */
async function cannotBegin(ctx: RunContext, pkg: RunPackage, error: unknown): Promise<void> {
  const { code, message } = errorRecord(error);
  await ctx.record({ type: 'warning', code, message: `The rollback could not begin: ${message}` });
  await Promise.all(
    begun(ctx).map(async ({ name, outcome }) => {
      // It was left for the rollback to start.
      if (outcome === 'failed') await startAnyway(ctx, pkg, name);
      if (outcomeOf(error) === 'unknown') await ctx.finishNode(name, 'unknown', error);
    }),
  );
}

function begun(ctx: RunContext): NodeView[] {
  return Object.values(ctx.view.nodes).filter(bracketBegun);
}

/** The batches of the plan from the last to the first; only the nodes that began. */
function backwards(ctx: RunContext): string[][] {
  const names = new Set(begun(ctx).map((node) => node.name));
  return [...ctx.plan.batches]
    .reverse()
    .map((batch) => [...batch].reverse().filter((name) => names.has(name)))
    .filter((batch) => batch.length > 0);
}

async function rollBackNode(ctx: RunContext, way: WayBack, name: string): Promise<void> {
  if (ctx.nodeView(name).outcome === 'rolled-back') return;
  try {
    await nothingRuns(ctx, name);
    await bringPart(ctx, way, name);
    await putBack(ctx, way, name);
    await proveRestored(ctx, way, name);
    await ctx.finishNode(name, 'rolled-back');
  } catch (error) {
    ctx.signal.throwIfAborted();
    await ctx.finishNode(name, outcomeOf(error), error);
  }
}

/** A script of the upgrade that still runs would change what is put back under its feet. */
async function nothingRuns(ctx: RunContext, name: string): Promise<void> {
  const { stateDir } = ctx.node(name);
  const open = ctx.nodeView(name).steps.filter(({ lane, state }) => lane === 'main' && state !== 'done');
  for (const { step, lane, attempt } of open) {
    const id = jobId(ctx.plan.run, name, step, lane, attempt);
    const { state } = await ctx.insist(
      name,
      (connection) => jobStatus(connection, { stateDir, id }, ctx.signal),
      Math.min(PATIENCE, ctx.giveUp),
    );
    if (state === 'running') throw stillRuns(name, step);
  }
}

function stillRuns(node: string, step: string): ClusterliftError {
  return new ClusterliftError({
    code: 'job-running',
    message: `${step} still runs on ${node}, so it cannot be rolled back yet`,
    hint: `When it has ended, go on with \`clusterlift resume RUN\`. The lock of ${node} stays until then.`,
    exit: ExitStatus.unknown,
    node,
    step,
  });
}
