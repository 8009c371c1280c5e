import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { ageOf, wallClock } from '../../base/clock';
import { partOf } from '../../backup/lifecycle';
import {
  stagePart as stageBackupPart,
  keepRestore,
  restoreNode,
  restoreState,
  finishRestore,
  undoRestore,
  type RestoreContext,
} from '../../backup/restore';
import type { ReadPoint } from '../../backup/points/store';
import { ageOfPart, isRenewed, partStep } from '../points/age';
import { runAgain } from '../steps/again';
import { meterOf } from './backup';
import { errorRecord, type RunContext } from '../control/context';
import { directoryOf, environmentOf } from '../steps/environment';
import type { Lane, StepData } from '../journal/events';
import { waitUntilHealthy } from '../steps/health';
import { keepInstalled } from '../steps/installed';
import { recordOf, scriptJob, taskRunner } from '../steps/jobstep';
import { fenceOf } from '../control/locks';
import { layRunFiles } from '../node/files';
import { clearRequest } from '../node/requests';
import { askedOnTheWayBack } from './provision';
import { packageOn, type RunPackage } from '../control/runpackage';
import { startAgain } from '../steps/startagain';
import { outcomeOf } from '../journal/outcome';
import { runStep } from '../steps/steps';
import { backupNode, retryOnNodeAndServer, storeOf } from '../points/store';
import { proveVersion, readVersion } from '../steps/version';
import { vouches } from '../points/vouch';
import { stepOf } from '../journal/view';

/** The way of nodes back to a restore point: in the main lane of a restore, or in the rollback lane of an upgrade. */
export interface WayBack {
  readonly read: ReadPoint;
  /** What each node has of it runs there only (`packageOn`). Undefined: there are no scripts, only paths. */
  readonly pkg: RunPackage | undefined;
  readonly lane: Lane;
}

/** A restore that nobody gave more time. Milliseconds. */
const TIMEOUT = 30 * 60_000;
const DROP_MAX_AWAY = 10_000;
/** Code of the entry that says where it is kept what a rollback replaced. */
const REPLACED = 'rollback-kept';

/**
 * Stages the part of a node and the scripts, while its application still runs.
 * @param maxAway milliseconds that the node may be away
 */
export async function stagePart(ctx: RunContext, way: WayBack, node: string, maxAway?: number): Promise<void> {
  const { lane } = way;
  const pkg = packageOn(way.pkg, node);
  const total = partOf(way.read.point, node).data.bytes;
  const meter = meterOf(ctx, node, 'stage');
  const onProgress = (bytes: number): void => {
    meter.at(bytes, total);
  };
  await runStep(ctx, {
    node,
    step: 'stage',
    lane,
    repeatable: true,
    run: async () => {
      const context = { ...restoreContext(ctx, way, node, 1), onProgress };
      await retryOnNodeAndServer(ctx, node, () => stageBackupPart(context), maxAway);
      return { bytes: total };
    },
  });
  if (pkg?.place !== 'run') return;
  const files = await pkg.scriptFiles();
  await runStep(ctx, {
    node,
    step: 'unpack',
    lane,
    repeatable: true,
    run: async () => {
      const { stateDir } = ctx.node(node);
      await ctx.retryWhileUnreachable(node, (connection) =>
        layRunFiles(connection, stateDir, fenceOf(ctx, node), files),
      );
      return { files: files.length };
    },
  });
}

/**
 * `stop → swap → restore script → start` of one node. What was replaced is kept.
 * @throws ClusterliftError of the step that failed
 */
export async function restoreNodeAndStart(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const { lane } = way;
  const pkg = packageOn(way.pkg, node);
  if (pkg) await scriptJob(ctx, pkg, { node, step: 'stop', action: 'restore', lane, repeatable: true });
  await swap(ctx, way, node);
  if (pkg) {
    await scriptJob(ctx, pkg, { node, step: 'restore-script', action: 'restore', lane, repeatable: false });
    // Where nothing was installed there is nothing to start.
    if (restoredVersion(way, node) !== undefined)
      await scriptJob(ctx, pkg, { node, step: 'start', action: 'restore', lane, repeatable: true });
  }
}

/**
 * `version → health` of a node that was put back; only then what was replaced there goes, or is no longer needed.
 * @throws ClusterliftError of the step that failed
 */
