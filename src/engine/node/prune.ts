import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import { ask } from './ask';
import { checkedRun } from './lock';
import text from './prune.sh';

/** How much is kept of what nobody needs any more (docs/on-a-node.md). */
const KEPT_IMAGES = 2;
const KEPT_RUNS = 20;

export interface PruneRequest {
  readonly stateDir: string | undefined;
  readonly fence: Fence;
  /** Digests of images that a restore point or a run refers to. Open runs of the node itself are known there. */
  readonly keepImages: readonly string[];
  /** Runs that are open or undecided for us, whatever the node thinks. */
  readonly keepRuns: readonly string[];
  readonly images?: number;
  readonly runs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Removes old images, closed runs and their jobs from a node. Never what an open run or a living job needs. May be repeated.
 * @returns bytes freed, and the names of what went, relative to the state directory
 * @throws ClusterliftError `fenced`
 */
export async function prune(
  connection: NodeConnection,
  request: PruneRequest,
): Promise<{ readonly freed: number; readonly removed: readonly string[] }> {
  const { stateDir, fence, keepImages, keepRuns, images = KEPT_IMAGES, runs = KEPT_RUNS, signal } = request;
  const lines = [
    ...keepImages.filter((each) => /^[0-9a-f]{64}$/.test(each)).map((each) => `image ${each}`),
    ...keepRuns.map((each) => `run ${checkedRun(each)}`),
    'end',
  ];
  const entries = await ask(connection, {
    text,
    args: [stateDir ?? '', fence.run, epochArgument(fence), String(images), String(runs)],
    stdin: `${lines.join('\n')}\n`,
    timeout: 10 * 60_000,
    ...(signal && { signal }),
  });
  return { freed: entries.number('freed'), removed: entries.all('removed') };
}
