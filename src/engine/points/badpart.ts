import { codeSet } from '../../base/catalogue';
import { wallClock } from '../../base/clock';
import { recordVerdicts } from '../../backup/lifecycle';
import type { ReadPoint } from '../../backup/points/store';
import { errorRecord, type RunContext } from '../control/context';
import { backupNode, retryOnServer, storeOf } from './store';

/** Codes that say: this part will not become good by itself. */
const BAD_PART = codeSet('restore-missing', 'restore-digest', 'restore-members', 'server-missing');
const BAD_POINT = codeSet(
  'point-unknown',
  'point-torn',
  'point-differs',
  'point-invalid',
  'point-changed',
  'point-broken',
);

/**
 * Nobody is offered a point as verified of which a part was just found missing or damaged: the journal says so, and the point
 * itself where it can. Nothing happens for any other error.
 * @param id the point; undefined: that of the plan
 * @param node whose part it is; undefined: the point as a whole
 */
export async function reportBroken(
  ctx: RunContext,
  id: string | undefined,
  read: ReadPoint | undefined,
  node: string | undefined,
  error: unknown,
): Promise<void> {
  const { code, message } = errorRecord(error);
  const { store, planned } = storeOf(ctx);
  if (!BAD_PART.has(code) && !BAD_POINT.has(code)) return;
  const own = node !== undefined && id !== undefined && ctx.view.renewed[node]?.id === id ? { node } : {};
  const { location } = planned;
  await ctx.record({ type: 'point', id: id ?? planned.id, location, state: 'broken', ...own });
  if (!read || node === undefined || !BAD_PART.has(code)) return;
  const nodes = Object.keys(read.point.nodes)
    .filter((name) => ctx.plan.nodes.some((each) => each.name === name))
    .map((name) => backupNode(ctx, name));
  const verdicts = { [node]: { result: 'broken', reason: message } } as const;
  const keep = (): Promise<unknown> =>
    retryOnServer(ctx, () => recordVerdicts(store, read, nodes, verdicts, ctx.services.by, new Date(wallClock())));
  // The journal has it; a verdict that cannot be written beside the point is found again at the next use.
  await keep().catch(() => undefined);
  ctx.signal.throwIfAborted();
}
