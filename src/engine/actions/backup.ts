import { mapLimit } from '../../base/async';
import { abortAfter, wallClock } from '../../base/clock';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { partSchema, type Part } from '../../backup/points/point';
import { completePoint, recordVerdicts, verifyNode } from '../../backup/lifecycle';
import type { PartVerdict, Quiet, ReadPoint } from '../../backup/points/store';
import { Meter } from '../../package/sources/meter';
import { Throttle } from '../../ssh/reach/throttle';
import { runAgain, scriptCommand } from '../steps/again';
import { pointOf } from '../points/assemble';
import type { RunContext } from '../control/context';
import { directoryOf, environmentOf } from '../steps/environment';
import { finishRun, refuseRun } from '../control/finish';
import { taskRunner } from '../steps/jobstep';
import { fenceOf, lockAll, unlockAll } from '../control/locks';
import { markPoint } from '../points/mark';
import { beatLock } from '../node/lock';
import { mustNotBeOvertaken } from '../steps/overtaken';
import { nodeClock } from '../points/age';
import type { PlanBackup, PlanPoint } from '../journal/plan';
import { packageOn, type RunPackage, type Scripts } from '../control/runpackage';
import { ATTEMPT_LOST, runStep } from '../steps/steps';
import { backupNode, retryOnServer, retryOnNodeAndServer, storeOf } from '../points/store';
import type { PointView } from '../journal/events';
import { stepOf } from '../journal/view';

/** Parts are taken and read back on so many nodes at once. */
const AT_ONCE = 8;

/** The action `backup`: a restore point, verified. Nothing on the nodes is changed but an application that is quiet meanwhile. */
export async function runBackup(ctx: RunContext, pkg: Scripts | undefined): Promise<void> {
  try {
    await lockAll(ctx);
    await markPoint(ctx);
    await mustNotBeOvertaken(ctx, pkg);
    if (!ctx.view.committed) await backUp(ctx, pkg);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return refuseRun(ctx, error);
  }
  const outcome = isVerified(ctx) ? 'backed-up' : 'not-started';
  for (const { name } of ctx.plan.nodes) {
    if (ctx.nodeView(name).outcome === undefined) await ctx.finishNode(name, outcome);
  }
  if (isVerified(ctx) && !ctx.view.committed) await ctx.record({ type: 'committed' });
  await unlockAll(ctx);
  await finishRun(ctx);
}

/** Has the restore point of the run been read back as it was written? */
export function isVerified(ctx: RunContext): boolean {
  return ctx.view.point?.state === 'verified';
}

/**
 * Takes all parts, completes the point and reads everything back from where it lies. Does nothing without a backup in the plan.
 * Stopped, no further part begins, and the point stays what it is: a resume goes on with it.
 * @throws ClusterliftError the first failure; then no node may be changed
 */
export async function backUp(ctx: RunContext, pkg: RunPackage | undefined): Promise<void> {
  const { backup } = ctx.plan;
  if (!backup || isVerified(ctx)) return;
  await ctx.record({ type: 'phase', phase: 'backup' });
  await makeVerified(ctx, { backup, pkg, planned: storeOf(ctx).planned, lane: 'main', of: {} });
}

/** A point that a run makes: the one of its plan, or one on the way (lane `fresh`). */
export interface Making {
  readonly planned: PlanPoint;
  readonly backup: PlanBackup;
  readonly pkg: RunPackage | undefined;
  readonly lane: 'main' | 'fresh';
  /** What its entries in the journal say of it. */
  readonly of: { readonly node?: string; readonly undo?: boolean };
  /** Its steps are done once more, whatever was done before. */
  readonly again?: boolean;
}

/** Takes all parts of a point and reads them back. @throws ClusterliftError the first failure; then what was made is gone */
export async function makeVerified(ctx: RunContext, making: Making): Promise<void> {
  try {
    const read = await makePoint(ctx, making);
    if (read) await verifyAll(ctx, read, Object.keys(read.point.nodes), making);
  } catch (error) {
    ctx.signal.throwIfAborted();
    await discard(ctx, making);
    throw error;
  }
}

/** The point of a making, as far as it is. */
function madeBy(
  ctx: RunContext,
  { planned, of: { node, undo } }: Pick<Making, 'planned' | 'of'>,
): PointView | undefined {
  const point = node !== undefined ? ctx.view.renewed[node] : undo ? ctx.view.undo : ctx.view.point;
  return point?.id === planned.id ? point : undefined;
}

