import { advice } from '../../base/shell';
import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import type { Point } from '../../backup/points/point';
import { partOf } from '../../backup/lifecycle';
import { probe } from '../../backup/probe';
import type { ReadPoint } from '../../backup/points/store';
import { jobStatus } from '../../ssh/exec/jobs';
import { ageOfPart, ageWords, isRenewed, partStep } from '../points/age';
import { onAll } from './backup';
import { reportBroken } from '../points/badpart';
import { leaveOf } from '../journal/budget';
import { errorRecord, type RunContext } from '../control/context';
import { mayGoBack, onItsWayBack } from '../points/oldbackup';
import { closeFailed } from '../steps/now';
import { isOvertaken, outcomeOf } from '../journal/outcome';
import { provisionAfterRollback } from './provision';
import { stagePart, dropPart, proveRestored, restoreNodeAndStart, type WayBack } from './restore-nodes';
import { packageOn, type RunPackage } from '../control/runpackage';
import { startAgain } from '../steps/startagain';
import { jobId } from '../journal/events';
import { backupNode, readPinned } from '../points/store';
import { changesBegun, stepOf, type NodeView } from '../journal/view';

/** A node that was given up once is not waited for as long again. Milliseconds. */
const MAX_AWAY = 60_000;
/** Parts are staged on so many nodes at once. */
const AT_ONCE = 8;

/** Has the upgrade failed so that it is to be rolled back, or has the rollback begun? Begun, it is finished. */
export function rollbackIsDue(ctx: RunContext): boolean {
  if (ctx.plan.options.onFailure !== 'rollback' || ctx.view.committed) return false;
  // What others did since is not taken back; a node that is half back is brought to its end.
  if (isOvertaken(ctx.view) && !ctx.view.rollingBack) return false;
  return ctx.view.rollingBack || leaveOf(ctx.view).exceeded;
}

/**
 * Brings every node whose bracket began back to its part of the run's backup, those that began last first. No node is stopped
 * for it before all of them have their part, read and found good.
 */
export async function rollBack(ctx: RunContext, pkg: RunPackage): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'rollback' });
  let ways: Ways;
  try {
    ways = await waysBack(ctx, pkg);
    await stageParts(ctx, ways);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return cannotBegin(ctx, pkg, error);
  }
  for (const batch of backwards(ctx)) {
    await Promise.all(batch.map((name) => rollBackNode(ctx, ways.get(name), name)));
  }
  const all = begun(ctx).every(({ outcome }) => outcome === 'rolled-back');
  if (all) await provisionAfterRollback(ctx, pkg);
}

/** By node; those that go back. */
type Ways = ReadonlyMap<string, WayBack>;

/** Each node's own newest part: that of the run's point, or one that it got right before its stop. */
async function waysBack(ctx: RunContext, pkg: RunPackage): Promise<Ways> {
  const names = begun(ctx)
    .filter(({ outcome }) => outcome !== 'rolled-back')
    .map(({ name }) => name);
  const going = await onAll(ctx, names, (name) => mayGoBack(ctx, pkg, name));
  const back = names.filter((_, index) => going[index]);
  const renewed = back.filter((name) => isRenewed(ctx, name));
  const shared = renewed.length < back.length ? await readPoint(ctx) : undefined;
  const own = await onAll(ctx, renewed, (name) => readPoint(ctx, name));
  return new Map(
    back.flatMap((name): [string, WayBack][] => {
      const read = renewed.includes(name) ? own[renewed.indexOf(name)] : shared;
      return read ? [[name, { read, pkg, lane: 'rollback' }]] : [];
    }),
  );
}

/** @param node whose renewed part it is; undefined: the point of all */
async function readPoint(ctx: RunContext, node?: string): Promise<ReadPoint> {
  const point = node === undefined ? undefined : ctx.view.renewed[node];
  try {
    return await readPinned(ctx, point && node !== undefined ? { ...point, nodes: [node] } : undefined);
  } catch (error) {
    ctx.signal.throwIfAborted();
    await reportBroken(ctx, point?.id, undefined, node, error);
    throw error;
  }
}

/**
 * Stages all parts on their nodes, and reports how old each is. A node that is away or still busy does not stop the others
 * as they are: it is asked again in its turn. Once a node is on its way back, the others follow it as far as each can.
 * @throws ClusterliftError why a part cannot be used; what was staged is removed again
 */
async function stageParts(ctx: RunContext, ways: Ways): Promise<void> {
  const waiting = [...ways];
  const results = await mapLimit(waiting, AT_ONCE, async ([name, way]) => {
    await nothingRuns(ctx, name);
    demandPart(ctx, way, name);
    await stagePart(ctx, way, name, Math.min(MAX_AWAY, ctx.giveUp));
    await reportAge(ctx, way, name);
  });
  ctx.signal.throwIfAborted();
  const bad = results.flatMap((result, index) => {
    const [name, way] = waiting[index] ?? [];
    return result.status === 'fulfilled' || name === undefined || !way || isOfTheNode(result.reason)
      ? []
      : [{ name, way, error: result.reason as unknown }];
  });
  for (const { name, way, error } of bad) await reportBroken(ctx, way.read.point.id, way.read, name, error);
  const [first] = bad;
  if (!first || begun(ctx).some(onItsWayBack)) return;
  await Promise.all(waiting.map(([name, way]) => dropPart(ctx, way, name)));
  throw first.error;
}

