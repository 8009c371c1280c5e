import { ClusterliftError, ExitStatus, hasCode } from '../base/errors';
import { compareVersions } from '../package/version';
import type { RunContext } from './context';
import type { Lane } from './events';
import { directoryOf } from './environment';
import { scriptJob } from './jobstep';
import { fenceOf } from './locks';
import { finishRecord } from './node/record';
import { budgetAllows } from './order';
import { tally } from './outcome';
import { waitUntilHealthy } from './health';
import { rebootAndWait } from './reboot';
import type { RunPackage } from './runpackage';
import { upgradeIsProven } from './proof';
import { runStep } from './steps';
import { readVersion } from './version';

/**
 * Brings one node through `stop → upgrade → start → reboot? → version → health` and closes its part of the run.
 * Begun, it goes on to its end: only letting go of the whole run (detach, taken over) makes it throw.
 */
export async function upgradeNode(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  try {
    if (ctx.node(node).steps.includes('upgrade')) await changeNode(ctx, pkg, node);
    await bringUp(ctx, pkg, node, 'main', pkg.version);
    if (ctx.node(node).steps.includes('upgrade')) await keepRecord(ctx, pkg, node);
    await ctx.finishNode(node, 'upgraded');
  } catch (error) {
    ctx.signal.throwIfAborted();
    await ctx.finishNode(node, outcomeOf(error), error);
  }
}

async function changeNode(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  if (pkg.manifest.scripts.stop !== undefined) {
    await scriptJob(ctx, pkg, { node, step: 'stop', action: 'upgrade', repeatable: true });
  }
  try {
    await scriptJob(ctx, pkg, {
      node,
      step: 'upgrade',
      action: 'upgrade',
      repeatable: false,
      wasDone: () => upgradeIsProven(ctx, pkg, node),
    });
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!hasUnknownOutcome(error) && !rollbackFollows(ctx)) await startAnyway(ctx, pkg, node);
    throw error;
  }
}

/** From now on the node answers for this version by itself: status and provision need no package. */
async function keepRecord(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  const { stateDir } = ctx.node(node);
  const { product, sha256, manifestValue: manifest } = pkg;
  const files = await pkg.scriptPaths();
  const directory = directoryOf(ctx, pkg, node);
  await ctx.insist(node, (connection) =>
    finishRecord(connection, { stateDir, fence: fenceOf(ctx, node), product, sha256, manifest, files, directory }),
  );
}

/** From changed to proven: start, reboot when asked for, the version, and health for as long as it must hold. */
async function bringUp(ctx: RunContext, pkg: RunPackage, node: string, lane: Lane, target: string): Promise<void> {
  const action = lane === 'rollback' ? 'restore' : 'upgrade';
  if (ctx.node(node).steps.includes('start') || lane === 'rollback') {
    await scriptJob(ctx, pkg, { node, step: 'start', action, lane, repeatable: true });
  }
  if (ctx.nodeView(node).wantsReboot && lane === 'main') await rebootAndWait(ctx, pkg, node);
  await runStep(ctx, {
    node,
    step: 'version',
    lane,
    repeatable: true,
    run: async () => {
      const version = await readVersion(ctx, pkg, node);
      if (compareVersions(version ?? '', target) !== 0) throw wrongVersion(node, version, target);
      return { version: version ?? '' };
    },
  });
  await waitUntilHealthy(ctx, pkg, node, 'health', lane);
}

/** A failed upgrade must not also leave the application down; what `start` says then changes nothing about the failure. */
export async function startAnyway(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  if (pkg.manifest.scripts.start === undefined) return;
  try {
    await scriptJob(ctx, pkg, { node, step: 'start', action: 'upgrade', repeatable: true });
  } catch {
    ctx.signal.throwIfAborted();
  }
}

/** Will this failure lead to a rollback, so that starting the application now would only be in the way? */
function rollbackFollows(ctx: RunContext): boolean {
  const { maxFailures, onFailure } = ctx.plan.options;
  if (onFailure !== 'rollback') return false;
  const { total, failed, unknown } = tally(ctx.view);
  return budgetAllows({ maxFailures, total, failed: failed + 1, unknown }).exceeded;
}

export function outcomeOf(error: unknown): 'failed' | 'wrong-version' | 'unknown' {
  if (hasUnknownOutcome(error)) return 'unknown';
  return hasCode(error, 'wrong-version') ? 'wrong-version' : 'failed';
}

function hasUnknownOutcome(error: unknown): boolean {
  return error instanceof ClusterliftError && error.exit === ExitStatus.unknown;
}

function wrongVersion(node: string, found: string | undefined, target: string): ClusterliftError {
  return new ClusterliftError({
    code: 'wrong-version',
    message: `${node} reports version ${found ?? '(not installed)'} instead of ${target}`,
    hint: `Read the log of ${node}: its scripts ended well, but the version did not change. It is not tried again by itself.`,
    exit: ExitStatus.failed,
    node,
  });
}
