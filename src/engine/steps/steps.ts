import { stopwatch } from '../../base/clock';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { errorRecord, type RunContext } from '../control/context';
import type { ErrorRecord, Lane, StepData, StepKey } from '../journal/events';
import { isLost, stateLost } from '../control/lost';
import type { StepName } from '../journal/plan';
import { stepOf, type StepView } from '../journal/view';

/** How a step is done. */
export interface Act {
  readonly node: string;
  readonly step: StepName;
  readonly lane?: Lane;
  /** Written with the intent, to find out later how far it came. */
  readonly intent?: StepData;
  /**
   * Does it, or finds out that it is done: the same attempt is run again after an interruption.
   * It probes before it acts, so that nothing happens twice.
   */
  run(attempt: number, intent: StepData): Promise<StepData>;
  /** True: an attempt that died with its node may be followed by another one without asking a person. */
  readonly repeatable: boolean;
  /** It is done once more, also where it was done, or failed, before. */
  readonly again?: boolean;
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
  const over = prior?.state === 'done' || prior?.state === 'failed';
  if (prior && over && !act.again) {
    if (prior.state === 'done') return prior.data ?? {};
    throw errorOf(prior, act.node);
  }
  const fresh = !prior || over || prior.decision === 'retry';
  let attempt = (prior?.attempt ?? 0) + (fresh ? 1 : 0);
  if (fresh) await begin(ctx, act, attempt);
  const enter = act.alone ? ctx.sharedLock.exclusive.bind(ctx.sharedLock) : ctx.sharedLock.shared.bind(ctx.sharedLock);
  return enter(async () => {
    for (;;) {
      const result = await runAttempt(ctx, act, { node: act.node, step: act.step, lane, attempt });
      if (result !== 'again') return result;
      await begin(ctx, act, ++attempt);
    }
  });
}

async function runAttempt(ctx: RunContext, act: Act, key: StepKey): Promise<StepData | 'again'> {
  const watch = stopwatch();
  // Lost before this attempt goes on: then somebody can say how it went. Without a lock there is no going on.
  const wasLost = isLost(stepOf(ctx.nodeView(key.node), key.step, key.lane));
  const done = async (data: StepData): Promise<StepData> => {
    await ctx.record({ type: 'step.finished', ...key, ms: watch.ms, result: 'done', data });
    return data;
  };
  try {
    if (wasLost) throw stateLost(key.node, ctx.plan.run);
    return await done(await act.run(key.attempt, stepOf(ctx.nodeView(key.node), key.step, key.lane)?.intent ?? {}));
  } catch (error) {
    ctx.signal.throwIfAborted();
    const choice =
      wasLost || hasCode(error, ATTEMPT_LOST)
        ? await afterLoss(ctx, act, { ...key, error: error as ClusterliftError })
        : undefined;
    if (choice === 'done') return done({ decided: ctx.services.by });
    if (choice === 'retry' && key.attempt < MOST_ATTEMPTS) return 'again';
    const cause = choice === 'failed' ? decidedFailed(key.node, key.step, ctx.services.by) : error;
    const told = cause instanceof ClusterliftError ? cause.on(key.node, key.step) : cause;
    const result = told instanceof ClusterliftError && told.exit === ExitStatus.unknown ? 'unknown' : 'failed';
    const ms = watch.ms;
    await ctx.record({ type: 'step.finished', ...key, ms, result, error: errorRecord(told) });
    throw told;
  }
}

/** An attempt is lost: a step that bears repetition is repeated; else a person decides, if one is there. */
async function afterLoss(
  ctx: RunContext,
  act: Act,
  lost: StepKey & { readonly error: ClusterliftError },
): Promise<'retry' | 'done' | 'failed' | undefined> {
  if (act.repeatable) return 'retry';
  const { node, step, lane, attempt, error } = lost;
  const choices = ['done', 'retry', 'failed'] as const;
  const text = `${error.message}. Check ${node}: did ${step} complete, should it run again, or did it fail?`;
  const answer = await ctx.services.asker.ask({ kind: 'decide', node, text, choices }, ctx.signal);
  const choice = choices.find((each) => each === answer);
  if (choice === undefined) return undefined;
  await ctx.record({ type: 'decision', node, step, lane, attempt, choice, by: ctx.services.by });
  return choice;
}

export function decidedFailed(node: string, step: string, by: string): ClusterliftError {
  return new ClusterliftError({
    code: 'decided-failed',
    message: `${by} decided that ${step} failed on ${node}`,
    hint: 'Run the upgrade again, or roll back.',
    exit: ExitStatus.failed,
    node,
    step,
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
function restoreError({ status, ...record }: ErrorRecord, node?: string, step?: string): ClusterliftError {
  return new ClusterliftError({ ...record, exit: status ?? ExitStatus.failed, node, step });
}
