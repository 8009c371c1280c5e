import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { jobStatus } from '../../ssh/exec/jobs';
import { errorRecord, type RunContext } from '../control/context';
import { jobId } from '../journal/events';
import { decidedFailed } from './steps';
import type { NodeView, StepView } from '../journal/view';

/** A person's word on a node whose step has an unknown outcome. */
export interface Decision {
  readonly node: string;
  readonly choice: 'retry' | 'done' | 'failed';
}

/**
 * Writes decisions into the journal, for the step that each node is stuck in.
 * Only this makes a second attempt of a step that must not be repeated.
 * @throws ClusterliftError `decision-useless` when that node waits for no decision; `job-running`; `node-unknown`
 */
export async function applyDecisions(ctx: RunContext, decisions: readonly Decision[]): Promise<void> {
  const all = decisions.map(({ node, choice }) => {
    const view = ctx.view.nodes[node];
    const step = view && undecidedStep(view);
    if (!step) throw useless(node);
    return { node, choice, step };
  });
  for (const { node, choice, step } of all) await mayBeDecided(ctx, node, step, choice);
  for (const { node, choice, step } of all) {
    const key = { node, step: step.step, lane: step.lane, attempt: step.attempt };
    const { by } = ctx.services;
    await ctx.record({ type: 'decision', ...key, choice, by });
    if (choice === 'done')
      await ctx.record({ type: 'step.finished', ...key, ms: 0, result: 'done', data: { decided: by } });
    if (choice === 'failed') {
      const error = errorRecord(decidedFailed(node, step.step, by));
      await ctx.record({ type: 'step.finished', ...key, ms: 0, result: 'failed', error });
    }
  }
}

/**
 * A script that still runs is followed, not judged: a second attempt beside it would be two at once. Only a node that is
 * given up need not be asked.
 */
async function mayBeDecided(
  ctx: RunContext,
  node: string,
  { step, lane, attempt }: StepView,
  choice: Decision['choice'],
): Promise<void> {
  const id = jobId(ctx.plan.run, node, step, lane, attempt);
  try {
    for (const each of [id, `${id}-stop`, `${id}-start`]) {
      const job = { stateDir: ctx.node(node).stateDir, id: each };
      const { state } = await ctx.retryWhileUnreachable(
        node,
        (connection) => jobStatus(connection, job),
        choice === 'failed' ? 0 : undefined,
      );
      if (state === 'running') throw stillRuns(node, step);
    }
  } catch (error) {
    if (choice !== 'failed' || !hasCode(error, 'node-unknown')) throw error;
  }
}

/** The step that a person has to judge, if there is one. */
function undecidedStep(node: NodeView): StepView | undefined {
  return node.steps.findLast((step) => step.state === 'unknown' && step.decision === undefined);
}

function stillRuns(node: string, step: string): ClusterliftError {
  return new ClusterliftError({
    code: 'job-running',
    message: `${step} still runs on ${node}, so there is nothing to decide yet`,
    hint: 'Follow it to its end with `clusterlift resume RUN`, without a decision.',
    exit: ExitStatus.refused,
    node,
    step,
  });
}

function useless(node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'decision-useless',
    message: `${node} has no step that waits for a decision`,
    hint: 'See what is open with `clusterlift runs RUN`.',
    exit: ExitStatus.usage,
    node,
  });
}
