import { ClusterliftError, ExitStatus } from '../../base/errors';
import { reopenPackage } from '../../engine/prepare/reopen';
import { resumeRun } from '../../engine/run';
import { isResumable } from '../../engine/view';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { connections, packageCache } from '../site';
import { adoptFromNodes } from './adopt';
import { runHost } from './host';
import { pickRun } from './pick-run';

/** `resume [<run>]`: goes on with a run that nobody works on, from its journal, asking the nodes first. */
export async function resume(ctx: CommandContext, name: string | undefined, options: Options): Promise<ExitStatus> {
  ctx.face.expectRun();
  if (options.fromNodes) await adoptFromNodes(ctx, name, options);
  const record = await pickRun(ctx.runs, name, 'resume', ({ view, state }) => state !== 'live' && isResumable(view));
  const { plan, view } = record;
  if (!isResumable(view)) throw closed(record.run);
  const decisions = (options.decide ?? []).map(({ node, answer }) => ({ node, choice: answer }));
  const models = plan.nodes.map((node) => node.model);
  const site = connections(ctx, { file: plan.configFile, cluster: plan.cluster }, models, options);
  try {
    const { entries } = await ctx.runs.entries(record.run);
    ctx.face.begin(plan, entries);
    const host = runHost(ctx, site, (of) =>
      reopenPackage(of, {
        cache: packageCache(ctx),
        urlAuth: ctx.secrets.get('url-auth'),
        sink: ctx.face.sink,
        signal: AbortSignal.any([ctx.stop, ctx.detach]),
        connect: (node) => site.connect(node.model),
      }),
    );
    const after = await resumeRun({ ...host, giveUp: options.giveUp }, record.run, decisions, options.override ?? []);
    ctx.face.summary(after, record.folder);
    return after.exit ?? ExitStatus.unknown;
  } finally {
    await site.close();
  }
}

function closed(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-closed',
    message: `Run ${run} has ended; there is nothing to go on with`,
    hint: 'See how it ended with `clusterlift runs`, and start a new upgrade: nodes that are at the target are passed over.',
    exit: ExitStatus.usage,
  });
}