/** @returns undefined: stopped before all parts were taken */
async function makePoint(ctx: RunContext, making: Making): Promise<ReadPoint | undefined> {
  const { planned, backup, of } = making;
  const { store } = storeOf(ctx);
  const { id, location } = planned;
  if (!madeBy(ctx, making)) await ctx.record({ type: 'point', id, location, state: 'creating', ...of });
  const names = Object.keys(backup.nodes);
  const throttle = new Throttle(ctx.plan.options.limitRate);
  const parts = await whileWanted(ctx, names, making, 'backup', (name) => takePart(ctx, making, name, throttle));
  if (!parts) return undefined;
  const point = await pointOf(ctx, backup, making.pkg, id, parts);
  // From here on it is a point. A process that was taken over does not complete one.
  await onAll(ctx, names, (name) => stillOurs(ctx, name));
  const nodes = names.map((name) => backupNode(ctx, name));
  const sha256 = await retryOnServer(ctx, () => completePoint(store, point, nodes));
  await ctx.record({ type: 'point', id, location, state: 'complete', sha256, ...of });
  return { point, sha256, status: undefined, parts: {} };
}

/** One node's part as a step: what it is stands in the journal, so that a resumed run does not take it again. */
async function takePart(ctx: RunContext, making: Making, name: string, throttle: Throttle): Promise<Part> {
  const { planned, backup, lane, again } = making;
  const pkg = packageOn(making.pkg, name);
  const { store } = storeOf(ctx);
  const own = backup.nodes[name];
  const scope = own?.own ?? backup;
  const quiet = scope.quiet && pkg ? quietOf(ctx, pkg, name) : undefined;
  const meter = meterOf(ctx, name, 'backup');
  let last = 1;
  const data = await runStep(ctx, {
    node: name,
    step: 'backup',
    lane,
    repeatable: true,
    ...(again ? { again } : {}),
    run: async (attempt) => {
      last = attempt;
      const step = taskStep(ctx, pkg, lane, name, attempt);
      // The attempt before died with its node, perhaps while the application stood still.
      if (attempt > 1 && quiet && pkg) await runAgain(ctx, pkg, 'start', step);
      const clock = await nodeClock(ctx, name);
      const part = await retryOnNodeAndServer(ctx, name, () =>
        store.createPart({
          point: planned.id,
          node: backupNode(ctx, name),
          cluster: ctx.plan.cluster,
          run: ctx.plan.run,
          version: ctx.node(name).from,
          paths: scope.paths,
          exclude: scope.exclude,
          leaveOut: own?.leaveOut ?? [],
          quiet,
          runTask: taskRunner(ctx, step),
          pace: (bytes) => throttle.take(bytes, ctx.signal),
          onProgress: (bytes) => {
            meter.at(bytes, own?.bytes);
          },
          signal: ctx.signal,
        }),
      );
      return { part: JSON.stringify(part), clock };
    },
  }).catch(async (error: unknown) => {
    // Its job starts the application however it ends, but not when its node dies under it.
    if (quiet && pkg && hasCode(error, ATTEMPT_LOST))
      await runAgain(ctx, pkg, 'start', taskStep(ctx, pkg, lane, name, last + 1)).catch(() => undefined);
    throw error;
  });
  return partSchema.parse(JSON.parse(String(data['part'])));
}

function taskStep(ctx: RunContext, pkg: RunPackage | undefined, lane: Making['lane'], name: string, attempt: number) {
  const directory = pkg ? directoryOf(ctx, pkg, name) : '';
  return {
    node: name,
    step: 'backup',
    lane,
    attempt,
    timeout: pkg?.manifest.timeouts.backup ?? 2 * 3_600_000,
    env: environmentOf(ctx, name, 'backup', directory),
  } as const;
}

function quietOf(ctx: RunContext, pkg: RunPackage, name: string): Quiet {
  return { stop: scriptCommand(ctx, pkg, name, 'stop'), start: scriptCommand(ctx, pkg, name, 'start') };
}

/** Reads every part back; verdicts are kept with the point. Stopped, it is not verified by that. @throws ClusterliftError `backup-broken`, and whatever keeps us from it */
export async function verifyAll(
  ctx: RunContext,
  read: ReadPoint,
  names: readonly string[],
  making: Pick<Making, 'planned' | 'lane' | 'of' | 'again'> = { planned: storeOf(ctx).planned, lane: 'main', of: {} },
): Promise<void> {
  const { store } = storeOf(ctx);
  const { id, location } = making.planned;
  const nodes = names.map((name) => backupNode(ctx, name));
  const verdicts: Record<string, PartVerdict> = {};
  const keep = (): Promise<unknown> =>
    retryOnServer(ctx, () => recordVerdicts(store, read, nodes, verdicts, ctx.services.by, new Date(wallClock())));
  let all: unknown;
  try {
    all = await whileWanted(ctx, names, making, 'verify-backup', (name) =>
      verifyPart(ctx, read, name, making, (verdict) => (verdicts[name] = verdict)),
    );
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (hasCode(error, 'backup-broken')) {
      await keep().catch(() => undefined);
      await ctx.record({ type: 'point', id, location, state: 'broken', ...making.of });
    }
    throw error;
  }
  await keep();
  if (all) await ctx.record({ type: 'point', id, location, state: 'verified', ...making.of });
}

