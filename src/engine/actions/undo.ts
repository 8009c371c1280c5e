import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { onAll, makeVerified } from './backup';
import type { RunContext } from '../control/context';
import { keptScripts } from '../points/kept';
import { NO_UNDO, type PlanNode } from '../journal/plan';
import { renewPart, type Renewal } from './renew';
import { packageOn, scriptsOfEach, type Scripts } from '../control/runpackage';
import { storeOf } from '../points/store';
import { changesBegun } from '../journal/view';

/** The point of what a restore replaces: made and verified before the first node is changed, so that a restore can be undone. */

/** May a node be changed: what is there now is kept, or a person does without? */
export function isUndoKept({ plan, view }: RunContext): boolean {
  return plan.undo === undefined || view.undo?.state === 'verified';
}

/**
 * Makes the point. A resumed restore keeps the one it has; a node that has not begun gets a new part when the old one is too old.
 * @param of the scripts of the point that is restored: for nodes that keep none themselves
 * @throws ClusterliftError `no-undo` when it cannot be made; then nothing was changed
 */
export async function keepForUndo(ctx: RunContext, of: Scripts | undefined): Promise<void> {
  const { undo } = ctx.plan;
  if (!undo || ctx.view.stopRequested) return;
  const { planned } = storeOf(ctx);
  const { location, uri } = planned;
  const point = { location, uri, id: undo.id, sha256: undefined };
  const renewal: Renewal = { backup: undo.backup, point, pkg: undoScripts(ctx, of) };
  if (isUndoKept(ctx)) {
    await onAll(ctx, notBegun(ctx), (name) => renewPart(ctx, renewal, name));
    return;
  }
  await ctx.record({ type: 'phase', phase: 'backup' });
  try {
    await makeVerified(ctx, { ...renewal, planned: point, lane: 'fresh', of: { undo: true } });
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw cannotKeep(error);
  }
}

function notBegun(ctx: RunContext): string[] {
  return ctx.plan.nodes
    .map(({ name }) => name)
    .filter((name) => ctx.nodeView(name).outcome === undefined && !changesBegun(ctx.nodeView(name)));
}

/** What each node keeps of its last upgrade; where it keeps nothing, the scripts that come with the restore. */
function undoScripts(ctx: RunContext, of: Scripts | undefined): Scripts | undefined {
  const own = Object.keys(ctx.plan.undo?.backup.nodes ?? {}).flatMap((name): [string, Scripts][] => {
    const scripts = keptOn(ctx, ctx.node(name)) ?? packageOn(of, name);
    return scripts ? [[name, scripts]] : [];
  });
  return scriptsOfEach(new Map(own), ctx.plan.primary);
}

function keptOn(ctx: RunContext, node: PlanNode): Scripts | undefined {
  const { name, installed, stateDir } = node;
  return installed && keptScripts(installed, () => ({ connection: ctx.connection(name), stateDir }), ctx.signal);
}

function cannotKeep(error: unknown): unknown {
  if (!(error instanceof ClusterliftError)) return error;
  const { exit } = error;
  return new ClusterliftError({
    ...error.detail(),
    code: NO_UNDO,
    message: `No restore point could be made of what the restore replaces: ${error.message}`,
    hint: advice`${error.hint} To restore without a way back, start the command again with \`--override ${NO_UNDO}\`.`,
    exit: exit === ExitStatus.unknown ? ExitStatus.refused : exit,
  });
}