export async function proveRestored(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const { lane } = way;
  const pkg = packageOn(way.pkg, node);
  if (pkg) {
    const target = restoredVersion(way, node);
    await proveVersion(ctx, pkg, { node, lane, target, otherwise: otherVersion });
    if (target !== undefined) await waitUntilHealthy(ctx, pkg, node, 'health', lane);
    await keepRecord(ctx, pkg, node);
  }
  await letGoOrTell(ctx, way, node);
}

/** Undefined: nothing was installed there. */
function restoredVersion(way: WayBack, node: string): string | undefined {
  return partOf(way.read.point, node).version ?? undefined;
}

async function swap(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  await runStep(ctx, {
    node,
    step: 'restore',
    lane: way.lane,
    repeatable: true,
    run: async (attempt) => {
      await stopAgain(ctx, way, node, attempt);
      const context = restoreContext(ctx, way, node, attempt);
      const { giveUp } = ctx;
      const { phase } = await retryOnNodeAndServer(ctx, node, () => restoreState(context), giveUp);
      // Done by a job whose end nobody heard of.
      if (phase !== 'in' && phase !== 'kept') await retryOnNodeAndServer(ctx, node, () => restoreNode(context), giveUp);
      return { paths: partOf(way.read.point, node).paths.map((each) => each.path), ...(await stateOf(ctx, way, node)) };
    },
  });
}

/** Of when the state is that a node has now; the age as far as it is known. */
async function stateOf(ctx: RunContext, way: WayBack, node: string): Promise<StepData> {
  const point = way.read.point.id;
  if (ctx.plan.action !== 'restore') {
    const taken = partStep(ctx.nodeView(node), isRenewed(ctx, node))?.startedAt ?? way.read.point.created;
    const age = await ageOfPart(ctx, node);
    return { point, taken, ...(age === undefined ? {} : { age }) };
  }
  const taken = way.read.point.created;
  const made = Date.parse(taken);
  const now = wallClock();
  // A time to come says that one of two clocks is wrong.
  return { point, taken, ...(made <= now ? { age: ageOf(made) } : {}) };
}

/**
 * Puts a node back to where it was before the restore, in the rollback lane: after a restore that failed there.
 * Where nothing was replaced yet, only the application is started again.
 */
export async function goBack(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const pkg = packageOn(way.pkg, node);
  const lane = 'rollback';
  try {
    if (stepOf(ctx.nodeView(node), 'restore')) {
      if (pkg) await scriptJob(ctx, pkg, { node, step: 'stop', action: 'restore', lane, repeatable: true });
      await swapBack(ctx, way, node);
    }
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (outcomeOf(error) !== 'unknown') await startAgain(ctx, pkg, node);
    throw error;
  }
  if (pkg && (await wasInstalled(ctx, pkg, node))) {
    await scriptJob(ctx, pkg, { node, step: 'start', action: 'restore', lane, repeatable: true });
  }
  await letGo(ctx, way, node);
}

/** A node without a record may have had the application all the same: the script of the point, which may run by now, says so. */
async function wasInstalled(ctx: RunContext, pkg: RunPackage, node: string): Promise<boolean> {
  if (ctx.node(node).from !== undefined) return true;
  try {
    return (await readVersion(ctx, pkg, node)) !== undefined;
  } catch {
    ctx.signal.throwIfAborted();
    return false;
  }
}

/** A node that died in the middle of the swap may have come up with its application running. */
async function stopAgain(ctx: RunContext, way: WayBack, node: string, attempt: number): Promise<void> {
  const { lane } = way;
  const pkg = packageOn(way.pkg, node);
  if (attempt === 1 || !pkg) return;
  const env = environmentOf(ctx, node, 'restore', directoryOf(ctx, pkg, node));
  await runAgain(ctx, pkg, 'stop', { node, step: 'restore', lane, attempt, timeout: pkg.manifest.timeouts.stop, env });
}

async function swapBack(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const lane = 'rollback';
  await runStep(ctx, {
    node,
    step: 'restore',
    lane,
    repeatable: true,
    run: async (attempt) => {
      await stopAgain(ctx, { ...way, lane }, node, attempt);
      const context = restoreContext(ctx, { ...way, lane }, node, attempt);
      await ctx.retryWhileUnreachable(node, () => undoRestore(context));
      return {};
    },
  });
}

