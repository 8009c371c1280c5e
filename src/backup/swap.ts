import { broken } from '../ssh/exec/script';
import type { SavedPath } from './points/point';
import resticScript from './archive/restic.sh';
import type { BackupNode, RestoreSource } from './points/store';
import swapScript from './swap.sh';
import tarScript from './archive/tar.sh';
import unpackScript from './archive/unpack.sh';
import { askNode, nodeTask, type NodeTask } from './points/task';

/**
 * The swap of one node: unpack beside, check, then path by path the old one aside and the new one in. Forwards and
 * backwards are jobs that may be repeated; what was replaced is kept until `removeReplaced`.
 */

const SCRIPTS = [tarScript, resticScript, unpackScript, swapScript];

/** How far a swap is. `none`: it never began, failed before anything was replaced, or is settled. */
export type SwapPhase = 'none' | 'preparing' | 'unpacked' | 'swapping' | 'in' | 'kept' | 'backing' | 'back';
const DAY = 24 * 3_600_000;
const PHASES: readonly SwapPhase[] = ['none', 'preparing', 'unpacked', 'swapping', 'in', 'kept', 'backing', 'back'];

export interface SwapState {
  readonly phase: SwapPhase;
  /** `<state> <how> <had> <want> <path>`, for people. */
  readonly paths: readonly string[];
}

/** Restores the paths; repeated, it goes on where it stopped. */
export function forwardTask(
  node: BackupNode,
  tag: string,
  source: RestoreSource,
  paths: readonly SavedPath[],
): NodeTask {
  const wanted = paths.flatMap((each) => [each.state, each.path]);
  return nodeTask(SCRIPTS, ['forward', node.stateDir, tag, ...source.args, '--', ...wanted], source.secrets);
}

/**
 * Judges the part on its node before anything is stopped for it: whole, unchanged, safe to unpack.
 * @throws ClusterliftError `restore-missing`, `restore-digest`, `restore-members`, …
 */
export async function lookAtPart(
  { connection, stateDir }: BackupNode,
  tag: string,
  source: RestoreSource,
  signal?: AbortSignal,
): Promise<void> {
  const args = ['look', stateDir, tag, ...source.args];
  await askNode(connection, SCRIPTS, { args, timeout: DAY, ...(signal && { signal }) });
}

/** Puts back what was there before the restore; repeated, it goes on where it stopped. */
export function backTask(node: BackupNode, tag: string): NodeTask {
  return nodeTask(SCRIPTS, ['back', node.stateDir, tag]);
}

export async function swapState(node: BackupNode, tag: string, signal?: AbortSignal): Promise<SwapState> {
  const entries = await askNode(node.connection, SCRIPTS, {
    args: ['state', node.stateDir, tag],
    ...(signal && { signal }),
  });
  const said = entries.required('phase');
  const phase = PHASES.find((each) => each === said);
  if (phase === undefined) throw broken(node.name, 'the state of a restore is not known');
  return { phase, paths: entries.all('path') };
}

/**
 * Removes what was replaced: from then on there is no way back. Only when the node is healthy, or the swap went back.
 * @throws ClusterliftError `swap-open`
 */
export async function removeReplaced(node: BackupNode, tag: string, signal?: AbortSignal): Promise<void> {
  await askNode(node.connection, SCRIPTS, {
    args: ['remove-replaced', node.stateDir, tag],
    timeout: 3_600_000,
    ...(signal && { signal }),
  });
}

/** What a node keeps of what a restore replaced. */
export interface Kept {
  readonly places: readonly string[];
  /** There was too little room: it is gone. */
  readonly short: boolean;
}

/**
 * Leaves what was replaced where it lies, if at least as much room is left: until the next restore or upgrade on that node. From
 * then on nothing goes back by itself. May be repeated.
 * @throws ClusterliftError `swap-open`
 */
export async function keepReplaced(node: BackupNode, tag: string, signal?: AbortSignal): Promise<Kept> {
  const entries = await askNode(node.connection, SCRIPTS, {
    args: ['keep', node.stateDir, tag],
    timeout: 3_600_000,
    ...(signal && { signal }),
  });
  return { places: entries.all('kept'), short: entries.text('short') === 'yes' };
}
