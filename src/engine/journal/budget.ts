import { budgetAllows, type Allowance } from './order';
import { tally } from './outcome';
import { changesBegun, type RunView } from './view';

/** May more nodes begin, and are there so many failures that `--on-failure` says what follows? */
export interface Leave extends Allowance {
  /** The batch of the ramp that failed as a whole, from 1. */
  readonly batch: number | undefined;
}

/**
 * The failure budget and the ramp of a run. While a ramp grows, each batch proves the change for those after it: one that fails
 * as a whole stops the run, whatever `--max-failures` and `--on-failure continue` allow.
 * @param failing a node that is about to be closed as failed
 */
export function leaveOf(view: RunView, failing?: string): Leave {
  const now = failing === undefined ? view : withFailed(view, failing);
  const { total, failed, unknown } = tally(now);
  const { maxFailures, onFailure } = view.plan.options;
  const { startMore, exceeded, allowed } = budgetAllows({ maxFailures, total, failed, unknown });
  const bad = failedBatch(now);
  return {
    startMore: bad === undefined && (startMore || onFailure === 'continue'),
    exceeded: exceeded || bad?.unknown === 0,
    allowed,
    batch: bad?.batch,
  };
}

/** The first batch of a growing ramp in which no node came through. `unknown`: how many of its nodes may have. */
function failedBatch(view: RunView): { readonly batch: number; readonly unknown: number } | undefined {
  const { batches } = view.plan;
  for (const [index, batch] of batches.entries()) {
    const outcomes = batch.map((name) => view.nodes[name]?.outcome);
    const unknown = outcomes.filter((outcome) => outcome === 'unknown').length;
    const bad = outcomes.every((outcome) => outcome !== undefined && BAD.has(outcome));
    if (batch.length > 0 && bad && proves(view, index)) return { batch: index + 1, unknown };
  }
  return undefined;
}

const BAD: ReadonlySet<string> = new Set(['failed', 'wrong-version', 'rolled-back', 'unknown']);

/** The first batch of a ramp, and each one that a larger one follows. Once it grows no more, the budget alone counts. */
function proves({ plan: { batch = [], batches }, nodes }: RunView, index: number): boolean {
  const later = batches.slice(index + 1);
  if (new Set(batch).size < 2 || later.length === 0) return false;
  // It was proven: what failed then came after the ramp.
  if (later.flat().some((name) => changesBegun(nodes[name]))) return false;
  const size = batches[index]?.length ?? 0;
  return batches.slice(0, index).every((each) => each.length === 0) || later.some((each) => each.length > size);
}

function withFailed(view: RunView, name: string): RunView {
  const node = view.nodes[name];
  return node ? { ...view, nodes: { ...view.nodes, [name]: { ...node, outcome: 'failed' } } } : view;
}
