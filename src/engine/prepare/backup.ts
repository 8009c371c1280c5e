import { wallClock } from '../../base/clock';
import { excludedPaths } from '../../backup/exclude';
import { LOCAL_BACKUP } from '../../backup/points/location';
import type { Finding } from '../../backup/paths';
import { newPointId } from '../../backup/points/point';
import { checkBackup } from '../../backup/lifecycle';
import type { BackupNode, Store } from '../../backup/points/store';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import type { Plan, PlanBackup, PlanNode, PlanNodeBackup, PlanOptions, PlanPoint } from '../journal/plan';
import { packageOn, type Scripts } from '../control/runpackage';
import type { NodeProbe } from './check-input';
import { checkAll } from './checks';
import { judged } from './findings';
import { installedOf, allInstalledScripts } from './installed';
import { installedPackageOf, planFor, stateDirOf } from './plan-for';
import { probeNodes } from './probe';
import { seenOf } from './seen';
import { askVersions } from './versions';

/** What a backup in a plan is made of. */
export interface BackupDraft {
  readonly cluster: Cluster;
  readonly store: Store;
  readonly reason: PlanBackup['reason'];
  readonly nodes: readonly BackupNode[];
  /** Of the package as a node has it. */
  manifestOn(node: string): Manifest | undefined;
  /** `look`: nothing is written, not even to try the location. */
  readonly how: 'look' | 'write';
  /** `restore`: this run may swap the paths back by itself, so what forbids a restore forbids the run. */
  readonly purpose: 'backup' | 'restore';
  readonly signal: AbortSignal;
}

type Scope = Pick<PlanBackup, 'paths' | 'exclude' | 'quiet'>;

/** Judges and freezes a backup: clusters.json says what is backed up, else the manifest that the node has. */
export async function draftBackup(
  draft: BackupDraft,
): Promise<{ point: PlanPoint; backup: PlanBackup; findings: readonly Finding[] }> {
  const { cluster, store, nodes, signal } = draft;
  const scopes = new Map(nodes.map((node) => [node.name, scopeOf(cluster, draft.manifestOn(node.name))]));
  const all = scopes.get(cluster.primary) ?? [...scopes.values()][0] ?? scopeOf(cluster, undefined);
  const scopeOn = (node: string): Scope => scopes.get(node) ?? all;
  const check = await checkBackup(store, nodes, (node) => scopeOn(node).paths, draft, signal);
  const { name, uri } = store.location;
  const own = nodes.map((node): [string, PlanNodeBackup] => [
    node.name,
    {
      leaveOut: check.leaveOut[node.name] ?? [],
      bytes: check.bytes[node.name] ?? 0,
      ...(isEqual(scopeOn(node.name), all) ? {} : { own: scopeOn(node.name) }),
    },
  ]);
  return {
    point: { location: name, uri, id: newPointId(cluster.name, new Date(wallClock())), sha256: undefined },
    backup: { reason: draft.reason, ...all, nodes: Object.fromEntries(own) },
    findings: [
      ...check.findings,
      ...excludedPaths(all.paths, all.exclude, store.location.kind),
      ...own.flatMap(([node, each]) => otherScope(node, each.own, store)),
      ...(name === LOCAL_BACKUP ? [diesWithNode()] : []),
    ],
  };
}

function scopeOf(cluster: Cluster, manifest: Manifest | undefined): Scope {
  const { paths = [], exclude = [] } = cluster.backup ?? manifest?.backup ?? {};
  return { paths, exclude, quiet: isQuiet(manifest) };
}

/** What a node backs up otherwise is its own affair, and told. */
function otherScope(node: string, own: Scope | undefined, { location }: Store): Finding[] {
  if (!own) return [];
  const excluded = excludedPaths(own.paths, own.exclude, location.kind).map((each) => ({ ...each, node }));
  if (own.paths.length === 0) return excluded;
  const message = `${node} keeps another manifest than the primary: of it is saved ${own.paths.join(', ')}`;
  const fix = 'Name the paths in "backup" of clusters.json where all nodes are to save the same.';
  return [...excluded, { code: 'backup-differs', level: 'warn', node, path: undefined, message, fix }];
}

function isEqual(a: Scope, b: Scope): boolean {
  const text = ({ paths, exclude, quiet }: Scope): string => JSON.stringify([paths, exclude, quiet]);
  return text(a) === text(b);
}

export function isQuiet(manifest: Manifest | undefined): boolean {
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
): Promise<{ readonly plan: Plan; readonly package: Scripts | undefined }> {
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
  const connect = (node: NodeModel): NodeConnection => request.connect(node);
  const kept = allInstalledScripts(probes, cluster.primary, connect);
  const { scripts: pkg } = kept;
  const asked = await askVersions({ cluster, action: 'backup', signal, connect }, kept.probes, (node) =>
    packageOn(pkg, node),
  );
  const { point, backup, findings } = await draftBackup({
    cluster,
    store,
    reason: 'manual',
    nodes: backupNodes(probes, connect),
    manifestOn: (node) => packageOn(pkg, node)?.manifest,
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
  const plan = planFor(cluster, 'backup', {
    nodes: asked.map((probe) => planNode(probe, packageOn(pkg, probe.model.name))),
    batches: [asked.map(({ model }) => model.name)],
    package: pkg && installedPackageOf(pkg, holder(asked, cluster, pkg)),
    options: request.options,
    checks: [...checks, ...judged(findings, request.overrides)],
    overrides: request.overrides,
    command: request.command,
    point,
    backup,
  });
  return { plan, package: pkg };
}

/** Nodes that answered; the others are findings of their own. */
export function backupNodes(probes: readonly NodeProbe[], connect: (node: NodeModel) => NodeConnection): BackupNode[] {
  return probes.flatMap(({ model, facts }) =>
    facts ? [{ name: model.name, connection: connect(model), stateDir: facts.state.path }] : [],
  );
}

/** The node that stands for the package in the plan. */
function holder(probes: readonly NodeProbe[], { primary }: Cluster, pkg: Scripts): string {
  const names = probes.map(({ model }) => model.name).filter((name) => packageOn(pkg, name) !== undefined);
  return names.find((name) => name === primary) ?? names[0] ?? '';
}

function planNode(probe: NodeProbe, pkg: Scripts | undefined): PlanNode {
  const { model, version } = probe;
  return {
    name: model.name,
    model,
    stateDir: stateDirOf(probe),
    from: version,
    to: version,
    action: 'change',
    requests: [],
    steps: ['lock', 'backup', 'verify-backup', 'unlock'],
    seen: seenOf(probe),
    ...(pkg && { installed: installedOf(pkg) }),
  };
}
