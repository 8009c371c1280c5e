import { ClusterliftError, ExitStatus } from '../../base/errors';
import { findLocation } from '../../backup/location';
import type { NodeResult } from '../../engine/events';
import { startRun } from '../../engine/run';
import type { Plan, PlanOptions } from '../../engine/plan';
import { blocksOf } from '../../engine/prepare/findings';
import { prepareUpgrade, type PreparedUpgrade } from '../../engine/prepare/upgrade';
import type { Options, UpgradeCommand } from '../command';
import type { CommandContext } from '../context';
import { formatRun } from '../format';
import { resolveUpgrade, type ResolvedUpgrade } from '../resolve';
import { openSite, packageCache, type Site } from '../site';
import { runHost } from './host';

/** `upgrade`: prepare, report, confirm, run. */
export async function upgrade(ctx: CommandContext, command: UpgradeCommand): Promise<ExitStatus> {
  ctx.face.expectRun();
  const site = await openSite(ctx, command.options);
  try {
    const resolved = resolveUpgrade(command, site.cluster, site.file);
    const prepared = await prepare(ctx, site, command, resolved, resolved.dryRun);
    const { plan } = prepared;
    tell(ctx, prepared);
    const blocks = blocksOf(plan.checks);
    if (resolved.dryRun) {
      ctx.face.plan(plan);
      return endUnrun(ctx, plan);
    }
    if (blocks.length > 0) {
      endUnrun(ctx, plan);
      throw refused(blocks, site.cluster.name);
    }
    if (nothingToDo(plan)) return sayNothingToDo(ctx, plan);
    if (site.cluster.production) await ctx.face.confirm(question(plan), site.cluster.name);
    ctx.face.begin(plan);
    const view = await startRun(
      runHost(ctx, site, () => Promise.resolve(prepared.package)),
      plan,
    );
    ctx.face.summary(view, ctx.runs.folder(plan.run));
    return view.exit ?? ExitStatus.unknown;
  } finally {
    await site.close();
  }
}

/** `check`: the report only; no lock, and nothing is written but a temporary directory that is removed at once. */
export async function check(ctx: CommandContext, given: string | undefined, options: Options): Promise<ExitStatus> {
  ctx.face.expectRun();
  const site = await openSite(ctx, options);
  try {
    const command: UpgradeCommand = { kind: 'upgrade', ...(given === undefined ? {} : { package: given }), options };
    const resolved = resolveUpgrade(command, site.cluster, site.file);
    const prepared = await prepare(ctx, site, command, resolved, true);
    const { checks } = prepared.plan;
    tell(ctx, prepared);
    if (ctx.face.json) ctx.face.list(checks, () => []);
    const blocks = blocksOf(checks);
    const status = endUnrun(ctx, prepared.plan);
    if (blocks.length > 0) return status;
    ctx.face.say(`${site.cluster.name} is ready for ${prepared.package.product} ${prepared.package.version}.`);
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
    options: planOptions(resolved, cluster.upgrade.healthStable),
    batch: resolved.batch,
    overrides: resolved.overrides,
    store: resolved.backup === 'none' ? undefined : site.openStore(findLocation(resolved.backup, site.file.locations)),
    command: formatRun(command),
    cwd: ctx.cwd,
    cache: packageCache(ctx),
    urlAuth: ctx.secrets.get('url-auth'),
    fetch: resolved.fetch,
    lookOnly,
    sink: ctx.face.sink,
    signal: AbortSignal.any([ctx.stop, ctx.detach]),
    connect: (node) => site.connect(node),
  });
}

export function planOptions(resolved: ResolvedUpgrade, healthStable: number | undefined): PlanOptions {
  const { mode, backup, maxFailures, onFailure, giveUp, limitRate, distribution } = resolved;
  return { mode, backup, maxFailures, onFailure, giveUp, healthStable, limitRate, distribution, provisionMode: mode };
}

function tell(ctx: CommandContext, { plan, package: pkg }: PreparedUpgrade): void {
  if (pkg.reason !== undefined) ctx.face.say(pkg.reason);
  ctx.face.report(plan.checks);
}

/** Every node is at the target, and nobody waits for a provision that could be done. */
function nothingToDo(plan: Plan): boolean {
  return plan.nodes.every((node) => node.action === 'skip' && !node.requests.includes('provision'));
}

function sayNothingToDo(ctx: CommandContext, plan: Plan): ExitStatus {
  const target = `${plan.package?.product ?? ''} ${plan.package?.version ?? ''}`;
  ctx.face.say(
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
  ctx.face.result({ outcome, status, nodes: Object.fromEntries(nodes) });
  return status;
}

/** Nodes that a question names one by one. */
const NAMED = 12;

/** What a person says yes to: nodes, versions, and whether there is a way back. */
function question(plan: Plan): string {
  const to = plan.package?.version ?? '';
  const changing = plan.nodes.filter((node) => node.action === 'change');
  const nodes = changing.length === 1 ? '1 node' : `${String(changing.length)} nodes`;
  const without = plan.options.backup === 'none' ? ' without a backup' : '';
  return [
    `${plan.cluster} is a production cluster. Upgrade ${nodes} to ${to}${without}?`,
    ...changing.slice(0, NAMED).map(({ name, from }) => `${name}: ${from ?? 'not installed'} → ${to}`),
    ...(changing.length > NAMED ? [`… and ${String(changing.length - NAMED)} more`] : []),
  ].join('\n');
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
