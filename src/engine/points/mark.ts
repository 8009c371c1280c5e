import type { RunContext } from '../control/context';

/** A node may be away for so long while nothing has been changed yet. Milliseconds. */
const MAX_AWAY = 60_000;

/**
 * Marks the restore point of the run as used: its plan is on every node that it holds locked before anything else happens there,
 * so that `backup clean` of any machine finds it. The mark is fenced by the epoch, and goes with the run.
 * @throws ClusterliftError of a node where it cannot be written: then nothing may begin
 */
export async function markPoint(ctx: RunContext): Promise<void> {
  const { mirrorNow } = ctx;
  if (!ctx.plan.point || !mirrorNow) return;
  const results = await Promise.allSettled(
    ctx.plan.nodes
      .map(({ name }) => name)
      .filter((name) => ctx.held.has(name))
      .map((name) => ctx.retryWhileUnreachable(name, () => mirrorNow(name), Math.min(MAX_AWAY, ctx.giveUp))),
  );
  ctx.signal.throwIfAborted();
  for (const each of results) if (each.status === 'rejected') throw each.reason;
}
