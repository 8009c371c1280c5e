import { newPointId } from '../../backup/points/point';
import { wallClock } from '../../base/clock';
import { formatDuration } from '../../base/units';
import { Slots } from '../../ssh/slots';
import { ageOfPart, isTooOld, maxAge, partOfNode } from '../points/age';
import { makeVerified } from './backup';
import { errorRecord, type RunContext } from '../control/context';
import type { PlanBackup, PlanPoint } from '../journal/plan';
import type { RunPackage } from '../control/runpackage';
import { stepOf } from '../journal/view';

/** So many nodes are backed up once more at the same time. */
const AT_ONCE = 8;
const slots = new WeakMap<RunContext, Slots>();

/** What is taken once more: a backup, the package whose scripts it keeps, and the point that it belongs to. */
export interface Renewal {
  readonly backup: PlanBackup;
  readonly point: PlanPoint;
  readonly pkg: RunPackage | undefined;
}

/**
 * Right before a node is stopped: is its part of the backup new enough to go back to? Else it gets a new one, verified, as a
 * restore point of its own. Where that cannot be made the node is not begun, and no other node begins.
 * @returns may it begin
 */
export async function renewPart(ctx: RunContext, renewal: Renewal, node: string): Promise<boolean> {
  if (!renewal.backup.nodes[node]) return true;
  try {
    // An attempt of an earlier life is followed first; then its age counts, as that of any other part.
    for (let times = 0; times < 2; times++) {
      if (!isOpen(ctx, node) && !isTooOld(ctx, node, await ageOfPart(ctx, node))) break;
      await inTurn(ctx, () => takeAgain(ctx, renewal, node));
      if (partOfNode(ctx, node)?.life === ctx.view.life) break;
    }
  } catch (error) {
    ctx.signal.throwIfAborted();
    await cannotRenew(ctx, node, error);
    return false;
  }
  return !ctx.view.stopRequested;
}

/** A part was being taken when an earlier process ended. */
function isOpen(ctx: RunContext, node: string): boolean {
  const step = stepOf(ctx.nodeView(node), 'backup', 'fresh');
  return step?.state === 'running' || step?.state === 'unknown';
}

async function takeAgain(ctx: RunContext, { backup, point, pkg }: Renewal, node: string): Promise<void> {
  const own = backup.nodes[node];
  if (!own) return;
  const begun = isOpen(ctx, node) ? ctx.view.renewed[node]?.id : undefined;
  const id = begun ?? newPointId(ctx.plan.cluster, new Date(wallClock()));
  const planned = { location: point.location, uri: point.uri, id, sha256: undefined };
  const one = { ...backup, nodes: { [node]: own } };
  await makeVerified(ctx, { planned, backup: one, pkg, lane: 'fresh', of: { node }, again: true });
}

async function inTurn(ctx: RunContext, work: () => Promise<void>): Promise<void> {
  const turns = slots.get(ctx) ?? new Slots(AT_ONCE);
  slots.set(ctx, turns);
  const release = await turns.acquire(ctx.signal);
  try {
    await work();
  } finally {
    release();
  }
}

async function cannotRenew(ctx: RunContext, node: string, error: unknown): Promise<void> {
  const { code, message } = errorRecord(error);
  const text = `${node} was not begun: its backup is older than ${formatDuration(maxAge(ctx))} and could not be taken once more: ${message}`;
  await ctx.record({ type: 'warning', node, code, message: text });
  await ctx.finishNode(node, 'not-started', error);
  // What keeps this node from a new backup keeps the others, too; a resume goes on where this ends.
  if (!ctx.view.stopRequested)
    await ctx.record({ type: 'stop.requested', by: `clusterlift (no new backup of ${node})` });
}
