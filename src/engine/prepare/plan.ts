import { isOverridden } from '../../base/overrides';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import { sameVersion } from '../../package/version';
import { batchesOf, orderNodes } from '../journal/order';
import { parseRecord } from '../node/record';
import type { CheckResult, Plan, PlanNode, PlanOptions, StepName } from '../journal/plan';
import type { NodeProbe } from './check-input';
import type { ReadyPackage } from './package';
import { planFor, stateDirOf } from './plan-for';
import { seenOf } from './seen';

export interface UpgradePlanInput {
  readonly cluster: Cluster;
  readonly package: ReadyPackage;
  readonly probes: readonly NodeProbe[];
  readonly checks: readonly CheckResult[];
  readonly options: PlanOptions;
  readonly batch: readonly string[] | undefined;
  readonly command: string;
  readonly overrides: readonly string[];
}

/** Freezes an upgrade: which nodes, in which order and waves, through which steps. */
export function planUpgrade(input: UpgradePlanInput): Plan {
  const { cluster, package: pkg, options } = input;
  const byName = new Map(input.probes.map((probe) => [probe.model.name, probe]));
  const ordered = orderNodes(
    input.probes.map((probe) => probe.model),
    cluster.roleOrder ?? (pkg.manifest.roles.length > 0 ? pkg.manifest.roles : undefined),
  );
  const nodes = ordered.map((model) => planNode(input, model, byName.get(model.name)));
  const changing = nodes.filter((node) => node.action === 'change').map((node) => node.name);
  return planFor(cluster, 'upgrade', {
    nodes,
    batches: batchesOf(changing, options.mode, input.batch),
    ...(input.batch === undefined || options.mode === 'serial' ? {} : { batch: input.batch }),
    package: {
      product: pkg.product,
      version: pkg.version,
      sha256: pkg.sha256,
      size: pkg.size,
      source: pkg.source,
      manifest: pkg.manifestValue,
      signedBy: pkg.signedBy,
      word: pkg.word,
      chosen: pkg.reason === undefined ? undefined : true,
      kept: pkg.kept,
    },
    options,
    checks: input.checks,
    overrides: input.overrides,
    command: input.command,
    point: undefined,
  });
}

function planNode(input: UpgradePlanInput, model: NodeModel, probe: NodeProbe | undefined): PlanNode {
  const { package: pkg, options, cluster } = input;
  const requests = [...new Set(probe?.facts?.requests.map((request) => request.kind))];
  const atTarget = isAtTarget(probe, pkg) && !isOverridden(input.overrides, 'same-version', model.name);
  const rebootOnly = atTarget && requests.includes('reboot');
  const action = atTarget && !rebootOnly ? 'skip' : 'change';
  const own =
    action === 'skip' ? [] : stepsOf(pkg.manifest, options.backup !== 'none', rebootOnly, requests.includes('reboot'));
  const tail: StepName[] = pkg.manifest.scripts.health === undefined ? ['unlock'] : ['settle', 'unlock'];
  const provision: StepName[] =
    model.name === cluster.primary && pkg.manifest.provision === 'always' ? ['provision'] : [];
  return {
    name: model.name,
    model,
    stateDir: stateDirOf({ facts: probe?.facts, model }),
    from: probe?.version,
    to: pkg.version,
    action,
    requests,
    steps: ['lock', ...own, ...provision, ...tail],
    seen: probe && seenOf(probe, true),
  };
}

/** A node is passed over only if its version is the target, it is healthy, and its last recorded upgrade ended well. */
function isAtTarget(
  probe: NodeProbe | undefined,
  pkg: { readonly product: string; readonly version: string },
): boolean {
  if (probe?.version === undefined || !sameVersion(probe.version, pkg.version) || probe.healthy !== true) return false;
  const text = probe.facts?.products.find((each) => each.product === pkg.product)?.record;
  return text === undefined || parseRecord(text)?.state === 'done';
}

function stepsOf(manifest: Manifest, backup: boolean, rebootOnly: boolean, reboot: boolean): StepName[] {
  const { stop, start, health } = manifest.scripts;
  const has = (script: string | undefined, step: StepName): StepName[] => (script === undefined ? [] : [step]);
  return [
    'stage',
    'unpack',
    ...(backup ? (['backup', 'verify-backup'] as const) : []),
    ...(rebootOnly ? [] : [...has(stop, 'stop'), 'upgrade' as const, ...has(start, 'start')]),
    ...(reboot ? (['reboot'] as const) : []),
    'version',
    ...has(health, 'health'),
  ];
}
