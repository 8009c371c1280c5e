import type { NodeView } from './run-view';
import { stepOf } from './view';

/** Null: nothing is installed; undefined: not known. */
export type VersionNow = string | null | undefined;

/** The version that a node has, as far as its run knows. What was planned is said only of nodes that were proven to have it. */
export function versionNow(node: NodeView): VersionNow {
  switch (node.outcome) {
    case 'upgraded':
    case 'restored':
      return node.to ?? node.from ?? null;
    case 'rolled-back':
      return node.to ?? null;
    case 'overtaken':
      return node.to;
    case 'unknown':
      return undefined;
    case 'failed':
    case 'wrong-version':
      return node.has === undefined ? provenBefore(node) : node.has;
    case 'provisioned':
    case 'backed-up':
    case 'unchanged':
    case 'not-started':
      return node.from ?? null;
    case undefined:
      return hasBegun(node) ? undefined : (node.from ?? null);
  }
}

/** Did the run do anything there that can change its version? */
export function hasBegun(node: NodeView): boolean {
  return node.steps.some(({ step }) => CHANGES.has(step));
}

const CHANGES: ReadonlySet<string> = new Set(['stop', 'upgrade', 'restore', 'restore-script', 'start', 'provision']);

/** Journals of earlier versions do not say what a failed node has: it is known where its version was proven before it failed. */
function provenBefore(node: NodeView): VersionNow {
  if (!hasBegun(node)) return node.from ?? null;
  const back = node.steps.some(({ lane, step }) => lane === 'rollback' && CHANGES.has(step));
  const step = back ? undefined : stepOf(node, 'version');
  const version = step?.state === 'done' ? step.data?.['version'] : undefined;
  return typeof version === 'string' ? version || null : undefined;
}
