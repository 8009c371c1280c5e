import { mapLimit } from '../../base/async';
import { wallClock } from '../../base/clock';
import { ClusterliftError } from '../../base/errors';
import { excludedPaths } from '../../backup/exclude';
import { LOCAL_BACKUP } from '../../backup/location';
import type { Finding } from '../../backup/paths';
import { newPointId } from '../../backup/point';
import { checkBackup } from '../../backup/points';
import type { BackupNode, Store } from '../../backup/store';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import { membersOf, scriptEnvironment } from '../environment';
import type { Plan, PlanBackup, PlanNode, PlanOptions, PlanPoint } from '../plan';
import type { RunPackage } from '../runpackage';
import { newRunId } from '../runs';
import type { NodeProbe } from './check-input';
import { checkAll } from './checks';
import { judged } from './findings';
import { installedPackage, withVersion } from './installed';
import { probeNodes } from './probe';
import { seenOf } from './seen';

/** What a backup in a plan is made of. */
export interface BackupDraft {
  readonly cluster: Cluster;
  readonly store: Store;
  readonly reason: PlanBackup['reason'];
  readonly nodes: readonly BackupNode[];
  readonly manifest: Manifest | undefined;
  /** `look`: nothing is written, not even to try the location. */
  readonly how: 'look' | 'write';
  /** `restore`: this run may swap the paths back by itself, so what forbids a restore forbids the run. */
  readonly purpose: 'backup' | 'restore';
  readonly signal: AbortSignal;
}

/** Judges and freezes a backup: clusters.json says what is backed up, else the manifest. */
export async function draftBackup(
  draft: BackupDraft,
): Promise<{ point: PlanPoint; backup: PlanBackup; findings: readonly Finding[] }> {
  const { cluster, store, nodes, manifest, signal } = draft;
  const { paths = [], exclude = [] } = cluster.backup ?? manifest?.backup ?? {};
  const check = await checkBackup(store, nodes, paths, draft, signal);
  const { name, uri } = store.location;
  const own = nodes.map((node): [string, PlanBackup['nodes'][string]] => [
    node.name,
    { leaveOut: check.leaveOut[node.name] ?? [], bytes: check.bytes[node.name] ?? 0 },
  ]);
  return {
    point: { location: name, uri, id: newPointId(cluster.name, new Date(wallClock())), sha256: undefined },
    backup: { reason: draft.reason, paths, exclude, quiet: isQuiet(manifest), nodes: Object.fromEntries(own) },
    findings: [
      ...check.findings,
      ...excludedPaths(paths, exclude, store.location.kind),
      ...(name === LOCAL_BACKUP ? [diesWithNode()] : []),
    ],
  };
}

function isQuiet(manifest: Manifest | undefined): boolean {
  return manifest !== undefined && manifest.quiet && manifest.scripts.stop !== undefined;
}

function diesWithNode(): Finding {
  return {
    code: 'local-backup',
    level: 'warn',
    node: undefined,
    path: undefined,
    message: `${LOCAL_BACKUP} lies on the nodes themselves: a node that is lost takes its backup with it`,
    fix: 'Use a backup server: clusterlift backup add <name> sftp://user@host/path',
  };
}

