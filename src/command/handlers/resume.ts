import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { overriddenNode } from '../../base/overrides';
import { didYouMean } from '../../base/suggest';
import { chooseCluster, findClustersFile } from '../../cluster/find';
import { loadClusters } from '../../cluster/load';
import type { Cluster } from '../../cluster/model';
import { reopenPackage } from '../../engine/prepare/reopen';
import { planToday } from '../../engine/prepare/today';
import { resumeRun } from '../../engine/run';

import { changesBegun, isResumable, stepOf, type RunView } from '../../engine/journal/view';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { connections } from '../site';
import { adoptFromNodes } from './adopt';
import { confirmChanges } from './changes';
import { reopenRequest, runHost } from './host';
import { pickRun, runClosed } from './pick-run';

/** `resume [<run>]`: goes on with a run that nobody works on, from its journal, asking the nodes first. */
export async function resume(ctx: CommandContext, name: string | undefined, options: Options): Promise<ExitStatus> {
  ctx.ui.expectRun();
  const given = options.fromNodes ? await adoptFromNodes(ctx, name, options) : name;
  const record = await pickRun(
    ctx.runs,
    given,
    'resume',
    ({ view, state }) => state !== 'live' && state !== 'abandoned' && isResumable(view),
  );
  const { view } = record;
  if (record.problem) throw record.problem;
  if (!isResumable(view)) throw runClosed(record.run);
  demandKnownNodes(view, options);
  const cluster = await clusterToday(ctx, view, options);
  const { moved, leftOut } = await confirmChanges(ctx, view, cluster, options);
  const site = connections(ctx, { file: cluster.file, cluster: cluster.name }, cluster.nodes, options);
  try {
    const plan = planToday(view.plan, cluster);
    const request = reopenRequest(ctx, site);
    const pkg = plan.package && (await reopenPackage(plan, request));
    if (pkg && needsPackage(view)) await pkg.scriptFiles();
    const { entries } = await ctx.runs.entries(record.run);
    ctx.ui.begin(planToday(record.plan, cluster), entries);
    const host = { ...runHost(ctx, site), giveUp: options.giveUp };
    const after = await resumeRun(host, record.run, pkg, {
      decisions: (options.decide ?? []).map(({ node, answer }) => ({ node, choice: answer })),
      overrides: options.override ?? [],
      moved,
      leftOut,
      today: (planned) => planToday(planned, cluster),
    });
    ctx.ui.summary(after, record.folder);
    return after.exit ?? ExitStatus.unknown;
  } finally {
    await site.close();
  }
}

/**
 * The cluster of a run as its clusters.json has it today: the file that the run was started with, or `--config`.
 * @throws ClusterliftError `config-gone`, `cluster-gone`, and those of a file with errors
 */
async function clusterToday(ctx: CommandContext, view: RunView, options: Options): Promise<Cluster> {
  const { env, cwd, platform } = ctx;
  const config = options.config ?? view.configFile;
  try {
    const { path } = await findClustersFile({ env, cwd, platform, config });
    return chooseCluster(await loadClusters(path), view.plan.cluster);
  } catch (error) {
    if (options.config === undefined && hasCode(error, 'config-missing')) throw configGone(view.run, config);
    if (hasCode(error, 'cluster-unknown')) throw clusterGone(view, config);
    throw error;
  }
}

/** @throws ClusterliftError `usage-unknown-node` of an override that names no node of the run */
function demandKnownNodes({ plan }: RunView, { override = [] }: Options): void {
  const names = plan.nodes.map(({ name }) => name);
  const strange = override.map(overriddenNode).find((node) => node !== undefined && !names.includes(node));
  if (strange === undefined) return;
  throw new ClusterliftError({
    code: 'usage-unknown-node',
    message: `run ${plan.run} has no node "${strange}"`,
    hint: didYouMean(strange, names, `Nodes: ${names.slice(0, 20).join(', ')}.`),
    exit: ExitStatus.usage,
  });
}

/** Does a node lack what the run brings? It is looked for first: without it nothing is begun, and the run stays open. */
function needsPackage({ plan, nodes, committed }: RunView): boolean {
  if (plan.action !== 'upgrade' || committed || Object.values(nodes).some(changesBegun)) return false;
  return plan.nodes.some(({ name, action }) => action === 'change' && stepOf(nodes[name], 'unpack')?.state !== 'done');
}

function configGone(run: string, path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'config-gone',
    message: `Run ${run} was started with ${path}, and that file is gone`,
    hint: advice`Give the file that has its nodes now: \`clusterlift resume ${run} --config FILE\`.`,
    exit: ExitStatus.refused,
  });
}

function clusterGone({ run, plan }: RunView, path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'cluster-gone',
    message: `Run ${run} is about the cluster ${plan.cluster}, which is not in ${path} any more`,
    hint: advice`Put it back, or give another file with --config; or close the run with \`clusterlift runs abandon ${run}\`.`,
    exit: ExitStatus.refused,
  });
}
