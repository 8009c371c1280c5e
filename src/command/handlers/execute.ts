import { ExitStatus } from '../../base/errors';
import type { Plan } from '../../engine/journal/plan';
import { blocksOf } from '../../engine/prepare/findings';
import { startRun } from '../../engine/run';
import type { RunPackage } from '../../engine/control/runpackage';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import type { Site } from '../site';
import { runHost } from './host';
import { endUnrun, refused } from './upgrade';

/** A plan that is ready to be shown, asked about and carried out. */
interface Prepared {
  readonly plan: Plan;
  readonly pkg: RunPackage | undefined;
  readonly options: Options;
  readonly question: string;
  /** Asked on any cluster, not only in production. */
  readonly always: boolean;
}

/** Shows it (a dry run ends here), asks, and carries it out. */
export async function execute(ctx: CommandContext, site: Site, prepared: Prepared): Promise<ExitStatus> {
  const { plan, pkg, options, question: text, always } = prepared;
  const blocks = blocksOf(plan.checks);
  if (options.dryRun) {
    ctx.ui.plan(plan);
    return endUnrun(ctx, plan);
  }
  if (options.ask) ctx.ui.plan(plan);
  else ctx.ui.report(plan.checks);
  if (blocks.length > 0) {
    endUnrun(ctx, plan);
    throw refused(blocks, plan.cluster);
  }
  if (plan.production) await ctx.ui.confirm(text, plan.cluster);
  else if (always || options.ask) await ctx.ui.confirm(text);
  ctx.ui.begin(plan);
  const view = await startRun(runHost(ctx, site), plan, pkg);
  ctx.ui.summary(view, ctx.runs.folder(plan.run));
  return view.exit ?? ExitStatus.unknown;
}
