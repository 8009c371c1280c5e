import type { ExitStatus } from '../../base/errors';
import type { UpgradeDefaults } from '../../cluster/model';
import { findLocation } from '../../backup/points/location';
import type { PlanOptions } from '../../engine/journal/plan';
import { blocksOf } from '../../engine/prepare/findings';
import { prepareUpgrade, type PreparedUpgrade } from '../../engine/prepare/upgrade';
import type { Options, UpgradeCommand } from '../command';
import type { CommandContext } from '../context';
import { formatRun } from '../format';
import { isConfirmed, resolveUpgrade, type ResolvedUpgrade } from '../resolve';
import { withSite, packageCache, type Site } from '../site';
import { wordOf } from '../../terminal/words';
import { execute } from './execute';
import { demandUnblocked, endUnrun } from './unrun';
import { changesOf, keyOf, nothingToDo, question } from './upgrade-words';

/** `upgrade`: prepare, report, confirm, run. */
export async function upgrade(ctx: CommandContext, command: UpgradeCommand): Promise<ExitStatus> {
  ctx.ui.expectRun();
  return withSite(ctx, command.options, async (site) => {
    const resolved = resolveUpgrade(command, site.cluster, site.file);
    const prepared = await prepare(ctx, site, command, resolved, resolved.dryRun);
    const { ask } = command.options;
    tell(ctx, prepared, ask);
    return execute(ctx, site, {
      plan: prepared.plan,
      pkg: prepared.package,
      dryRun: resolved.dryRun,
      agree: async () => (await agreed(ctx, prepared, ask)).plan,
    });
  });
}

/**
 * Asks for the name of a production cluster, and for a yes elsewhere where `--ask` is given. Scripts of the package that were not run before run then, and what they
 * change in the plan is asked about again.
 * @throws ClusterliftError `not-confirmed`, `confirmation-needed`, and those of `demandUnblocked`
 */
async function agreed(ctx: CommandContext, prepared: PreparedUpgrade, ask = false): Promise<PreparedUpgrade> {
  const { plan } = prepared;
  if (!(plan.production || ask) || nothingToDo(plan)) return prepared;
  if (!plan.production) {
    await ctx.ui.confirm(question(prepared));
    return prepared;
  }
  await ctx.ui.confirm(question(prepared), plan.cluster);
  if (prepared.asked) return prepared;
  const after = await prepared.ask();
  const known = new Set(plan.checks.map(keyOf));
  ctx.ui.report(after.plan.checks.filter((each) => !known.has(keyOf(each))));
  demandUnblocked(ctx, after.plan);
  const changes = changesOf(plan, after.plan);
  if (changes.length === 0 || nothingToDo(after.plan)) return after;
  const text = [
    `The scripts of the package changed the plan for ${plan.cluster}. Continue with the new plan?`,
    ...changes,
  ];
  await ctx.ui.confirm(text.join('\n'), plan.cluster);
  return after;
}

/** `check`: the report only; no lock, and nothing is written but a temporary directory that is removed at once. */
export async function check(ctx: CommandContext, given: string | undefined, options: Options): Promise<ExitStatus> {
  ctx.ui.expectRun();
  return withSite(ctx, options, async (site) => {
    const command: UpgradeCommand = { kind: 'upgrade', ...(given === undefined ? {} : { package: given }), options };
    const resolved = resolveUpgrade(command, site.cluster, site.file);
    const prepared = await prepare(ctx, site, command, resolved, true);
    const { checks } = prepared.plan;
    tell(ctx, prepared);
    if (ctx.ui.json) ctx.ui.list(checks, () => []);
    const blocks = blocksOf(checks);
    const status = endUnrun(ctx, prepared.plan);
    if (blocks.length > 0) return status;
    const rest = prepared.asked ? '' : ', as far as it was checked';
    ctx.ui.say(`${site.cluster.name} is ready for ${prepared.package.product} ${prepared.package.version}${rest}.`);
    return status;
  });
}

async function prepare(
  ctx: CommandContext,
  site: Site,
  command: UpgradeCommand,
  resolved: ResolvedUpgrade,
  lookOnly: boolean,
): Promise<PreparedUpgrade> {
  const { cluster, nodes } = site;
  return prepareUpgrade({
    cluster,
    nodes,
    given: command.package,
    sha256: resolved.sha256,
    options: planOptions(resolved, cluster.upgrade),
    batch: resolved.batch,
    overrides: resolved.overrides,
    store: resolved.backup === 'none' ? undefined : site.openStore(findLocation(resolved.backup, site.file.locations)),
    command: formatRun(command),
    cwd: ctx.cwd,
    cache: packageCache(ctx),
    urlAuth: ctx.secrets.get('url-auth'),
    fetch: resolved.fetch,
    consent: isConfirmed(command, cluster) || !cluster.production,
    lookOnly,
    sink: ctx.ui.sink,
    signal: ctx.signal,
    connect: (node) => site.connect(node),
  });
}

export function planOptions(
  resolved: ResolvedUpgrade,
  { healthStable, backupMaxAge }: Pick<UpgradeDefaults, 'healthStable' | 'backupMaxAge'>,
): PlanOptions {
  const { mode, backup, maxFailures, onFailure, giveUp, limitRate, distribution } = resolved;
  const own = { mode, backup, maxFailures, onFailure, giveUp, limitRate, distribution };
  return { ...own, healthStable, backupMaxAge, provisionMode: mode };
}

function tell(ctx: CommandContext, { plan, package: pkg }: PreparedUpgrade, ask = false): void {
  const word = wordOf(plan.package);
  if (pkg.reason !== undefined) ctx.ui.say(`${pkg.reason}${word === undefined ? '' : `. It is provided by ${word}`}`);
  if (ask) ctx.ui.plan(plan);
  else ctx.ui.report(plan.checks);
}
