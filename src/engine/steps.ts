import { ClusterliftError, ExitStatus } from '../base/errors';
import { errorRecord, type RunContext } from './context';
import type { ErrorRecord, Lane, StepData } from './events';
import type { StepName } from './plan';
import { stepOf, type StepView } from './view';

/** How a step is done. */
export interface Act {
  readonly node: string;
  readonly step: StepName;
  readonly lane?: Lane;
  /** Written with the intent, for whoever has to find out later how far it came. */
  readonly intent?: StepData;
  /**
   * Does it, or finds out that it is done: the same attempt is run again after an interruption.
   * It probes before it acts, so that nothing happens twice.
   */
  run(attempt: number, intent: StepData): Promise<StepData>;
  /** True: an attempt that died with its node may be followed by another one without asking a person. */
  readonly repeatable: boolean;
  /** Waits until no other node is in a step (a jump node that reboots). */
  readonly alone?: boolean;
}

/** Code of an attempt that began on the node, did not end, and no longer runs. */
export const ATTEMPT_LOST = 'attempt-lost';
/** More attempts than that point to a loop, not to bad luck. */
const MOST_ATTEMPTS = 3;

/**
 * Does a step once: not again when the journal has its result; the same attempt when it was begun; intent first, result after.
 * @returns the data of its result
 * @throws ClusterliftError of the step, told for node and step; exit `unknown` when its outcome is not known
 */
export async function runStep(ctx: RunContext, act: Act): Promise<StepData> {
  const lane = act.lane ?? 'main';
  const prior = stepOf(ctx.nodeView(act.node), act.step, lane);
  if (prior?.state === 'done') return prior.data ?? {};
  if (prior?.state === 'failed') throw errorOf(prior, act.node);
  const fresh = !prior || prior.decision === 'retry';
  let attempt = (prior?.attempt ?? 0) + (fresh ? 1 : 0);
  if (fresh) await begin(ctx, act, attempt);
  const enter = act.alone ? ctx.gate.exclusive.bind(ctx.gate) : ctx.gate.shared.bind(ctx.gate);
  return enter(async () => {
    for (;;) {
      const startedAt = Date.now();
      const key = { node: act.node, step: act.step, lane, attempt };
      try {
        const data = await act.run(attempt, stepOf(ctx.nodeView(act.node), act.step, lane)?.intent ?? {});
        await ctx.record({ type: 'step.finished', ...key, ms: Date.now() - startedAt, result: 'done', data });
        return data;
      } catch (error) {
        ctx.signal.throwIfAborted();
        if (
          error instanceof ClusterliftError &&
          error.code === ATTEMPT_LOST &&
          act.repeatable &&
          attempt < MOST_ATTEMPTS
        ) {
          await begin(ctx, act, ++attempt);
          continue;
        }
        const told = error instanceof ClusterliftError ? error.on(act.node, act.step) : error;
        const result = told instanceof ClusterliftError && told.exit === ExitStatus.unknown ? 'unknown' : 'failed';
        await ctx.record({
          type: 'step.finished',
          ...key,
          ms: Date.now() - startedAt,
          result,
          error: errorRecord(told),
        });
        throw told;
      }
    }
  });
}

async function begin(ctx: RunContext, act: Act, attempt: number): Promise<void> {
  await ctx.record({
    type: 'step.started',
    node: act.node,
    step: act.step,
    lane: act.lane ?? 'main',
    attempt,
    ...(act.intent ? { data: act.intent } : {}),
  });
}

/** The error of a step that ended badly before, as it was told then. */
function errorOf(step: StepView, node: string): ClusterliftError {
  return restoreError(
    step.error ?? { code: 'step-failed', message: `${step.step} failed`, hint: 'See the log of the node.' },
    node,
    step.step,
  );
}

/** An error as it was kept in the journal. */
export function restoreError(record: ErrorRecord, node?: string, step?: string): ClusterliftError {
  return new ClusterliftError({ ...record, exit: ExitStatus.failed, node, step });
}

/** The name of a job on the node: `<run>.<node>.<step>.<attempt>` (design 6). */
export function jobId(run: string, node: string, step: StepName, lane: Lane, attempt: number): string {
  const safe = node.replace(/[^A-Za-z0-9_-]/g, '_');
  return `${run}.${safe}.${lane === 'rollback' ? 'rollback-' : ''}${step}.${String(attempt)}`;
}
