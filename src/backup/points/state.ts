import type { Point, PointStatus } from './point';

/** States of restore points: `creating → complete → verified`, or `broken`; `incomplete` when a node cannot be asked (docs/backups.md). */

export type PartState = 'creating' | 'complete' | 'verified' | 'broken';

export type PointState =
  | { readonly kind: 'creating' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'verified' }
  | { readonly kind: 'broken'; readonly reason: string }
  /** These nodes could not be asked whether their part is there. */
  | { readonly kind: 'incomplete'; readonly nodes: readonly string[] };

/** What was seen of a part where it lies, without reading it. */
export type PartSeen =
  | { readonly kind: 'there' }
  | { readonly kind: 'missing' }
  /** Another size than recorded; bytes. */
  | { readonly kind: 'resized'; readonly bytes: number }
  /** The node that holds it cannot be asked. */
  | { readonly kind: 'unreachable' };

export interface SeenPoint {
  /** Undefined: there is no `point.json` yet. */
  readonly point: Point | undefined;
  readonly status: PointStatus | undefined;
  /** By node; a node without an entry could not be asked. */
  readonly parts: Readonly<Record<string, PartSeen>>;
  /** Why the point as a whole is bad: torn, or different from node to node. */
  readonly fault?: string | undefined;
}

/** The state of a point: the least of its parts. */
export function stateOf(seen: SeenPoint): PointState {
  if (seen.fault !== undefined) return { kind: 'broken', reason: seen.fault };
  if (!seen.point) return { kind: 'creating' };
  const nodes = Object.keys(seen.point.nodes);
  if (nodes.length === 0) return { kind: 'broken', reason: 'it has no parts' };
  const away: string[] = [];
  let least: PartState = 'verified';
  for (const node of nodes) {
    const part = seen.parts[node] ?? { kind: 'unreachable' };
    const reason = faultOf(node, part, seen);
    if (reason !== undefined) return { kind: 'broken', reason };
    if (part.kind === 'unreachable') away.push(node);
    else if (seen.status?.nodes[node]?.result !== 'verified') least = 'complete';
  }
  return away.length > 0 ? { kind: 'incomplete', nodes: away } : { kind: least };
}

function faultOf(node: string, part: PartSeen, seen: SeenPoint): string | undefined {
  const verdict = seen.status?.nodes[node];
  switch (part.kind) {
    case 'missing':
      return `the part of ${node} is missing`;
    case 'resized':
      return `the part of ${node} has ${part.bytes} bytes, another size than recorded`;
    case 'there':
    case 'unreachable':
      return verdict?.result === 'broken' ? `${node}: ${verdict.reason ?? 'verification failed'}` : undefined;
  }
}

/** For people: `verified`, `incomplete (n2 unreachable)`, `broken (…)`. */
export function describeState(state: PointState): string {
  switch (state.kind) {
    case 'creating':
    case 'complete':
    case 'verified':
      return state.kind;
    case 'broken':
      return `broken (${state.reason})`;
    case 'incomplete':
      return `incomplete (${state.nodes.join(', ')} unreachable)`;
  }
}