/** Reads one part back as a step. The verdict is told also when it was found in an earlier life of the run. */
async function verifyPart(
  ctx: RunContext,
  read: ReadPoint,
  name: string,
  { lane, again }: Pick<Making, 'lane' | 'again'>,
  tell: (verdict: PartVerdict) => void,
): Promise<void> {
  const { store } = storeOf(ctx);
  const meter = meterOf(ctx, name, 'verify-backup');
  const total = read.point.nodes[name]?.data.bytes;
  let verdict: PartVerdict = { result: 'verified' };
  const onProgress = (bytes: number): void => {
    meter.at(bytes, total);
  };
  try {
    await runStep(ctx, {
      node: name,
      step: 'verify-backup',
      lane,
      repeatable: true,
      ...(again ? { again } : {}),
      run: async () => {
        const options = { signal: ctx.signal, onProgress };
        verdict = await retryOnNodeAndServer(ctx, name, () =>
          verifyNode(store, read.point, backupNode(ctx, name), options),
        );
        if (verdict.result === 'broken') throw brokenPart(read.point.id, name, verdict.reason);
        return { verified: true };
      },
    });
  } catch (error) {
    if (!hasCode(error, 'backup-broken')) throw error;
    tell(verdict.result === 'broken' ? verdict : { result: 'broken', reason: error.message });
    throw error;
  }
  tell(verdict);
}

/** A point that is not complete is of no use to anybody. What cannot be removed now is never listed as usable, and `clean` removes it. */
async function discard(ctx: RunContext, making: Making): Promise<void> {
  const { store } = storeOf(ctx);
  if (madeBy(ctx, making)?.state !== 'creating') return;
  const nodes = Object.keys(making.backup.nodes).map((name) => backupNode(ctx, name));
  const signal = AbortSignal.any([ctx.signal, abortAfter(30_000, () => new Error('no answer'))]);
  await store.removePoint(making.planned.id, nodes, signal).catch(() => undefined);
}

async function stillOurs(ctx: RunContext, name: string): Promise<void> {
  await ctx.retryWhileUnreachable(name, (connection) =>
    beatLock(connection, ctx.node(name).stateDir, fenceOf(ctx, name)),
  );
}

/** As `onAll`; but once somebody asked to stop, only what was begun is brought to its end. @returns undefined: not all of it */
async function whileWanted<R>(
  ctx: RunContext,
  names: readonly string[],
  { lane }: Pick<Making, 'lane'>,
  step: 'backup' | 'verify-backup',
  work: (name: string) => Promise<R>,
): Promise<R[] | undefined> {
  const results = await onAll(ctx, names, async (name) => {
    const wanted = !ctx.view.stopRequested || stepOf(ctx.nodeView(name), step, lane) !== undefined;
    return wanted ? { value: await work(name) } : undefined;
  });
  const done = results.filter((result) => result !== undefined);
  return done.length < names.length ? undefined : done.map(({ value }) => value);
}

/** All nodes are brought to their end, then the first failure counts. */
export async function onAll<R>(
  ctx: RunContext,
  names: readonly string[],
  work: (name: string) => Promise<R>,
): Promise<R[]> {
  const results = await mapLimit(names, AT_ONCE, work);
  ctx.signal.throwIfAborted();
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

export function meterOf(ctx: RunContext, node: string, step: 'backup' | 'verify-backup' | 'stage'): Meter {
  return new Meter((progress) => {
    ctx.live({ type: 'progress', node, step, ...progress });
  });
}

function brokenPart(point: string, node: string, reason: string | undefined): ClusterliftError {
  return new ClusterliftError({
    code: 'backup-broken',
    message: `The backup of ${node} cannot be read back as it was written (${reason ?? 'no reason given'})`,
    hint: `Look at the disk of the location; restore point ${point} is marked as broken. Nothing was changed on any node.`,
    exit: ExitStatus.refused,
    node,
  });
}