export interface PrepareBackup {
  readonly cluster: Cluster;
  readonly nodes: readonly NodeModel[];
  readonly store: Store;
  readonly options: PlanOptions;
  readonly overrides: readonly string[];
  readonly command: string;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/** A run that only makes a restore point, with what the last upgrade left on the nodes. */
export async function prepareBackup(
  request: PrepareBackup,
): Promise<{ readonly plan: Plan; readonly package: RunPackage | undefined }> {
  const { cluster, nodes, store, signal } = request;
  const probes = await probeNodes({
    cluster,
    nodes,
    package: undefined,
    action: 'backup',
    commands: [],
    paths: [],
    signal,
    connect: (node) => request.connect(node),
  });
  const pkg = packageOf(request, probes);
  const asked = pkg ? await versions(request, probes, pkg) : probes;
  const { point, backup, findings } = await draftBackup({
    cluster,
    store,
    reason: 'manual',
    nodes: backupNodes(probes, (node) => request.connect(node)),
    manifest: pkg?.manifest,
    how: request.dryRun ? 'look' : 'write',
    purpose: 'backup',
    signal,
  });
  const checks = checkAll({
    cluster,
    probes: asked,
    package: undefined,
    backup: store.location.name,
    primaryLeftOut: false,
    overrides: request.overrides,
  });
  const plan: Plan = {
    schema: 1,
    run: newRunId(cluster.name),
    created: new Date(wallClock()).toISOString(),
    action: 'backup',
    cluster: cluster.name,
    configFile: cluster.file,
    production: cluster.production,
    primary: cluster.primary,
    members: membersOf(cluster),
    nodes: asked.map(planNode),
    batches: [asked.map(({ model }) => model.name)],
    package: pkg && {
      product: pkg.product,
      version: pkg.version,
      sha256: pkg.sha256,
      size: 0,
      source: { kind: 'node', node: holder(asked, pkg), path: 'installed' },
      manifest: pkg.manifestValue,
      signedBy: undefined,
    },
    options: request.options,
    checks: [...checks, ...judged(findings, request.overrides)],
    overrides: request.overrides,
    command: request.command,
    point,
    backup,
  };
  return { plan, package: pkg };
}

/** Nodes that answered; the others are findings of their own. */
export function backupNodes(probes: readonly NodeProbe[], connect: (node: NodeModel) => NodeConnection): BackupNode[] {
  return probes.flatMap(({ model, facts }) =>
    facts ? [{ name: model.name, connection: connect(model), stateDir: facts.state.path }] : [],
  );
}

/** What the primary keeps, else the first node that keeps anything. */
function packageOf(request: PrepareBackup, probes: readonly NodeProbe[]): RunPackage | undefined {
  const primaryFirst = [...probes].sort((a, b) => Number(isPrimary(request, b)) - Number(isPrimary(request, a)));
  for (const probe of primaryFirst) {
    const pkg = installedPackage(probe, () => request.connect(probe.model));
    if (pkg) return pkg;
  }
  return undefined;
}

function isPrimary({ cluster }: PrepareBackup, { model }: NodeProbe): boolean {
  return model.name === cluster.primary;
}

/** The node that the package was read from: a resumed run reads it there again. */
function holder(probes: readonly NodeProbe[], pkg: RunPackage): string {
  const holds = ({ facts }: NodeProbe): boolean =>
    facts?.products.some((each) => each.product === pkg.product) ?? false;
  return probes.find(holds)?.model.name ?? '';
}

async function versions(
  request: PrepareBackup,
  probes: readonly NodeProbe[],
  pkg: RunPackage,
): Promise<readonly NodeProbe[]> {
  const { cluster, signal } = request;
  const results = await mapLimit(probes, 20, async (probe) => {
    if (!probe.facts) return probe;
    const env = scriptEnvironment({
      action: 'backup',
      cluster: cluster.name,
      run: '',
      primary: cluster.primary,
      node: probe.model,
      members: membersOf(cluster),
      directory: '',
      from: undefined,
      to: undefined,
    });
    return withVersion(probe, pkg, request.connect(probe.model), env, signal);
  });
  signal.throwIfAborted();
  return results.map((result, index) => {
    if (result.status === 'fulfilled') return result.value;
    const probe = probes[index];
    if (!probe || !(result.reason instanceof ClusterliftError)) throw result.reason;
    return { ...probe, versionError: result.reason };
  });
}

function planNode(probe: NodeProbe): PlanNode {
  const { model, facts, version } = probe;
  return {
    name: model.name,
    model,
    stateDir: facts?.state.path ?? model.stateDir ?? '/var/lib/clusterlift',
    from: version,
    to: version,
    action: 'change',
    requests: [],
    steps: ['lock', 'backup', 'verify-backup', 'unlock'],
    seen: seenOf(probe),
  };
}