/** Removes the copy of a part that will not be put back. A node that is away keeps it: it is used, or replaced, the next time. */
export async function dropPart(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const context = restoreContext(ctx, way, node, 1);
  await ctx.retryWhileUnreachable(node, () => finishRestore(context), DROP_MAX_AWAY).catch(() => undefined);
  ctx.signal.throwIfAborted();
}

/** Removes what was replaced, and the copy of the part: from now on there is no way back from this. May be repeated. */
async function letGo(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const context = restoreContext(ctx, way, node, 1);
  await ctx.retryWhileUnreachable(node, () => finishRestore(context));
}

/** What was replaced goes; a rollback keeps it. The node is where it belongs: what cannot be removed there is in nobody's way, and no reason to go back. */
async function letGoOrTell(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  try {
    if (ctx.plan.action === 'restore') await letGo(ctx, way, node);
    else await keepAndTell(ctx, way, node);
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (outcomeOf(error) === 'unknown') throw error;
    const { code, message } = errorRecord(error);
    await ctx.record({ type: 'warning', node, code, message: `What was replaced could not be removed: ${message}` });
  }
}

/** Nobody asked for a rollback: what it replaced stays on the node, where a person can look at it. */
async function keepAndTell(ctx: RunContext, way: WayBack, node: string): Promise<void> {
  const context = restoreContext(ctx, way, node, 1);
  const { places, short } = await ctx.retryWhileUnreachable(node, () => keepRestore(context));
  if (places.length === 0 && !short) return;
  const message = short
    ? 'what the rollback replaced is not kept: there was less room left than it takes'
    : `what the rollback replaced is kept in ${places.join(', ')}, until the next upgrade or restore of ${node}`;
  await ctx.record({ type: 'warning', node, code: REPLACED, message });
}

function restoreContext(ctx: RunContext, way: WayBack, node: string, attempt: number): RestoreContext {
  const { read, lane } = way;
  const pkg = packageOn(way.pkg, node);
  const { store, planned } = storeOf(ctx);
  const own = ctx.node(node);
  const to = partOf(read.point, node).version;
  const record = pkg && recordOf(ctx, pkg, { from: ctx.plan.action === 'restore' ? own.from : own.to, to });
  const step = {
    node,
    step: 'restore',
    lane,
    attempt,
    timeout: pkg?.manifest.timeouts.restore ?? TIMEOUT,
    env: {},
  } as const;
  const back = ctx.plan.action === 'restore' && lane === 'rollback';
  return {
    store,
    point: read.point,
    node: backupNode(ctx, node),
    tag: ctx.plan.run,
    trusted: vouches(planned, node),
    runTask: taskRunner(ctx, { ...step, ...(record && !back ? { record } : {}) }),
    signal: ctx.signal,
  };
}

/** From now on the node answers for what was put back, with the scripts that the point keeps. */
async function keepRecord(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  await keepInstalled(ctx, pkg, node);
  // What a script of the upgrade asked for is void with the upgrade.
  if (ctx.plan.action === 'restore') return;
  const { stateDir } = ctx.node(node);
  const requests: string[] = [...ctx.node(node).requests];
  if (askedOnTheWayBack(ctx.nodeView(node))) requests.push('provision');
  const fence = fenceOf(ctx, node);
  await ctx.retryWhileUnreachable(node, async (connection) => {
    for (const kind of ['provision', 'reboot'] as const) {
      if (!requests.includes(kind)) await clearRequest(connection, stateDir, fence, kind);
    }
  });
}

function otherVersion(node: string, found: string | undefined, target: string | undefined): ClusterliftError {
  const words = (version: string | undefined): string => version ?? 'not installed';
  return new ClusterliftError({
    code: 'restored-version',
    message: `${node} reports version ${words(found)} after the restore, and the restore point recorded ${words(target)}`,
    hint: advice`Look at ${node}, then decide: \`clusterlift resume RUN --decide ${node}=done\` keeps it, \`=retry\` asks again, \`=failed\` gives the restore up. What was replaced is kept until then.`,
    exit: ExitStatus.unknown,
    node,
  });
}
