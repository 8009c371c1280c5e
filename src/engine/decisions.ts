import { ClusterliftError, ExitStatus } from '../base/errors';
import { errorRecord, type RunContext } from './context';
import { decidedFailed } from './steps';
import type { NodeView, StepView } from './view';

/** A person's word on a node whose step has an unknown outcome. */
export interface Decision {
  readonly node: string;
  readonly choice: 'retry' | 'done' | 'failed';
}

/**
 * Writes decisions into the journal, for the step that each node is stuck in.
 * Only this makes a second attempt of a step that must not be repeated.
 * @throws ClusterliftError `decision-useless` when that node waits for no decision
 */
export async function applyDecisions(ctx: RunContext, decisions: readonly Decision[]): Promise<void> {
  for (const { node, choice } of decisions) {
    const view = ctx.view.nodes[node];
    const step = view && undecidedStep(view);
    if (!step) throw useless(node);
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

/** The step that a person has to judge, if there is one. */
function undecidedStep(node: NodeView): StepView | undefined {
  return node.steps.findLast((step) => step.state === 'unknown' && step.decision === undefined);
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
