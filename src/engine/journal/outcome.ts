import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { leftOf } from './application';
import type { NodeOutcome, NodeResult, RunOutcome } from './events';
import { isQuietOn } from './plan';
import { versionNow } from './versions-now';
import type { RunView } from './view';

/** Code of a plan that others made old. */
export const OVERTAKEN = 'plan-overtaken' satisfies ErrorCode;

const GOOD: ReadonlySet<NodeOutcome> = new Set(['upgraded', 'restored', 'provisioned', 'backed-up', 'unchanged']);

/** Is this node where the run wanted it? */
export function isGood(outcome: NodeOutcome | undefined): boolean {
  return outcome !== undefined && GOOD.has(outcome);
}

/** Did others change a node of the run since it was planned? Then it begins no further node, rolls nothing back and commits nothing. */
export function isOvertaken(view: Pick<RunView, 'nodes'>): boolean {
  return Object.values(view.nodes).some(({ outcome }) => outcome === 'overtaken');
}

/** Counts for the failure budget. */
export function tally(view: RunView): { total: number; good: number; failed: number; unknown: number; open: number } {
  const outcomes = Object.values(view.nodes).map((node) => node.outcome);
  const count = (test: (outcome: NodeOutcome | undefined) => boolean): number => outcomes.filter(test).length;
  return {
    total: outcomes.length,
    good: count(isGood),
    failed: count((outcome) => outcome === 'failed' || outcome === 'wrong-version' || outcome === 'rolled-back'),
    unknown: count((outcome) => outcome === 'unknown'),
    open: count((outcome) => outcome === undefined || outcome === 'not-started'),
  };
}

/** How the run ended, with its exit status (docs/commands.md): unknown beats failed, and nothing beats the truth about one node. */
export function runOutcome(view: RunView): { outcome: RunOutcome; status: ExitStatus } {
  const { total, good, failed, unknown } = tally(view);
  if (unknown > 0) return { outcome: 'unknown', status: ExitStatus.unknown };
  if (good === total && view.committed) return { outcome: 'succeeded', status: ExitStatus.ok };
  if (isOvertaken(view)) return { outcome: 'overtaken', status: ExitStatus.failed };
  const rolledBack = Object.values(view.nodes).some((node) => node.outcome === 'rolled-back');
  const left = Object.values(view.nodes).some((node) => node.outcome === 'failed' || node.outcome === 'wrong-version');
  if (rolledBack && !left) return { outcome: 'rolled-back', status: ExitStatus.failed };
  if (failed === 0 && view.stopRequested) return { outcome: 'stopped', status: ExitStatus.failed };
  return { outcome: 'failed', status: ExitStatus.failed };
}

/** What an error makes of the node where it happened. */
export function outcomeOf(error: unknown): 'failed' | 'wrong-version' | 'unknown' {
  if (hasUnknownOutcome(error)) return 'unknown';
  return hasCode(error, 'wrong-version') ? 'wrong-version' : 'failed';
}

function hasUnknownOutcome(error: unknown): boolean {
  return error instanceof ClusterliftError && error.exit === ExitStatus.unknown;
}

/** What the last line of a run says of each node. */
export function nodeResults(view: RunView): Record<string, NodeResult> {
  return Object.fromEntries(
    Object.values(view.nodes).map((node) => {
      const version = versionNow(node);
      const { application, files } = leftOf(node, isQuietOn(view.plan, node.name)) ?? {};
      return [
        node.name,
        {
          outcome: node.outcome ?? 'not-started',
          from: node.from ?? null,
          to: node.to ?? null,
          ...(isGood(node.outcome) || version === undefined ? {} : { version }),
          ...(application && files ? { application, files } : {}),
        },
      ];
    }),
  );
}
