import { wallClock } from '../../base/clock';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { PackageCache } from '../../package/sources/cache';
import type { Store } from '../../backup/store';
import { manifestOf } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import { membersOf } from '../environment';
import type { EventSink } from '../events';
import { gatherFacts } from '../node/facts';
import { installedVersion, parseRecord } from '../node/record';
import type { Plan, PlanOptions } from '../plan';
import { newRunId } from '../runs';
import { backupNodes, draftBackup } from './backup';
import type { NodeProbe } from './check-input';
import { checkAll } from './checks';
import { judged } from './findings';
import { getPackage, type ReadyPackage } from './package';
import { planUpgrade } from './plan';
import { probeNodes } from './probe';

export interface PrepareUpgrade {
  readonly cluster: Cluster;
  readonly nodes: readonly NodeModel[];
  readonly given: string | undefined;
  readonly sha256: string | undefined;
  /** Merged options; `healthStable` and `roleOrder` of the manifest apply where they are undefined. */
  readonly options: PlanOptions;
  readonly batch: readonly string[] | undefined;
  readonly overrides: readonly string[];
  /** Where the backup goes; undefined: there is none. */
  readonly store: Store | undefined;
  readonly command: string;
  readonly cwd: string;
  readonly cache: PackageCache;
  readonly urlAuth: string | undefined;
  readonly fetch: 'here' | 'primary';
  /** No run follows: whatever was only brought somewhere to be looked at is removed again. */
  readonly lookOnly: boolean;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

export interface PreparedUpgrade {
  readonly plan: Plan;
  readonly package: ReadyPackage;
  readonly probes: readonly NodeProbe[];
}

/**
 * Everything before the first lock: the whole package verified, all nodes asked, all checks in one report, the plan frozen.
 * Nothing is changed anywhere but a temporary directory on each node, which is removed at once (and, with
 * `--fetch primary`, the download there).
 */
export async function prepareUpgrade(request: PrepareUpgrade): Promise<PreparedUpgrade> {
  const { cluster, nodes, signal, sink, cwd, cache, urlAuth } = request;
  const primary = cluster.nodes.find((node) => node.name === cluster.primary);
  if (!primary) throw new Error(`${cluster.name} has no primary`);
  const pkg = await getPackage({
    given: request.given,
    sha256: request.sha256,
    cluster,
    cwd,
    cache,
    urlAuth,
    fetch: request.fetch,
    lookOnly: request.lookOnly,
    sink,
    signal,
    primary: { name: primary.name, connection: () => request.connect(primary) },
    installed: async () => installedOn(request.connect(primary), primary, signal),
  });
  const probes = await probeNodes({
    cluster,
    nodes,
    package: pkg,
    action: 'check',
    commands: pkg.manifest.needs.commands,
    paths: [],
    signal,
    connect: (node) => request.connect(node),
  });
  const checks = checkAll({
    cluster,
    probes,
    package: pkg,
    backup: request.options.backup,
    primaryLeftOut: !nodes.some((node) => node.name === cluster.primary),
    overrides: request.overrides,
  });
  const plan = planUpgrade({
    run: newRunId(cluster.name),
    created: new Date(wallClock()).toISOString(),
    cluster: cluster.name,
    configFile: cluster.file,
    production: cluster.production,
    primary: cluster.primary,
    members: membersOf(cluster),
    package: pkg,
    probes,
    checks,
    options: request.options,
    roleOrder: cluster.roleOrder,
    batch: request.batch,
    command: request.command,
    overrides: request.overrides,
    point: undefined,
  });
  return { plan: await withBackup(request, plan, probes), package: pkg, probes };
}

/** The plan with its backup judged and frozen, of the nodes that change. */
async function withBackup(request: PrepareUpgrade, plan: Plan, probes: readonly NodeProbe[]): Promise<Plan> {
  const { cluster, store, overrides, signal } = request;
  const names = new Set(plan.nodes.filter(({ action }) => action === 'change').map(({ name }) => name));
  if (!store || names.size === 0) return plan;
  const changing = probes.filter(({ model }) => names.has(model.name));
  const { point, backup, findings } = await draftBackup({
    cluster,
    store,
    reason: 'upgrade',
    nodes: backupNodes(changing, (node) => request.connect(node)),
    manifest: manifestOf(plan.package?.manifest),
    how: request.lookOnly ? 'look' : 'write',
    purpose: plan.options.onFailure === 'rollback' ? 'restore' : 'backup',
    signal,
  });
  return { ...plan, point, backup, checks: [...plan.checks, ...judged(findings, overrides)] };
}

/** What the primary's own records say is installed: the product that was upgraded last. */
async function installedOn(
  connection: NodeConnection,
  primary: NodeModel,
  signal: AbortSignal,
): Promise<{ product: string; version: string } | undefined> {
  const facts = await gatherFacts(connection, { stateDir: primary.stateDir, signal });
  const records = facts.products
    .map((each) => (each.record === undefined ? undefined : parseRecord(each.record)))
    .filter((record) => record !== undefined)
    .sort((a, b) => b.time - a.time);
  const [last] = records;
  const version = last && installedVersion(last);
  return last && version !== undefined ? { product: last.product, version } : undefined;
}