/** Before anything is lost: how old is what comes back, and what was written since? */
async function reportAge(ctx: RunContext, { read: { point } }: WayBack, node: string): Promise<void> {
  if (onItsWayBack(ctx.nodeView(node))) return;
  const step = partStep(ctx.nodeView(node), isRenewed(ctx, node));
  const taken = step?.startedAt ?? point.created;
  const age = await ageOfPart(ctx, node);
  const written = await writtenSince(ctx, point, node, taken);
  const message = `goes back to its backup of ${ageWords(taken, age)}; written since, by the upgrade as well: ${written}`;
  await ctx.record({ type: 'warning', node, code: 'rollback-loses', message });
}

async function writtenSince(ctx: RunContext, point: Point, node: string, taken: string): Promise<string> {
  const paths = partOf(point, node).paths.map(({ path }) => path);
  try {
    const seen = await probe(backupNode(ctx, node), paths, undefined, new Date(taken), ctx.signal);
    const some = seen.paths.filter(({ changed }) => changed !== undefined && changed > 0);
    if (some.length === 0) return 'nothing';
    return some
      .map(({ path, changed = 0 }) => `${String(changed)}${changed >= 10_000 ? ' or more' : ''} in ${path}`)
      .join(', ');
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof ClusterliftError) return 'not known';
    throw error;
  }
}

/** What is seen to be gone need not be fetched to know it; what was brought before counts. */
function demandPart(ctx: RunContext, { read: { point, parts } }: WayBack, node: string): void {
  const kind = parts[node]?.kind;
  if ((kind !== 'missing' && kind !== 'resized') || stepOf(ctx.nodeView(node), 'stage', 'rollback')?.state === 'done')
    return;
  throw new ClusterliftError({
    code: 'restore-missing',
    message: `The part of ${node} in restore point ${point.id} ${kind === 'missing' ? 'is missing' : 'has another size than recorded'}`,
    hint: advice`Look at ${node}. There may be another restore point: \`clusterlift backup list\`.`,
    exit: ExitStatus.refused,
    node,
  });
}

/** It says something about this node only, and may pass. */
function isOfTheNode(error: unknown): boolean {
  return hasCode(error, 'node-unknown') || hasCode(error, 'job-running');
}

/**
 * Without the point, or with a part that cannot be used, there is no way back: for now (the server is away), or at all. No node
 * was stopped for it, and those that their failed upgrade left to the rollback are started again.
 */
async function cannotBegin(ctx: RunContext, pkg: RunPackage, error: unknown): Promise<void> {
  const { code, message } = errorRecord(error);
  const node = error instanceof ClusterliftError && error.node !== undefined ? { node: error.node } : {};
  const text = `The rollback could not begin, and no node was stopped for it: ${message}`;
  await ctx.record({ type: 'warning', ...node, code, message: text });
  await Promise.all(
    begun(ctx).map(async ({ name }) => {
      await startAgain(ctx, pkg, name);
      if (outcomeOf(error) === 'unknown') await ctx.finishNode(name, 'unknown', error);
    }),
  );
}

function begun(ctx: RunContext): NodeView[] {
  const all = Object.values(ctx.view.nodes).filter(changesBegun);
  if (!isOvertaken(ctx.view)) return all;
  return all.filter((node) => node.outcome !== 'overtaken' && onItsWayBack(node));
}

/** The batches of the plan from the last to the first; only the nodes that began. */
function backwards(ctx: RunContext): string[][] {
  const names = new Set(begun(ctx).map((node) => node.name));
  return [...ctx.plan.batches]
    .reverse()
    .map((batch) => [...batch].reverse().filter((name) => names.has(name)))
    .filter((batch) => batch.length > 0);
}

async function rollBackNode(ctx: RunContext, way: WayBack | undefined, name: string): Promise<void> {
  if (!way || ctx.nodeView(name).outcome === 'rolled-back') return;
  try {
    await nothingRuns(ctx, name);
    await stagePart(ctx, way, name);
    await restoreNodeAndStart(ctx, way, name);
    await proveRestored(ctx, way, name);
    await ctx.finishNode(name, 'rolled-back');
  } catch (error) {
    ctx.signal.throwIfAborted();
    // On its way back, a resume takes the same steps: nothing that was stopped for them may run then.
    if (outcomeOf(error) !== 'unknown' || !onItsWayBack(ctx.nodeView(name))) await startAgain(ctx, way.pkg, name);
    await closeFailed(ctx, packageOn(way.pkg, name), name, error);
  }
}

/** A script of the upgrade that still runs would change what is put back under its feet. */
async function nothingRuns(ctx: RunContext, name: string): Promise<void> {
  const { stateDir } = ctx.node(name);
  const open = ctx.nodeView(name).steps.filter(({ lane, state }) => lane === 'main' && state !== 'done');
  for (const { step, lane, attempt } of open) {
    const id = jobId(ctx.plan.run, name, step, lane, attempt);
    const { state } = await ctx.retryWhileUnreachable(
      name,
      (connection) => jobStatus(connection, { stateDir, id }, ctx.signal),
      Math.min(MAX_AWAY, ctx.giveUp),
    );
    if (state === 'running') throw stillRuns(name, step);
  }
}

function stillRuns(node: string, step: string): ClusterliftError {
  return new ClusterliftError({
    code: 'job-running',
    message: `${step} still runs on ${node}, so it cannot be rolled back yet`,
    hint: advice`When it has ended, go on with \`clusterlift resume RUN\`. The lock of ${node} stays until then.`,
    exit: ExitStatus.unknown,
    node,
    step,
  });
}
