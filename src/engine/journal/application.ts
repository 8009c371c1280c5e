import type { NodeOutcome } from './events';
import { isQuietOn } from './plan';
import type { NodeView, RunView, StepView } from './view';

/** What a run left of a node that it stopped: pure, of the view alone, so that every report says the same. */

/** `started`: it was stopped, the change failed, and `start` ran after that. */
export type Application = 'untouched' | 'started' | 'stopped' | 'start-failed' | 'unknown';

/** Whose files a node has. `mixed`: nobody knows how far they are put back. */
export type Files = 'untouched' | 'changed' | 'point' | 'mixed';

export interface Left {
  readonly node: string;
  readonly application: Exclude<Application, 'untouched'>;
  readonly files: Files;
}

/** Does the application of a node run, as far as the scripts of this run tell? `quiet`: its backup stops it, too. */
export function applicationOf(node: NodeView, quiet = false): Application {
  return node.steps.reduce<Application>((state, step) => after(step, quiet) ?? state, 'untouched');
}

function after({ step, state, error }: StepView, quiet: boolean): Application | undefined {
  // The job of a quiet backup starts the application by itself, however it ends.
  if (step === 'backup' && quiet) {
    if (state === 'unknown') return 'unknown';
    return error === undefined ? undefined : error.code === 'quiet-start' ? 'start-failed' : 'started';
  }
  if (step !== 'stop' && step !== 'start') return undefined;
  if (state === 'running' || state === 'unknown') return 'unknown';
  if (step === 'stop') return 'stopped';
  return state === 'done' ? 'started' : 'start-failed';
}

/** Nodes that are not as a run that ends well leaves them, in the order of the plan. */
export function leftBy(view: RunView): Left[] {
  if (view.state === 'running') return [];
  return view.plan.nodes.flatMap(({ name }): Left[] => {
    const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
    const left = node && leftOf(node, isQuietOn(view.plan, name));
    return left ? [left] : [];
  });
}

/** @returns undefined: it ended well, or its application was never stopped */
export function leftOf(node: NodeView, quiet = false): Left | undefined {
  const application = applicationOf(node, quiet);
  if (application === 'untouched' || (WELL.has(node.outcome) && application !== 'start-failed')) return undefined;
  return { node: node.name, application, files: filesOf(node) };
}

const WELL: ReadonlySet<NodeOutcome | undefined> = new Set([
  'upgraded',
  'restored',
  'provisioned',
  'backed-up',
  'unchanged',
  'rolled-back',
  // Others changed it since: what it is now is theirs.
  'overtaken',
]);

function filesOf(node: NodeView): Files {
  const changes = node.steps.filter(({ step }) => step === 'upgrade' || step === 'restore');
  return changes.reduce<Files>((files, { step, lane, state }) => {
    if (state === 'running' || state === 'unknown') return 'mixed';
    if (step === 'upgrade') return 'changed';
    // A swap that fails goes back by itself.
    if (state === 'failed') return files;
    if (lane === 'main') return 'point';
    // The rollback of an upgrade brings the point; that of a restore brings back what was there before.
    return changes.some((each) => each.step === 'restore' && each.lane === 'main') ? 'untouched' : 'point';
  }, 'untouched');
}
