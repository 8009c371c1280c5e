import type { Mode, NodeModel } from '../../cluster/model';

/**
 * The order of a serial run: by role, unlisted roles last, then as in the file; this machine (connection: local) always last,
 * because the run would not see its own reboot. A node with several roles goes with the earliest of them.
 * Not here: a jump node keeps its place, but reboots only while no other node has a running step; the engine sees to that.
 * @param roleOrder the cluster's, else the manifest's; undefined: file order
 */
export function orderNodes(nodes: readonly NodeModel[], roleOrder: readonly string[] | undefined): NodeModel[] {
  const rank = new Map<string, number>();
  for (const role of roleOrder ?? []) if (!rank.has(role)) rank.set(role, rank.size);
  const rankOf = (node: NodeModel): number =>
    Math.min(rank.size, ...node.roles.map((role) => rank.get(role) ?? rank.size));
  const lastOf = (node: NodeModel): number => (node.connection === 'local' ? 1 : 0);
  // Array.prototype.sort is stable: equal nodes stay in file order.
  return [...nodes].sort((a, b) => lastOf(a) - lastOf(b) || rankOf(a) - rankOf(b));
}

/**
 * Which nodes are changed together, in order.
 *
 * serial: one at a time. fast: all at once. With `batch`, each entry is the size of the next batch, as in Ansible's `serial` list,
 * and the last entry repeats until no node is left: of 10 nodes, `1,25%,100%` makes batches of 1, 2 and 7.
 * A percentage is of all nodes, rounded down, at least 1. A batch beats fast; serial beats a batch.
 * @param names in the order of `orderNodes`
 * @param batch entries such as `1` or `25%`; checked before (grammar and schema)
 */
export function batchesOf(names: readonly string[], mode: Mode, batch?: readonly string[]): string[][] {
  const sizes = mode === 'serial' ? ['1'] : (batch ?? ['100%']);
  const batches: string[][] = [];
  let start = 0;
  while (start < names.length) {
    const size = batchSize(sizes[Math.min(batches.length, sizes.length - 1)] ?? '100%', names.length);
    batches.push(names.slice(start, start + size));
    start += size;
  }
  return batches;
}

/** A batch of at least one node, whatever the entry says: a bad value must not make a run that never ends. */
function batchSize(entry: string, total: number): number {
  const size = share(entry, total);
  return Number.isNaN(size) ? 1 : Math.max(1, size);
}

/** A number, or a percentage of `total`, rounded down. NaN when it is neither. */
function share(text: string, total: number): number {
  const match = /^(\d+)(%?)$/.exec(text);
  if (!match) return Number.NaN;
  const number = Number(match[1]);
  return match[2] === '%' ? Math.floor((number * total) / 100) : number;
}

export interface Budget {
  /** `2` or `25%`; a percentage is rounded down. */
  readonly maxFailures: string;
  /** Nodes of the whole run. */
  readonly total: number;
  readonly failed: number;
  /** Nodes whose outcome is unknown. */
  readonly unknown: number;
}

export interface Allowance {
  readonly startMore: boolean;
  readonly exceeded: boolean;
  /** Failures that are tolerated, as a number of nodes. */
  readonly allowed: number;
}

/**
 * The failure budget over the whole run (docs/guarantees.md). It is exceeded when more than `maxFailures` nodes have failed.
 * A node of unknown outcome is not a failure, but it may become one: it counts when the question is whether to start more.
 */
export function budgetAllows({ maxFailures, total, failed, unknown }: Budget): Allowance {
  const most = share(maxFailures, total);
  const allowed = Number.isNaN(most) ? 0 : most;
  return { startMore: failed + unknown <= allowed, exceeded: failed > allowed, allowed };
}
