import { formatDuration } from '../../base/units';
import { ask } from '../../ssh/exec/script';
import type { RunContext } from '../control/context';
import clockText from '../node/clock.sh';
import { stepOf, type NodeView, type StepView } from '../journal/view';

/**
 * How old a node's part of a backup is. It is counted on the node (boot id and seconds since boot): that clock is never set,
 * outlives our process, and counts while this machine sleeps. A part of another boot has an unknown age, and that is too old.
 */

/** Milliseconds; `upgrade.backupMaxAge` of clusters.json says otherwise. */
const MAX_AGE = 15 * 60_000;

/** What the clock of a node says now, as it stands in the journal: boot id and milliseconds. */
export async function nodeClock(ctx: RunContext, node: string): Promise<string> {
  const { stateDir } = ctx.node(node);
  const entries = await ctx.retryWhileUnreachable(node, (connection) =>
    ask(connection, { text: clockText, args: ['clock', stateDir], timeout: 20_000 }),
  );
  const uptime = Number(entries.required('uptime'));
  return `${entries.required('boot').slice(0, 100)} ${String(Math.round(uptime * 1000))}`;
}

/** Milliseconds between two readings; undefined: not of the same boot, or no readings. */
export function elapsed(then: unknown, now: string): number | undefined {
  const [boot, at] = typeof then === 'string' ? then.split(' ') : [];
  const [same, since] = now.split(' ');
  const ms = Number(since) - Number(at);
  return boot !== undefined && boot !== '' && boot === same && Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}

/** The step that took the part which a node goes back to. */
export function partStep(node: NodeView, renewed: boolean): StepView | undefined {
  return stepOf(node, 'backup', renewed ? 'fresh' : 'main');
}

/** The point that holds the part which a node goes back to is one of its own. */
export function isRenewed(ctx: RunContext, node: string): boolean {
  return ctx.view.renewed[node]?.state === 'verified';
}

/** The same for a node of this run; what a restore takes first is a backup on the way, too. */
export function partOfNode(ctx: RunContext, node: string): StepView | undefined {
  return partStep(ctx.nodeView(node), isRenewed(ctx, node) || ctx.plan.undo !== undefined);
}

/** Milliseconds since the part of a node was begun; undefined: not known. */
export async function ageOfPart(ctx: RunContext, node: string): Promise<number | undefined> {
  const taken = partOfNode(ctx, node)?.data?.['clock'];
  return taken === undefined ? undefined : elapsed(taken, await nodeClock(ctx, node));
}

/** Is a part of that age no state to go back to without a question? Taken before a person stopped the run, it is. */
export function isTooOld(ctx: RunContext, node: string, age: number | undefined): boolean {
  const step = partOfNode(ctx, node);
  if (age === undefined || !step || step.life <= ctx.view.stoppedIn) return true;
  return age > maxAge(ctx);
}

export function maxAge(ctx: RunContext): number {
  return ctx.plan.options.backupMaxAge ?? MAX_AGE;
}

/** `2026-11-22 20:17 UTC, 3h 4m ago`, for people. @param age milliseconds; undefined: not known */
export function ageWords(taken: string, age: number | undefined): string {
  const time = `${taken.slice(0, 16).replace('T', ' ')} UTC`;
  return age === undefined ? `${time}; how long ago is not known` : `${time}, ${formatDuration(age)} ago`;
}
