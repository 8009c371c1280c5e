import type { RunContext } from '../control/context';
import { scriptJob } from './jobstep';
import type { RunPackage } from '../control/runpackage';
import { stepOf, type StepView } from '../journal/view';

/**
 * A change that failed must not also leave the application down: `start` is tried wherever `stop` began and no `start` came
 * after it. What `start` says then changes nothing about the failure; the report tells it (application.ts).
 * Not where a script may still run: nobody knows what `start` would meet.
 */
export async function startAgain(ctx: RunContext, pkg: RunPackage | undefined, node: string): Promise<void> {
  const view = ctx.nodeView(node);
  const last = view.steps.findLast(({ step }) => step === 'stop' || step === 'start');
  // A `start` that was under way when we died is followed to its end.
  const due = last?.step === 'stop' || (last?.step === 'start' && isOpen(last));
  if (pkg?.manifest.scripts.start === undefined || !due) return;
  if (view.steps.some((each) => SCRIPTS.has(each.step) && isOpen(each))) return;
  const back = stepOf(view, 'stop', 'rollback') !== undefined;
  const restores = back || ctx.plan.action === 'restore';
  // Where nothing was installed and its files are back, there is nothing to start.
  if (restores && stepOf(view, 'restore', back ? 'rollback' : 'main')?.state === 'done' && nothingBack(ctx, node, back))
    return;
  const action = restores ? 'restore' : 'upgrade';
  try {
    await scriptJob(ctx, pkg, { node, step: 'start', action, lane: back ? 'rollback' : 'main', repeatable: true });
  } catch {
    ctx.signal.throwIfAborted();
  }
}

const SCRIPTS: ReadonlySet<string> = new Set(['stop', 'upgrade', 'restore', 'restore-script', 'provision']);

function isOpen({ state }: StepView): boolean {
  return state === 'running' || state === 'unknown';
}

function nothingBack(ctx: RunContext, node: string, back: boolean): boolean {
  const { from, to } = ctx.node(node);
  return (back ? from : to) === undefined;
}
