import { randomBytes } from 'node:crypto';
import { mapLimit } from '../base/async';
import filesScript from './archive/files.sh';
import { type CleanPlan, planClean, type PointsInUse } from './points/retention';
import type { BackupNode, Store } from './points/store';
import { runOnNode } from './points/task';
import { forgetTrust } from './points/trust';

const NODES_AT_ONCE = 16;

export interface CleanOptions {
  readonly cluster: string;
  readonly keep: number;
  readonly now: Date;
  readonly dryRun: boolean;
  /** Asks what is in use now. @throws ClusterliftError when that cannot be known: then nothing is removed */
  readonly inUse: () => Promise<PointsInUse>;
  /** Of what may go, only these: what a person has seen. */
  readonly only?: ReadonlySet<string>;
  readonly onRemove?: (id: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Removes what may go, oldest first. With `dryRun` only tells. A removal is announced on every node before it is asked for the
 * last time what is in use, and a restore marks its point before it looks for announcements: so one of the two sees the other.
 * @returns what was removed, and what is kept why
 * @throws ClusterliftError of the first removal that failed
 */
export async function cleanLocation(
  store: Store,
  nodes: readonly BackupNode[],
  options: CleanOptions,
): Promise<CleanPlan> {
  const { dryRun, only, signal, onRemove } = options;
  const points = await store.listPoints(nodes, signal);
  const planned = planClean(points, { ...options, ...(await options.inUse()) });
  const wanted = planned.remove.filter(({ id }) => !only || only.has(id)).map(({ id }) => id);
  if (dryRun || wanted.length === 0) return planned;
  const token = randomBytes(8).toString('hex');
  const left = new Set(wanted);
  try {
    await announceRemoval(token, wanted, nodes);
    const plan = planClean(points, { ...options, ...(await options.inUse()) });
    const remove = plan.remove.filter(({ id }) => left.has(id));
    for (const { id } of remove) {
      signal?.throwIfAborted();
      onRemove?.(id);
      await store.removePoint(id, nodes, signal);
      await forgetTrust(id, nodes);
      left.delete(id);
    }
    return { ...plan, remove };
  } finally {
    if (left.size > 0) await retractRemoval(token, [...left], nodes);
  }
}

/** Tells every node that these points are about to be removed. @throws ClusterliftError of a node that cannot be told */
async function announceRemoval(token: string, ids: readonly string[], nodes: readonly BackupNode[]): Promise<void> {
  const results = await mapLimit(nodes, NODES_AT_ONCE, (node) =>
    runOnNode(node.connection, [filesScript], { args: ['announce', node.stateDir, token, ...ids] }),
  );
  for (const each of results) if (each.status === 'rejected') throw each.reason;
}

/** A node that is away keeps the announcement: `removal-begun` says how to go on. */
async function retractRemoval(token: string, ids: readonly string[], nodes: readonly BackupNode[]): Promise<void> {
  await mapLimit(nodes, NODES_AT_ONCE, (node) =>
    runOnNode(node.connection, [filesScript], { args: ['retract', node.stateDir, token, ...ids] }),
  );
}

/** A person says that nobody removes the point: what an interrupted clean announced on the node goes. */
export async function dropAnnouncements(id: string, node: BackupNode): Promise<void> {
  await runOnNode(node.connection, [filesScript], { args: ['retract', node.stateDir, '', id] });
}
