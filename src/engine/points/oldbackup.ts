import { advice } from '../../base/shell';
import { isOverridden } from '../../base/overrides';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { ageOfPart, ageWords, isRenewed, isTooOld, partStep } from './age';
import type { RunContext } from '../control/context';
import type { RunPackage } from '../control/runpackage';
import { startAgain } from '../steps/startagain';
import { stepOf, type NodeView } from '../journal/view';

/** The override of a node, or of all, for a person who is not there to be asked. */
const OLD_BACKUP = 'old-backup';

/** Has the way back of a node begun, so that it has to be finished? */
export function onItsWayBack({ outcome, steps }: NodeView): boolean {
  return (
    outcome === 'rolled-back' ||
    steps.some(({ lane, step }) => lane === 'rollback' && (step === 'stop' || step === 'restore'))
  );
}

/**
 * A run that goes on after an interruption has not seen what the nodes did meanwhile. A node that had begun before it goes back
 * to its part only when that is still new, or a person says so; else it stays as it is, and unknown.
 * @returns may it go back
 */
export async function mayGoBack(ctx: RunContext, pkg: RunPackage, node: string): Promise<boolean> {
  const view = ctx.nodeView(node);
  if (onItsWayBack(view) || !begunBefore(ctx, view) || isOverridden(ctx.view.overrides, OLD_BACKUP, node)) return true;
  const age = await ageOrUnknown(ctx, node);
  if (!isTooOld(ctx, node, age)) return true;
  const taken = partStep(view, isRenewed(ctx, node))?.startedAt ?? '';
  const what = `the backup of ${node} is of ${ageWords(taken, age)}, and the run was interrupted since`;
  const text = `${what}. Changes made on ${node} after that would be lost. Roll it back to this backup, or leave it as it is?`;
  const answer = await ctx.services.asker.ask({ kind: 'decide', node, text, choices: [BACK, LEAVE] }, ctx.signal);
  if (answer === BACK) {
    await ctx.record({ type: 'override', code: `${OLD_BACKUP}=${node}`, by: ctx.services.by });
    return true;
  }
  await startAgain(ctx, pkg, node);
  if (answer === LEAVE) {
    const message = `${ctx.services.by} left ${node} as it is instead of rolling it back: ${what}`;
    await ctx.record({ type: 'warning', node, code: OLD_BACKUP, message });
    if (view.outcome === undefined) await ctx.finishNode(node, standing(view));
  } else {
    await ctx.finishNode(node, 'unknown', undecided(node, what));
  }
  return false;
}

const BACK = 'roll back';
const LEAVE = 'leave';

/** Its change began in an earlier process. */
function begunBefore(ctx: RunContext, view: NodeView): boolean {
  const first = stepOf(view, 'stop') ?? stepOf(view, 'upgrade');
  return first !== undefined && first.life < ctx.view.life;
}

/** A node that is away says nothing about its clock. */
async function ageOrUnknown(ctx: RunContext, node: string): Promise<number | undefined> {
  try {
    return await ageOfPart(ctx, node);
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (error instanceof ClusterliftError) return undefined;
    throw error;
  }
}

/** What a node is that was unknown only because nobody had decided. */
function standing(view: NodeView): 'upgraded' | 'failed' {
  return stepOf(view, 'version')?.state === 'done' && stepOf(view, 'health')?.state !== 'failed'
    ? 'upgraded'
    : 'failed';
}

function undecided(node: string, what: string): ClusterliftError {
  return new ClusterliftError({
    code: OLD_BACKUP,
    message: `${node} was not rolled back: ${what}`,
    hint: advice`Look at what ${node} wrote since then. \`clusterlift resume RUN\` at a terminal asks; \`clusterlift resume RUN --override ${OLD_BACKUP}=${node}\` rolls it back.`,
    exit: ExitStatus.unknown,
    node,
  });
}
