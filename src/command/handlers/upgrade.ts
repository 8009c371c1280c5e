import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { UpgradeDefaults } from '../../cluster/model';
import { findLocation } from '../../backup/points/location';
import type { NodeResult } from '../../engine/journal/events';
import { startRun } from '../../engine/run';
import type { Plan, PlanOptions } from '../../engine/journal/plan';
import { blocksOf } from '../../engine/prepare/findings';
import { prepareUpgrade, type PreparedUpgrade } from '../../engine/prepare/upgrade';
import type { Options, UpgradeCommand } from '../command';
import type { CommandContext } from '../context';
import { formatRun } from '../format';
import { isConfirmed, resolveUpgrade, type ResolvedUpgrade } from '../resolve';
import { openSite, packageCache, type Site } from '../site';
import { wordOf } from '../../terminal/words';
import { runHost } from './host';
import { changesOf, keyOf, nothingToDo, question } from './upgrade-words';

/** `upgrade`: prepare, report, confirm, run. */
export async function upgrade(ctx: CommandContext, command: UpgradeCommand): Promise<ExitStatus> {
  ctx.ui.expectRun();
  const site = await openSite(ctx, command.options);
  try {
    const resolved = resolveUpgrade(command, site.cluster, site.file);
    const prepared = await prepare(ctx, site, command, resolved, resolved.dryRun);
    tell(ctx, prepared, command.options.ask);
    if (resolved.dryRun) {
      ctx.ui.plan(prepared.plan);
      return endUnrun(ctx, prepared.plan);
    }
    demandUnblocked(ctx, prepared.plan);
    const { plan } = await agreed(ctx, prepared, command.options.ask);
    if (nothingToDo(plan)) return sayNothingToDo(ctx, plan);
    ctx.ui.begin(plan);
    const view = await startRun(runHost(ctx, site), plan, prepared.package);
    ctx.ui.summary(view, ctx.runs.folder(plan.run));
    return view.exit ?? ExitStatus.unknown;
  } finally {
    await site.close();
  }
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

/** @throws ClusterliftError of the first block that stands */
function demandUnblocked(ctx: CommandContext, plan: Plan): void {
  const blocks = blocksOf(plan.checks);
  if (blocks.length === 0) return;
  endUnrun(ctx, plan);
  throw refused(blocks, plan.cluster);
}

/** `check`: the report only; no lock, and nothing is written but a temporary directory that is removed at once. */
export async function check(ctx: CommandContext, given: string | undefined, options: Options): Promise<ExitStatus> {
  ctx.ui.expectRun();
  const site = await openSite(ctx, options);
  try {
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
  } finally {
    await site.close();
  }
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
    signal: AbortSignal.any([ctx.stop, ctx.detach]),
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

function sayNothingToDo(ctx: CommandContext, plan: Plan): ExitStatus {
  const target = `${plan.package?.product ?? ''} ${plan.package?.version ?? ''}`;
  ctx.ui.say(
    `Nothing to do: all ${String(plan.nodes.length)} nodes of ${plan.cluster} have ${target} and are healthy.`,
  );
  return endUnrun(ctx, plan);
}

/** How it ended where no run was made of the plan. */
export function endUnrun(ctx: CommandContext, plan: Plan): ExitStatus {
  const blocks = blocksOf(plan.checks);
  const status = blocks.length > 0 ? refusal(blocks) : ExitStatus.ok;
  const nodes = plan.nodes.map(({ name, action, from }): [string, NodeResult] => [
    name,
    { outcome: action === 'skip' ? 'unchanged' : 'not-started', from: from ?? null, to: from ?? null },
  ]);
  const outcome = status === ExitStatus.ok ? 'succeeded' : 'refused';
  ctx.ui.result({ outcome, status, nodes: Object.fromEntries(nodes) });
  return status;
}

/** Only locks in the way: status 5; anything else that blocks: 3. */
export function refusal(blocks: readonly { code: string }[]): ExitStatus {
  return blocks.every((each) => each.code === 'locked') ? ExitStatus.locked : ExitStatus.refused;
}

export function refused(blocks: Plan['checks'], cluster: string): ClusterliftError {
  const [first] = blocks;
  const only = blocks.length === 1 && first;
  return new ClusterliftError({
    code: only ? first.code : 'checks-failed',
    message: only ? first.message : `${String(blocks.length)} checks block the run on ${cluster}; nothing was changed`,
    hint: only ? first.fix : 'Mend what the report names, then run the same command again.',
    exit: refusal(blocks),
    node: only ? first.node : undefined,
  });
}
