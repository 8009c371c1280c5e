import { ClusterliftError } from '../../base/errors';
import type { RunContext } from '../control/context';
import { fenceOf } from '../control/locks';
import { noteVersion } from '../node/record';
import { outcomeOf } from '../journal/outcome';
import type { RunPackage } from '../control/runpackage';
import { readVersion } from './version';
import { hasBegun } from '../journal/versions-now';

/** A node that failed is asked for its version for so long. Milliseconds. */
const MAX_AWAY = 20_000;

/**
 * Closes a node that failed. It may have any version now, whatever was planned: it is asked, and the answer stands in the
 * journal and in the node's own record. Without an answer the version is not known.
 * @param pkg its package on that node
 */
export async function closeFailed(
  ctx: RunContext,
  pkg: RunPackage | undefined,
  node: string,
  error: unknown,
): Promise<void> {
  const outcome = outcomeOf(error);
  // A script may still run there.
  const has = outcome === 'unknown' ? undefined : await askNow(ctx, pkg, node);
  await ctx.finishNode(node, outcome, error, has);
}

/** Null: nothing is installed; undefined: it could not say. */
async function askNow(ctx: RunContext, pkg: RunPackage | undefined, node: string): Promise<string | null | undefined> {
  if (!pkg || !hasBegun(ctx.nodeView(node))) return undefined;
  const { stateDir } = ctx.node(node);
  const { product } = pkg;
  try {
    const has = (await readVersion(ctx, pkg, node, MAX_AWAY)) ?? null;
    const note = { stateDir, fence: fenceOf(ctx, node), product, has };
    await ctx.retryWhileUnreachable(node, (connection) => noteVersion(connection, note), MAX_AWAY);
    return has;
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof ClusterliftError) return undefined;
    throw error;
  }
}
