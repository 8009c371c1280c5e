import { wallClock } from '../../base/clock';
import type { Cluster } from '../../cluster/model';
import { recordedDigest, type Scripts } from '../control/runpackage';
import type { Plan, PlanPackage } from '../journal/plan';
import { newRunId } from '../journal/runs';
import { membersOf } from '../steps/environment';
import type { NodeProbe } from './check-input';

/** What the cluster says about a plan; an action says the rest. */
type OfCluster =
  'schema' | 'run' | 'created' | 'action' | 'cluster' | 'configFile' | 'production' | 'primary' | 'members';

/** The plan of an action: every plan is made here. It gets a new run id and the time of day. */
export function planFor(cluster: Cluster, action: Plan['action'], planned: Omit<Plan, OfCluster>): Plan {
  return {
    schema: 1,
    run: newRunId(cluster.name),
    created: new Date(wallClock()).toISOString(),
    action,
    cluster: cluster.name,
    configFile: cluster.file,
    production: cluster.production,
    primary: cluster.primary,
    members: membersOf(cluster),
    ...planned,
  };
}

/** The package of a plan that needs no image: what the nodes keep of their last upgrade. `node` stands for them. */
export function installedPackageOf(scripts: Scripts, node: string): PlanPackage {
  return {
    product: scripts.product,
    version: scripts.version,
    sha256: recordedDigest(scripts),
    size: 0,
    source: { kind: 'node', node, path: 'installed' },
    manifest: scripts.manifestValue,
    signedBy: undefined,
  };
}

/** The state directory of a node: where it is, else where it would be made. */
export function stateDirOf({ facts, model }: Pick<NodeProbe, 'facts' | 'model'>): string {
  return facts?.state.path ?? model.stateDir ?? '/var/lib/clusterlift';
}
