import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import type { RunRecord } from '../../engine/journal/runs';
import { abandonRun } from '../../engine/control/abandon';
import { isResumable } from '../../engine/journal/view';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { renderRuns } from '../../terminal/runs';
import { pickRun } from './pick-run';

/** `runs [<run>]`: all runs, oldest first, or one in full. */
export async function listRuns(ctx: CommandContext, run: string | undefined): Promise<ExitStatus> {
  if (run !== undefined) {
    const record = await ctx.runs.read(run);
    if (ctx.ui.json) ctx.ui.list([rowOf(record)], () => []);
    else ctx.ui.summary(record.view, record.folder);
    if (record.problem) ctx.ui.error(record.problem);
    return ExitStatus.ok;
  }
  const records = await ctx.runs.list();
  const unreadable = await ctx.runs.unreadable();
  const rows = [
    ...records.map(rowOf),
    ...unreadable.map((each) => ({ ...each, state: 'damaged', problem: why(each) })),
  ];
  ctx.ui.list(rows, (theme) => [
    ...(records.length > 0 || unreadable.length === 0 ? renderRuns(records, theme) : []),
    ...unreadable.map((each) => `${each.run} cannot be read: ${why(each)}`),
  ]);
  return ExitStatus.ok;
}

function why({ problem }: { readonly problem?: unknown }): string {
  return line(messageOf(problem));
}

function rowOf(record: RunRecord): object {
  const { run, folder, plan, view, state, waitingFor } = record;
  return {
    run,
    state,
    ...(record.problem ? { problem: why(record) } : {}),
    waitingFor,
    action: plan.action,
    cluster: plan.cluster,
    command: plan.command,
    outcome: view.outcome,
    status: view.exit,
    started: view.startedAt,
    finished: view.finishedAt,
    folder,
    nodes: Object.fromEntries(
      Object.values(view.nodes).map(({ name, outcome, from, to }) => [name, { outcome, from, to }]),
    ),
  };
}

/** `runs abandon <run>`: closes a run that nobody works on; the nodes stay as they are. */
export async function abandon(ctx: CommandContext, run: string, options: Options): Promise<ExitStatus> {
  const record = await ctx.runs.read(run);
  if (!isResumable(record.view) && !record.problem) throw closed(run);
  await ctx.ui.confirm(
    `Close run ${run} of ${record.plan.cluster}? Its nodes are not changed, and you will not be able to resume it.`,
  );
  const reason = options.reason ?? 'no reason given';
  if (record.problem) await ctx.runs.closeDamaged(run, reason, ctx.by);
  else await abandonRun(ctx.runs, run, reason, ctx.by);
  ctx.ui.say(
    advice`Run ${run} is closed. Check the nodes with: \`clusterlift status --cluster ${record.plan.cluster}\``,
  );
  return ExitStatus.ok;
}

/** `stop [<run>]`: no new node begins; begun ones run to their end. */
export async function stopRun(ctx: CommandContext, run: string | undefined): Promise<ExitStatus> {
  const record = await pickRun(ctx.runs, run, 'stop', (each) => each.state === 'live');
  if (record.state !== 'live' || !(await ctx.live.stop(record, ctx.by))) throw notLive(record);
  ctx.ui.say(`Stopping run ${record.run}. Nodes in progress will finish. No other node will be started.`);
  return ExitStatus.ok;
}

/** `attach [<run>]`: follows a run of another process. */
export async function attach(ctx: CommandContext, run: string | undefined): Promise<ExitStatus> {
  const record = await pickRun(ctx.runs, run, 'attach', (each) => each.state === 'live');
  if (record.state === 'live') await ctx.live.follow(record, ctx.ui, ctx.detach);
  if (ctx.detach.aborted) return ExitStatus.interrupted;
  const after = await ctx.runs.read(record.run);
  ctx.ui.summary(after.view, after.folder);
  if (after.view.exit === undefined) throw notLive(after);
  return after.view.exit;
}

function notLive(record: RunRecord): ClusterliftError {
  return new ClusterliftError({
    code: 'run-not-live',
    message: `No process works on run ${record.run} (it is ${record.state})`,
    hint: isResumable(record.view)
      ? advice`Go on with it: \`clusterlift resume ${record.run}\`.`
      : 'It has ended; see `clusterlift runs`.',
    exit: isResumable(record.view) ? ExitStatus.unknown : ExitStatus.usage,
  });
}

function closed(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-closed',
    message: `Run ${run} is closed already`,
    hint: 'There is nothing to abandon; see `clusterlift runs`.',
    exit: ExitStatus.usage,
  });
}
