import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { NodeConnection } from '../../ssh/connection';
import type { Plan, PlanNode, PlanOptions, StepName } from '../journal/plan';
import { packageOn, type Scripts } from '../control/runpackage';
import type { NodeProbe } from './check-input';
import { checkAll } from './checks';
import { installedOf, allInstalledScripts } from './installed';
import { installedPackageOf, planFor, stateDirOf } from './plan-for';
import { probeNodes } from './probe';
import { seenOf } from './seen';

export interface PrepareProvision {
  readonly cluster: Cluster;
  readonly nodes: readonly NodeModel[];
  readonly options: PlanOptions;
  readonly overrides: readonly string[];
  readonly command: string;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/** A run that only provisions, with the script that the last upgrade left on the primary. */
export async function prepareProvision(request: PrepareProvision): Promise<{ plan: Plan; package: Scripts }> {
  const { cluster, nodes, options, signal } = request;
  const probes = await probeNodes({
    cluster,
    nodes,
    package: undefined,
    action: 'provision',
    commands: [],
    paths: [],
    signal,
    connect: (node) => request.connect(node),
  });
  const primaryLeftOut = !nodes.some((node) => node.name === cluster.primary);
  if (primaryLeftOut) throw leftOut(cluster.primary);
  const kept = allInstalledScripts(probes, cluster.primary, (node) => request.connect(node), { signal });
  const checks = checkAll({
    cluster,
    probes: kept.probes,
    package: undefined,
    backup: 'none',
    primaryLeftOut,
    overrides: request.overrides,
  });
  const pkg = provisionPackage(kept, cluster.primary);
  const plan = planFor(cluster, 'provision', {
    nodes: probes.map((probe) => planNode(probe, packageOn(pkg, probe.model.name), cluster.primary)),
    batches: [probes.map(({ model }) => model.name)],
    package: installedPackageOf(pkg, cluster.primary),
    options,
    checks,
    overrides: request.overrides,
    command: request.command,
    point: undefined,
  });
  return { plan, package: pkg };
}

function planNode(probe: NodeProbe, own: Scripts | undefined, primary: string): PlanNode {
  const { model, facts } = probe;
  return {
    name: model.name,
    model,
    stateDir: stateDirOf(probe),
    ...ownPart(own),
    action: 'change',
    requests: [...new Set(facts?.requests.map((each) => each.kind))],
    steps: stepsOf(model.name === primary, own),
    seen: seenOf(probe),
  };
}

/** Each node is proven healthy by what it keeps itself. */
function ownPart(own: Scripts | undefined): Pick<PlanNode, 'from' | 'to' | 'installed'> {
  return own ? { from: own.version, to: own.version, installed: installedOf(own) } : { from: undefined, to: undefined };
}

function stepsOf(primary: boolean, own: Scripts | undefined): StepName[] {
  const health = own?.manifest.scripts.health !== undefined;
  return ['lock', ...(primary ? (['provision'] as const) : []), ...(health ? (['settle'] as const) : []), 'unlock'];
}

/** What the primary keeps of the last upgrade. @throws ClusterliftError `not-installed`, `no-provision` */
function provisionPackage({ scripts: pkg, probes }: ReturnType<typeof allInstalledScripts>, primary: string): Scripts {
  const probe = probes.find(({ model }) => model.name === primary);
  if (probe?.error) throw probe.error;
  if (probe?.versionError) throw probe.versionError;
  if (!pkg || !packageOn(pkg, primary)) throw notInstalled(primary);
  if (pkg.manifest.scripts.provision === undefined) throw noProvision(pkg.product);
  return pkg;
}

function leftOut(primary: string): ClusterliftError {
  return new ClusterliftError({
    code: 'primary-left-out',
    message: `Provisioning runs on the primary ${primary}, which --nodes leaves out`,
    hint: `Add ${primary} to --nodes, or leave --nodes away.`,
    exit: ExitStatus.refused,
  });
}

function notInstalled(primary: string): ClusterliftError {
  return new ClusterliftError({
    code: 'not-installed',
    message: `${primary} keeps nothing of an upgrade by Clusterlift, so there is no provision script`,
    hint: 'Upgrade the cluster first: `clusterlift upgrade <ISO>`.',
    exit: ExitStatus.refused,
    node: primary,
  });
}

function noProvision(product: string): ClusterliftError {
  return new ClusterliftError({
    code: 'no-provision',
    message: `${product} has no provision script`,
    hint: 'There is nothing to provision.',
    exit: ExitStatus.refused,
  });
}
