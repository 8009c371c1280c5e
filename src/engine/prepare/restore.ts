import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Finding } from '../../backup/paths';
import type { Point } from '../../backup/points/point';
import { checkRestore, type RestorePreview, type RestoreReport } from '../../backup/restore';
import type { ReadPoint, Store } from '../../backup/points/store';
import type { Trust } from '../../backup/points/trust';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { NodeConnection } from '../../ssh/connection';
import { NO_UNDO, type Plan, type PlanNode, type PlanOptions, type PlanUndo, type StepName } from '../journal/plan';
import { pointScripts } from '../points/pointscripts';
import { packageOn, type Scripts } from '../control/runpackage';
import { backupNodes } from './backup';
import type { NodeProbe } from './check-input';
import { checkAll, leftOutFindings } from './checks';
import { judged, warn } from './findings';
import { installedOf, allInstalledScripts } from './installed';
import { planFor, stateDirOf } from './plan-for';
import { probeNodes } from './probe';
import { seenOf } from './seen';
import { draftUndo } from './undo';
import { askVersions, recordedVersion } from './versions';

export interface PrepareRestore {
  readonly cluster: Cluster;
  /** Those of `--nodes`; undefined: all that the point has. */
  readonly only: readonly NodeModel[] | undefined;
  readonly store: Store;
  /** As it was found. */
  readonly read: ReadPoint;
  /** Digest of the point in the journal of the run that made it, when that is here. */
  readonly journaled: string | undefined;
  readonly options: PlanOptions;
  readonly overrides: readonly string[];
  readonly command: string;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/**
 * Everything before a restore: the point judged, each node asked whether it vouches for it. Changes nothing, and runs nothing
 * that comes from the point: versions are what each node's own script and record say.
 */
export async function prepareRestore(request: PrepareRestore): Promise<Plan> {
  const { cluster, store, read, signal } = request;
  const connect = (node: NodeModel): NodeConnection => request.connect(node);
  const nodes = chosen(request, read.point);
  const all = await probeNodes({
    cluster,
    nodes,
    package: undefined,
    action: 'restore',
    commands: [],
    paths: [],
    signal,
    connect,
  });
  const answering = backupNodes(all, connect);
  const report = await checkRestore(store, read, answering, request.journaled, signal);
  const primaryLeftOut = !nodes.some(({ name }) => name === cluster.primary);
  const pkg = pointScripts(read.point, cluster.primary);
  const { probes, findings, kept } = await versionsNow(request, all, pkg);
  const overrides = takenOn(request.overrides, report.trust, nodes.length);
  const checks = checkAll({
    cluster,
    probes,
    package: undefined,
    backup: store.location.name,
    primaryLeftOut,
    overrides,
  });
  const manifest = packageOn(pkg, cluster.primary)?.manifest;
  const leftOut = primaryLeftOut && manifest ? leftOutFindings(cluster, manifest) : [];
  const how = request.dryRun ? 'look' : 'write';
  const { point } = read;
  const drafted = await draftUndo({ cluster, store, point, nodes: answering, kept, overrides, how, signal });
  const { undo } = drafted;
  const losses = report.nodes.flatMap((each) => lossesOf(each, point, undo));
  return planOf(request, { report, pkg, kept, probes, undo }, [
    ...checks,
    ...judged(
      [...report.findings, ...findings, ...leftOut, ...losses, ...unsaid(drafted.findings, report.findings)],
      overrides,
    ),
  ]);
}

/** What keeps the restore itself from being made is told once. */
function unsaid(undo: readonly Finding[], restore: readonly Finding[]): Finding[] {
  const blocks = restore.filter(({ level }) => level === 'block');
  const isSaid = (finding: Finding): boolean =>
    blocks.some(({ node, message }) => node === finding.node && finding.message.includes(message));
  return undo.filter((each) => !isSaid(each));
}

/** A bare `foreign-point` is for a point that no node knows; where some do, the others have to be named. */
function takenOn(overrides: readonly string[], { foreign }: Trust, asked: number): readonly string[] {
  return foreign.length === asked ? overrides : overrides.filter((each) => each !== 'foreign-point');
}

/** What is there now must not keep anybody from putting it back: a script that fails is told, and the record counts. */
async function versionsNow(
  request: PrepareRestore,
  all: readonly NodeProbe[],
  pkg: Scripts | undefined,
): Promise<{
  readonly probes: readonly NodeProbe[];
  readonly findings: readonly Finding[];
  readonly kept: Scripts | undefined;
}> {
  const { cluster, signal } = request;
  const connect = (node: NodeModel): NodeConnection => request.connect(node);
  const product = (node: string): string | undefined => packageOn(pkg, node)?.product ?? pkg?.product;
  const kept = allInstalledScripts(all, cluster.primary, connect, { signal, product });
  const asked = await askVersions({ cluster, action: 'restore', signal, connect }, kept.probes, (node) =>
    packageOn(kept.scripts, node),
  );
  const findings: Finding[] = [];
  const probes = asked.map((probe) => {
    const { name } = probe.model;
    const recorded = recordedVersion(probe, product(name) ?? '');
    const { versionError: error } = probe;
    if (!error) return { ...probe, version: probe.version ?? (packageOn(kept.scripts, name) ? undefined : recorded) };
    findings.push(warn(error.code, name, error.message, error.hint));
    return { ...probe, versionError: undefined, version: recorded };
  });
  return { probes, findings, kept: kept.scripts };
}

/** The nodes that are restored: the named ones, else all that the point has. @throws ClusterliftError `point-node` */
function chosen({ cluster, only }: PrepareRestore, point: Point): readonly NodeModel[] {
  if (only) return only;
  const names = Object.keys(point.nodes);
  const gone = names.filter((name) => !cluster.nodes.some((node) => node.name === name));
  if (gone.length > 0) throw notInCluster(point.id, gone, cluster.name);
  return cluster.nodes.filter(({ name }) => names.includes(name));
}

/** What the restore takes away from a node, in one finding. */
function lossesOf({ node, paths }: RestorePreview, point: Point, undo: PlanUndo | undefined): Finding[] {
  const losses = paths.flatMap(({ path, now, then, changed }) => {
    if (then === 'absent') return now === 'present' ? [`${path} as a whole (it was not there then)`] : [];
    if (changed === 0) return [];
    const count = changed >= 10_000 ? '10000 or more files and directories' : plural(changed);
    return [`${count} changed in ${path}`];
  });
  if (losses.length === 0) return [];
  const isKept = undo !== undefined && Object.hasOwn(undo.backup.nodes, node);
  const since = `${point.created.slice(0, 16).replace('T', ' ')} UTC`;
  return [
    {
      code: 'restore-loses',
      level: 'warn',
      node,
      path: undefined,
      message: `what came since ${since} will be ${isKept ? 'replaced' : 'lost'}: ${losses.join(', ')}`,
      fix: isKept
        ? `It is kept in restore point ${undo.id}, which is made first.`
        : advice`To keep it, leave \`--override ${NO_UNDO}\` out: a restore point is made first.`,
    },
  ];
}

function plural(count: number): string {
  return count === 1 ? '1 file or directory' : `${String(count)} files and directories`;
}

interface Found {
  readonly report: RestoreReport;
  /** Of the point. */
  readonly pkg: Scripts | undefined;
  /** Of the nodes. */
  readonly kept: Scripts | undefined;
  readonly probes: readonly NodeProbe[];
  readonly undo: PlanUndo | undefined;
}

function planOf(request: PrepareRestore, found: Found, checks: Plan['checks']): Plan {
  const { cluster, store, options, overrides, command } = request;
  const { report, probes, undo } = found;
  const { point, sha256, trust } = report;
  const verified = (name: string): boolean => report.status?.nodes[name]?.result === 'verified';
  const nodes = probes.map((probe) => {
    const { name } = probe.model;
    return planNode(probe, found, verified(name), cluster.primary);
  });
  return planFor(cluster, 'restore', {
    nodes,
    batches: [nodes.map(({ name }) => name)],
    package: undefined,
    options,
    checks,
    overrides,
    command,
    point: {
      location: store.location.name,
      uri: store.location.uri,
      id: point.id,
      sha256,
      trusted: trust.kind === 'known',
      ...(trust.kind === 'known' ? {} : { foreign: trust.foreign }),
    },
    ...(undo && { undo }),
  });
}

function planNode(
  probe: NodeProbe,
  { report, kept, undo, ...found }: Found,
  verified: boolean,
  primary: string,
): PlanNode {
  const { model, version } = probe;
  const to = report.nodes.find(({ node }) => node === model.name)?.to;
  const pkg = packageOn(found.pkg, model.name);
  const saved = undo !== undefined && Object.hasOwn(undo.backup.nodes, model.name);
  const own = saved ? packageOn(kept, model.name) : undefined;
  const { stop, start, restore, provision, health } = pkg?.manifest.scripts ?? {};
  const provisions = provision !== undefined && pkg?.manifest.provision === 'always' && model.name === primary;
  const step = (name: StepName, wanted: boolean): StepName[] => (wanted ? [name] : []);
  return {
    name: model.name,
    model,
    stateDir: stateDirOf(probe),
    from: version,
    to,
    action: 'change',
    requests: [],
    steps: [
      'lock',
      ...step('verify-backup', !verified),
      'stage',
      ...step('unpack', pkg !== undefined),
      ...step('backup', saved),
      ...step('stop', stop !== undefined),
      'restore',
      ...step('restore-script', restore !== undefined),
      ...step('start', start !== undefined && to !== undefined),
      ...step('provision', provisions),
      ...step('version', pkg !== undefined),
      ...step('health', health !== undefined && to !== undefined),
      'unlock',
    ],
    seen: seenOf(probe),
    ...(own && { installed: installedOf(own) }),
  };
}

function notInCluster(point: string, nodes: readonly string[], cluster: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-node',
    message: `Restore point ${point} has parts of ${nodes.join(', ')}, and ${cluster} has no such nodes`,
    hint: 'Name the cluster that it was made of with --cluster, put the nodes back into clusters.json, or choose with --nodes.',
    exit: ExitStatus.usage,
  });
}
