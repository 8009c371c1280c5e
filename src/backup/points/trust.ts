import { advice } from '../../base/shell';
import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import filesScript from '../archive/files.sh';
import { scriptsOn } from './point';
import type { BackupNode, ReadPoint } from './store';
import { askNode, runOnNode } from './task';

/**
 * Who vouches for a point (docs/backups.md): its digest lies in root-owned state of each node, and each node vouches for itself
 * only. A user who can write to a backup server, or is root on one node, must not become root on the others.
 */
export interface Trust {
  /** `known`: every node that was asked vouches for itself. */
  readonly kind: 'known' | 'foreign';
  /** Nodes that do not know the point: rebuilt, or it is somebody else's. `--override foreign-point=NODE` */
  readonly foreign: readonly string[];
  /** Nodes where a clean has announced that it removes the point. `--override removal-begun` */
  readonly removing: readonly string[];
}

/** What one node says of a point. */
interface NodeTrust {
  /** Of the `point.json` that it knows; undefined: it knows none. */
  readonly digest: string | undefined;
  readonly removing: boolean;
}

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

/** Asks one node what it knows of a point. */
export async function trustOn(id: string, node: BackupNode, signal?: AbortSignal): Promise<NodeTrust> {
  const args = ['trusted', node.stateDir, id];
  const entries = await askNode(node.connection, [filesScript], { args, ...(signal && { signal }) });
  return { digest: entries.text('digest')?.trim(), removing: entries.text('removing') !== undefined };
}

/**
 * Finds out on which nodes a point is the one that was made. A node that cannot be asked does not vouch.
 * @param nodes whose own part is to be used
 * @param journaled digest from the journal of the run, when it is at hand: it must not be another, and does not vouch alone
 * @throws ClusterliftError `point-changed` when one of them recorded another digest: no override helps
 */
export async function trustOf(
  read: ReadPoint,
  nodes: readonly BackupNode[],
  journaled: string | undefined,
  signal?: AbortSignal,
): Promise<Trust> {
  const answers = await mapLimit(nodes, NODES_AT_ONCE, (node) => trustOn(read.point.id, node, signal));
  const said = nodes.map(({ name }, index) => {
    const answer = answers[index];
    return { name, ...(answer?.status === 'fulfilled' ? answer.value : { digest: undefined, removing: false }) };
  });
  for (const { name, digest } of said) demandDigest(read, digest, name);
  demandDigest(read, journaled, 'the journal of the run');
  const foreign = said.filter(({ digest }) => digest === undefined).map(({ name }) => name);
  const removing = said.filter((each) => each.removing).map(({ name }) => name);
  return { kind: foreign.length === 0 ? 'known' : 'foreign', foreign, removing };
}

/** @throws ClusterliftError `point-changed` when it is not the one that `who` recorded; no digest: nobody did */
export function demandDigest({ point, sha256 }: ReadPoint, wanted: string | undefined, who: string): void {
  if (wanted !== undefined && wanted !== sha256) throw changed(point.id, who);
}

/**
 * What a person has to compare before a node uses a point that it does not know.
 * @returns message and fix, without the name of the node before them
 */
export function foreignWords({ point }: ReadPoint, node: string): { readonly message: string; readonly fix: string } {
  const scripts = scriptsOn(point, node).map(({ name, sha256 }) => `${name} ${sha256}`);
  const told = scripts.length === 0 ? 'it has none' : scripts.join(', ');
  return {
    message: `${node} does not know restore point ${point.id}; the scripts of its part would run as root: ${told}`,
    fix: advice`If you know where the point comes from (${node} was rebuilt) and compared the digests: \`--override foreign-point=${node}\``,
  };
}

/** What it means that a clean has announced the removal. */
export function removalWords(id: string, node: string): { readonly message: string; readonly fix: string } {
  return {
    message: `a \`backup clean\` has announced on ${node} that it removes restore point ${id}`,
    fix: 'Use another restore point. If no `backup clean` runs any more (it was interrupted): --override removal-begun',
  };
}

function changed(id: string, who: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-changed',
    message: `Restore point ${id} is not the one that was made: ${who} recorded another digest`,
    hint: 'Do not use it, and look who can write to the location. No override helps here.',
    exit: ExitStatus.refused,
  });
}
