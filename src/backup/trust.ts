import { mapLimit } from '../base/async';
import { ClusterliftError, ExitStatus } from '../base/errors';
import filesScript from './files.sh';
import type { BackupNode, ReadPoint } from './store';
import { askNode, runOnNode } from './task';

/**
 * Who vouches for a point (design 8): its digest lies in root-owned state of each node, and in the journal of the run that
 * made it. Whoever can write to a backup server must not become root on the nodes.
 */
export type Trust =
  | { readonly kind: 'known' }
  /** No node knows it: a rebuilt machine, or somebody else's point. `--override foreign-point` */
  | { readonly kind: 'foreign'; readonly scripts: readonly { readonly name: string; readonly sha256: string }[] };

const NODES_AT_ONCE = 16;

/** Records the digest of a finished point on its nodes; may be repeated. */
export async function recordTrust(id: string, sha256: string, nodes: readonly BackupNode[]): Promise<void> {
  const results = await mapLimit(nodes, NODES_AT_ONCE, (node) =>
    runOnNode(node.connection, [filesScript], { args: ['trust', node.stateDir, id], stdin: `${sha256}\n` }),
  );
  for (const each of results) if (each.status === 'rejected') throw each.reason;
}

/** Forgets a point that was removed. A node that is away keeps a digest that nothing has any more: no harm. */
export async function forgetTrust(id: string, nodes: readonly BackupNode[]): Promise<void> {
  await mapLimit(nodes, NODES_AT_ONCE, (node) =>
    runOnNode(node.connection, [filesScript], { args: ['distrust', node.stateDir, id] }),
  );
}

/**
 * Finds out whether a point is the one that was made. Only a node vouches; one that cannot be asked vouches for nothing.
 * @param journaled digest from the journal of the run, when it is at hand: it must not be another, and does not vouch alone
 * @throws ClusterliftError `point-changed` when somebody who must know recorded another digest: no override helps
 */
export async function trustOf(
  read: ReadPoint,
  nodes: readonly BackupNode[],
  journaled: string | undefined,
  signal?: AbortSignal,
): Promise<Trust> {
  const { point, sha256 } = read;
  const answers = await mapLimit(nodes, NODES_AT_ONCE, async (node) => {
    const args = ['trusted', node.stateDir, point.id];
    const entries = await askNode(node.connection, [filesScript], { args, ...(signal && { signal }) });
    return { who: node.name, digest: entries.text('digest')?.trim() };
  });
  const nodesKnow = answers.flatMap((each) =>
    each.status === 'fulfilled' && each.value.digest !== undefined ? [each.value] : [],
  );
  const other = nodesKnow.find((each) => each.digest !== sha256);
  if (other) throw changed(point.id, other.who);
  demandDigest(read, journaled, 'the journal of the run');
  if (nodesKnow.length > 0) return { kind: 'known' };
  const scripts = Object.entries(point.scripts).map(([name, script]) => ({ name, sha256: script.sha256 }));
  return { kind: 'foreign', scripts };
}

/** @throws ClusterliftError `point-changed` when it is not the one that `who` recorded; no digest: nobody did */
export function demandDigest({ point, sha256 }: ReadPoint, wanted: string | undefined, who: string): void {
  if (wanted !== undefined && wanted !== sha256) throw changed(point.id, who);
}

/**
 * Demands that a point is known, or that a person took it on.
 * @param overridden `--override foreign-point` was given
 * @throws ClusterliftError `foreign-point`
 */
export function demandTrust(id: string, trust: Trust, overridden: boolean): void {
  if (trust.kind === 'known' || overridden) return;
  const scripts = trust.scripts.map((each) => `${each.name} ${each.sha256}`).join(', ');
  throw new ClusterliftError({
    code: 'foreign-point',
    message: `No node of the cluster knows restore point ${id}; its scripts would run as root: ${scripts === '' ? 'it has none' : scripts}`,
    hint: 'If you know where it comes from (a rebuilt machine) and compared the digests: --override foreign-point',
    exit: ExitStatus.refused,
  });
}

function changed(id: string, who: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-changed',
    message: `Restore point ${id} is not the one that was made: ${who} recorded another digest`,
    hint: 'Do not use it, and look who can write to the location. No override helps here.',
    exit: ExitStatus.refused,
  });
}
