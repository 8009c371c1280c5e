import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { errorRecord, type RunContext } from './context';
import type { StepView } from '../journal/view';

/**
 * A node whose state directory is gone (removed, a new disk, an old snapshot) knows nothing of this run any more. What its
 * open steps came to cannot be found out there: "no such job" does not mean that the job never began.
 */

/** Code of that; lib.sh refuses with it, too. */
const STATE_LOST = 'state-lost';

/** What is on the node for the steps to come, and gone with the directory. */
const BROUGHT: ReadonlySet<string> = new Set(['stage', 'unpack']);

/**
 * Writes into the journal what became unknown on a node that was locked again after it had lost its state directory: a
 * person decides about open steps that must not be repeated, and files are brought there again.
 */
export async function reportLost(ctx: RunContext, node: string): Promise<void> {
  const error = errorRecord(stateLost(node, ctx.plan.run));
  await ctx.record({ type: 'warning', node, code: error.code, message: error.message });
  for (const { step, lane, attempt, state, decision } of ctx.nodeView(node).steps) {
    if (step === 'lock' || step === 'unlock') continue;
    if (BROUGHT.has(step)) await ctx.record({ type: 'step.started', node, step, lane, attempt: attempt + 1 });
    else if ((state === 'running' || state === 'unknown') && decision === undefined)
      await ctx.record({ type: 'step.finished', node, step, lane, attempt, ms: 0, result: 'unknown', error });
  }
}

/** Must a person say how this step went, because its node cannot know any more? */
export function isLost(step: StepView | undefined): boolean {
  return step?.state === 'unknown' && step.error?.code === STATE_LOST && step.decision === undefined;
}

export function stateLost(node: string, run: string): ClusterliftError {
  return new ClusterliftError({
    code: STATE_LOST,
    message: `The state directory of ${node} is gone or older than this run: what began there cannot be looked up`,
    hint: advice`Look at ${node}, then decide: \`clusterlift resume ${run} --decide ${node}=done\`, \`=retry\` or \`=failed\`.`,
    exit: ExitStatus.unknown,
    node,
  });
}
