import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { leftBy } from '../journal/application';
import { errorRecord, type RunContext } from './context';
import { unlockAll } from './locks';
import { nodeResults, OVERTAKEN, runOutcome } from '../journal/outcome';
import { changesBegun } from '../journal/view';

/** Writes the last line of the run. */
export async function finishRun(ctx: RunContext): Promise<void> {
  const { outcome, status } = runOutcome(ctx.view);
  await ctx.record({ type: 'run.finished', outcome, status, nodes: nodeResults(ctx.view) });
}

/**
 * Ends a run that could not begin: nothing was changed, so the locks go, and the reason is the outcome.
 * A node that does not answer keeps its lock; it goes stale, and the closed run says that it may be freed.
 */
export async function refuseRun(ctx: RunContext, error: unknown): Promise<void> {
  const isOld = hasCode(error, OVERTAKEN);
  // Resumed with nodes in the middle of their change: that is not over, so the run stays open.
  if (!isOld && Object.values(ctx.view.nodes).some(changesBegun)) throw error;
  const { code, message } = errorRecord(error);
  const node = error instanceof ClusterliftError ? error.node : undefined;
  await ctx.record({ type: 'warning', code, message, ...(node === undefined ? {} : { node }) });
  for (const { name } of ctx.plan.nodes) {
    if (ctx.nodeView(name).outcome === undefined) {
      await ctx.finishNode(name, 'not-started', name === node ? error : undefined);
    }
  }
  await unlockAll(ctx);
  const outcome = isOld ? 'overtaken' : ctx.resumed && !hasFailed(ctx) ? 'stopped' : 'failed';
  await ctx.record({ type: 'run.finished', outcome, status: statusOf(error), nodes: nodeResults(ctx.view) });
  throw withDown(ctx, outcome === 'failed' ? closed(error) : error);
}

/** The run is over: the process ends with the status of its last line, and there is nothing to resume. */
function closed(error: unknown): unknown {
  if (!hasCode(error, 'node-unknown')) return error;
  const { node = 'the node' } = error;
  const hint = advice`Bring ${node} back, then run the same command again: it frees the lock that this run may have left there.`;
  return new ClusterliftError({ ...error.detail(), hint, exit: statusOf(error) });
}

/** One error is told of all; an application that is down on another node (a quiet backup) must not go unsaid with its own. */
function withDown(ctx: RunContext, error: unknown): unknown {
  if (!(error instanceof ClusterliftError)) return error;
  const down = leftBy(ctx.view).filter(({ node, application }) => application !== 'started' && node !== error.node);
  if (down.length === 0) return error;
  const names = down.map(({ node }) => node).join(', ');
  const message = `The application is down on ${names}: it was stopped for the backup and did not start. ${error.message}`;
  return new ClusterliftError({ ...error.detail(), message });
}

/** A resumed run that cannot begin, because a node is away, has not ended: it can be resumed again. */
function hasFailed(ctx: RunContext): boolean {
  return Object.values(ctx.view.nodes).some(({ steps }) =>
    steps.some(({ step, state }) => state === 'failed' && step !== 'lock'),
  );
}

/** Nothing was changed, so an unknown outcome is none: it only could not begin. */
function statusOf(error: unknown): ExitStatus {
  if (!(error instanceof ClusterliftError)) return ExitStatus.failed;
  return error.exit === ExitStatus.unknown ? ExitStatus.refused : error.exit;
}
