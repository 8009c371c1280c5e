import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { isOverridden } from '../../base/overrides';
import { dropAnnouncements } from '../../backup/clean';
import type { ReadPoint } from '../../backup/points/store';
import { demandDigest, foreignWords, removalWords, trustOn } from '../../backup/points/trust';
import type { RunContext } from '../control/context';
import type { PlanPoint } from '../journal/plan';
import { backupNode } from './store';

/** Does a node vouch for the point, or did a person take it on there? */
export function vouches({ trusted = true, foreign }: PlanPoint, node: string): boolean {
  return foreign ? !foreign.includes(node) : trusted;
}

/**
 * Under the locks, with the point marked as used: every node that is to be restored still vouches for it, and no clean has
 * announced its removal. Nothing was changed yet.
 * @throws ClusterliftError `point-changed`, `foreign-point`, `removal-begun`
 */
export async function demandVouched(ctx: RunContext, read: ReadPoint): Promise<void> {
  const results = await Promise.allSettled(ctx.plan.nodes.map(({ name }) => demandOn(ctx, read, name)));
  ctx.signal.throwIfAborted();
  for (const each of results) if (each.status === 'rejected') throw each.reason;
}

async function demandOn(ctx: RunContext, read: ReadPoint, name: string): Promise<void> {
  const { id } = read.point;
  const node = backupNode(ctx, name);
  const { digest, removing } = await ctx.retryWhileUnreachable(name, () => trustOn(id, node, ctx.signal));
  demandDigest(read, digest, name);
  if (digest === undefined && ctx.plan.point && vouches(ctx.plan.point, name))
    throw refused('foreign-point', name, foreignWords(read, name));
  if (!removing) return;
  if (!isOverridden(ctx.view.overrides, 'removal-begun', name))
    throw refused('removal-begun', name, removalWords(id, name));
  await ctx.retryWhileUnreachable(name, () => dropAnnouncements(id, node));
}

function refused(
  code: ErrorCode,
  node: string,
  { message, fix: hint }: { readonly message: string; readonly fix: string },
): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.refused, node });
}
