import { advice } from '../../base/shell';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { PackageCache } from '../../package/sources/cache';
import type { Store } from '../../backup/points/store';
import { manifestOf } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import type { EventSink } from '../journal/events';
import { gatherFacts } from '../node/facts';
import { installedVersion, parseRecord } from '../node/record';
import type { Plan, PlanOptions } from '../journal/plan';
import { backupNodes, draftBackup } from './backup';
import type { NodeProbe } from './check-input';
import { checkAll } from './checks';
import { blocksOf, judged, warn, type Finding } from './findings';
import { getPackage, type ReadyPackage } from './package';
import { planUpgrade } from './plan';
import { wantedBy } from './script-checks';
import { askPackage, askWhatIsInstalled, probeNodes, type ProbeRequest } from './probe';

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
  /** May scripts of the package run on the nodes? On a production cluster only with its name. */
  readonly consent: boolean;
  /** No run follows: whatever was only brought somewhere to be looked at is removed again. */
  readonly lookOnly: boolean;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

export interface PreparedUpgrade {
  readonly plan: Plan;
  readonly package: ReadyPackage;
  /** Did the package's own scripts run on the nodes? */
  readonly asked: boolean;
  /** Asks with the package's own scripts, and plans again. After consent only. */
  ask(): Promise<PreparedUpgrade>;
}

/**
 * Everything before the first lock: the whole package verified, all nodes asked, all checks in one report, the plan frozen.
 * Nothing is changed anywhere but a temporary directory (and, where two names may be one machine, a mark) on each node, which is removed at once (and, with
 * `--fetch primary`, the download there).
 *
 * First comes all that needs no script of the package; versions and health are asked with what is installed. Scripts of
 * the package run only where nothing blocks and `consent` is given.
 */
export async function prepareUpgrade(request: PrepareUpgrade): Promise<PreparedUpgrade> {
  const pkg = await packageOf(request);
  const probing = probingOf(request, pkg);
  const known = await askWhatIsInstalled(probing, await probeNodes({ ...probing, package: undefined }));
  const first = await draftOf(request, pkg, known);
  const ask = async (): Promise<PreparedUpgrade> => {
    const { plan } = await draftOf(request, pkg, await askPackage(probing, known), first);
    return { plan, package: pkg, asked: true, ask };
  };
  const why = blocksOf(first.plan.checks).length > 0 ? 'blocked' : request.consent ? undefined : 'no-consent';
  if (why === undefined) return ask();
  const checks = [...first.plan.checks, ...judged([notAsked(request, why)], [])];
  return { plan: { ...first.plan, checks }, package: pkg, asked: false, ask };
}

async function packageOf(request: PrepareUpgrade): Promise<ReadyPackage> {
  const { cluster, signal, sink, cwd, cache, urlAuth } = request;
  const primary = cluster.nodes.find((node) => node.name === cluster.primary);
  if (!primary) throw new Error(`${cluster.name} has no primary`);
  return getPackage({
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
}

function probingOf(request: PrepareUpgrade, pkg: ReadyPackage): ProbeRequest & { readonly package: ReadyPackage } {
  const { cluster, nodes, signal } = request;
  return {
    cluster,
    nodes,
    package: pkg,
    action: 'check',
    commands: [...pkg.manifest.needs.commands, ...wantedBy(pkg.starts)],
    paths: [],
    signal,
    connect: (node) => request.connect(node),
  };
}

interface Draft {
  readonly plan: Plan;
  /** Of the nodes that change; undefined: there is none. */
  readonly backup: Awaited<ReturnType<typeof draftBackup>> | undefined;
}

/** @param before an earlier draft, whose backup holds where the same nodes change */
async function draftOf(
  request: PrepareUpgrade,
  pkg: ReadyPackage,
  probes: readonly NodeProbe[],
  before?: Draft,
): Promise<Draft> {
  const { cluster, nodes, overrides } = request;
  const checks = checkAll({
    cluster,
    probes,
    package: pkg,
    backup: request.options.backup,
    primaryLeftOut: !nodes.some((node) => node.name === cluster.primary),
    overrides,
  });
  const plan = planUpgrade({
    cluster,
    package: pkg,
    probes,
    checks,
    options: request.options,
    batch: request.batch,
    command: request.command,
    overrides,
  });
  const same = before && changing(before.plan).join() === changing(plan).join();
  const drafted = same ? before.backup : await backupOf(request, plan, probes);
  if (!drafted) return { plan, backup: undefined };
  const { point, backup, findings } = drafted;
  return { plan: { ...plan, point, backup, checks: [...checks, ...judged(findings, overrides)] }, backup: drafted };
}

function changing({ nodes }: Plan): string[] {
  return nodes.filter(({ action }) => action === 'change').map(({ name }) => name);
}

/** The backup of the nodes that change, judged and frozen. */
async function backupOf(request: PrepareUpgrade, plan: Plan, probes: readonly NodeProbe[]): Promise<Draft['backup']> {
  const { cluster, store, signal } = request;
  const names = new Set(changing(plan));
  if (!store || names.size === 0) return undefined;
  const manifest = manifestOf(plan.package?.manifest);
  const those = probes.filter(({ model }) => names.has(model.name));
  return draftBackup({
    cluster,
    store,
    reason: 'upgrade',
    nodes: backupNodes(those, (node) => request.connect(node)),
    manifestOn: () => manifest,
    how: request.lookOnly ? 'look' : 'write',
    purpose: plan.options.onFailure === 'rollback' ? 'restore' : 'backup',
    signal,
  });
}

/** What was left out, said in the report. */
function notAsked({ cluster, lookOnly }: PrepareUpgrade, why: 'blocked' | 'no-consent'): Finding {
  const what = 'The scripts of the package were not run';
  if (why === 'blocked')
    return warn(
      'not-asked',
      undefined,
      `${what}, because other checks block the run`,
      'Fix what blocks; then they run, too.',
    );
  const message = `${what}: ${cluster.name} is a production cluster. Versions and health come from what is installed`;
  const fix = lookOnly
    ? advice`\`--confirm ${cluster.name}\` runs its version and check scripts, too.`
    : `They run after you typed the name; a plan that changes by them is confirmed again.`;
  return warn('not-asked', undefined, message, fix);
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
