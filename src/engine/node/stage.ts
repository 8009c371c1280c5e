import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import { ask } from './ask';
import hashing from './digest.sh';
import staging from './stage.sh';

const text = `${hashing}\n${staging}`;

/** An image on its way to a node. */
export interface StageTarget {
  readonly stateDir: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  readonly fence: Fence;
  readonly signal?: AbortSignal;
}

/** Where to append from which offset; `complete`: it is there already, and its digest was right. */
export type StagePlace =
  { readonly complete: true } | { readonly complete: false; readonly path: string; readonly offset: number };

/** Hashing and copying gigabytes on a slow disk. Milliseconds. */
const LONG = 2 * 3_600_000;

/**
 * Looks how much of the image the node has.
 * @param space bytes that must be free: the image twice (or once, without become) plus its files
 * @throws ClusterliftError `stage-space`, `fenced`
 */
export async function beginStage(connection: NodeConnection, target: StageTarget, space: number): Promise<StagePlace> {
  const entries = await ask(connection, {
    text,
    args: ['begin', ...argsOf(target), String(space)],
    ...signalOf(target),
  });
  if (entries.required('complete') === 'yes') return { complete: true };
  return { complete: false, path: entries.required('path'), offset: entries.number('offset') };
}

/** Where the login user's bytes land with `become`: `~/.cache/clusterlift/incoming` (docs/on-a-node.md). */
export async function incomingPlace(
  connection: NodeConnection,
  target: StageTarget,
): Promise<{ path: string; offset: number }> {
  const entries = await ask(connection, {
    text,
    args: ['incoming', target.sha256, String(target.size)],
    as: 'login',
    ...signalOf(target),
  });
  return { path: entries.required('path'), offset: entries.number('offset') };
}

/**
 * Hashes the image in the state directory and gives it its name. May be repeated.
 * @param from a file on the node that is copied there first: only the copy is hashed and ever used
 * @throws ClusterliftError `stage-digest` (the copy is removed), `stage-source`, `fenced`
 */
export async function finishStage(connection: NodeConnection, target: StageTarget, from?: string): Promise<void> {
  await ask(connection, { text, args: ['finish', ...argsOf(target), from ?? ''], timeout: LONG, ...signalOf(target) });
}

/** Removes what the login user's upload left. */
export async function discardIncoming(connection: NodeConnection, target: StageTarget): Promise<void> {
  await ask(connection, { text, args: ['discard', target.sha256], as: 'login', ...signalOf(target) });
}

function argsOf({ stateDir, sha256, size, fence }: StageTarget): string[] {
  return [stateDir, sha256, String(size), fence.run, epochArgument(fence)];
}

function signalOf({ signal }: StageTarget): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
