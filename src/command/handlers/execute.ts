import { ExitStatus } from '../../base/errors';
import type { Plan } from '../../engine/journal/plan';
import { startRun } from '../../engine/run';
import type { RunPackage } from '../../engine/control/runpackage';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import type { Site } from '../site';
import { runHost } from './host';
import { demandUnblocked, endUnrun, sayNothingToDo } from './unrun';
import { nothingToDo } from './upgrade-words';

/** A plan that is ready to be carried out. */
interface Prepared {
  readonly plan: Plan;
  readonly pkg: RunPackage | undefined;
  readonly dryRun: boolean | undefined;
  /** Asks for consent. @returns the plan to carry out, which the answer may have changed */
  agree(): Promise<Plan>;
}

/** Carries out a plan: a dry run only shows it, checks may refuse it, a person agrees to it, then it runs. */
export async function execute(ctx: CommandContext, site: Site, prepared: Prepared): Promise<ExitStatus> {
  if (prepared.dryRun) {
    ctx.ui.plan(prepared.plan);
    return endUnrun(ctx, prepared.plan);
  }
  demandUnblocked(ctx, prepared.plan);
  const plan = await prepared.agree();
  if (nothingToDo(plan)) return sayNothingToDo(ctx, plan);
  ctx.ui.begin(plan);
  const view = await startRun(runHost(ctx, site), plan, prepared.pkg);
  ctx.ui.summary(view, ctx.runs.folder(plan.run));
  return view.exit ?? ExitStatus.unknown;
}

/** What a person is asked before a plan that has one question. */
interface Asked extends Pick<Prepared, 'plan' | 'pkg'> {
  readonly options: Options;
  readonly question: string;
  /** On any cluster, not only in production. */
  readonly always: boolean;
}

/** Shows such a plan, asks its question, and carries it out. */
export async function askAndExecute(ctx: CommandContext, site: Site, asked: Asked): Promise<ExitStatus> {
  const { plan, pkg, options, question, always } = asked;
  if (options.ask && !options.dryRun) ctx.ui.plan(plan);
  else if (!options.dryRun) ctx.ui.report(plan.checks);
  const agree = async (): Promise<Plan> => {
    if (plan.production) await ctx.ui.confirm(question, plan.cluster);
    else if (always || options.ask) await ctx.ui.confirm(question);
    return plan;
  };
  return execute(ctx, site, { plan, pkg, dryRun: options.dryRun, agree });
}
