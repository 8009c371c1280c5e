import type { Cluster, NodeModel } from '../../cluster/model';
import type { RunContext } from '../control/context';
import type { Lane } from '../journal/events';
import type { Plan, PlanMember } from '../journal/plan';
import type { RunPackage } from '../control/runpackage';

/** Why a script of the package runs (`CLUSTERLIFT_ACTION`). */
export type ScriptAction = 'upgrade' | 'restore' | 'provision' | 'check' | 'backup' | 'status';

export interface ScriptSituation {
  readonly action: ScriptAction;
  readonly cluster: string;
  readonly run: string;
  readonly primary: string;
  readonly node: Pick<NodeModel, 'name' | 'roles'>;
  /** All nodes of the cluster, also those that the run leaves out. */
  readonly members: readonly PlanMember[];
  /** Directory of the unpacked package, on the node. */
  readonly directory: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** The variables that every script of a package gets. None of them is secret. */
export function scriptEnvironment(situation: ScriptSituation): Record<string, string> {
  const { action, cluster, run, primary, node, members, directory, from, to } = situation;
  return {
    CLUSTERLIFT_ACTION: action,
    CLUSTERLIFT_PACKAGE: directory,
    CLUSTERLIFT_CLUSTER: cluster,
    CLUSTERLIFT_NODE: node.name,
    CLUSTERLIFT_ROLES: node.roles.join(' '),
    CLUSTERLIFT_NODES: members.map((each) => `${each.name}=${each.address}`).join(' '),
    CLUSTERLIFT_PRIMARY: primary,
    CLUSTERLIFT_FROM: from ?? '',
    CLUSTERLIFT_TO: to ?? '',
    CLUSTERLIFT_RUN: run,
  };
}

/** What the scripts are told of the nodes of a cluster. */
export function membersOf({ nodes }: Pick<Cluster, 'nodes'>): PlanMember[] {
  return nodes.map(({ name, address }) => ({ name, address }));
}

/** Where the files of the run's package lie on a node. */
export function directoryOf(
  ctx: RunContext,
  pkg: Pick<RunPackage, 'product' | 'sha256' | 'place'>,
  node: string,
): string {
  const { stateDir } = ctx.node(node);
  switch (pkg.place) {
    case 'packages':
      return `${stateDir}/packages/${pkg.sha256}/files`;
    case 'installed':
      return `${stateDir}/installed/${pkg.product}/files`;
    case 'run':
      return `${stateDir}/runs/${ctx.plan.run}/files`;
  }
}

/** The environment of a script of the run's own package on one of its nodes. */
export function environmentOf(
  ctx: RunContext,
  node: string,
  action: ScriptAction,
  directory: string,
  lane: Lane = 'main',
): Record<string, string> {
  const { cluster, run, primary, nodes, members }: Plan = ctx.plan;
  const own = ctx.node(node);
  // A restore goes where its plan says; a rollback goes back from there.
  const back = (action === 'restore' || lane === 'rollback') && ctx.plan.action !== 'restore';
  return scriptEnvironment({
    action,
    cluster,
    run,
    primary,
    // A plan that was made before they were in it has the nodes of the run only.
    members: members ?? nodes.map(({ model }) => ({ name: model.name, address: model.address })),
    directory,
    node: own.model,
    from: back ? own.to : own.from,
    to: back ? own.from : (own.to ?? own.from),
  });
}
