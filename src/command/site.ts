import { join } from 'node:path';
import { atMost } from '../base/async';
import { cacheHome } from '../base/paths';
import { chooseCluster, findClustersFile } from '../cluster/find';
import { loadClusters } from '../cluster/load';
import type { Cluster, ClustersFile, NodeModel } from '../cluster/model';
import { PackageCache } from '../package/sources/cache';
import type { NodeConnection } from '../ssh/connection';
import { Connector } from '../ssh/connector';
import type { Options } from './command';
import type { CommandContext } from './context';
import { selectNodes } from './resolve';

/** The cluster that a command is about, and the ways to its nodes. */
export interface Site {
  readonly file: ClustersFile;
  readonly cluster: Cluster;
  /** Those of `--nodes`, else all. */
  readonly nodes: readonly NodeModel[];
  connect(node: NodeModel): NodeConnection;
  close(): Promise<void>;
}

/** @throws ClusterliftError of clusters.json, `cluster-unknown`, `cluster-ambiguous`, `usage-unknown-node` (status 2) */
export async function openSite(ctx: CommandContext, options: Options): Promise<Site> {
  const { env, cwd, platform } = ctx;
  const file = await loadClusters(await findClustersFile({ env, cwd, platform, config: options.config }));
  const cluster = chooseCluster(file, options.cluster);
  const nodes = selectNodes(cluster, options);
  ctx.face.busy(`looking at ${cluster.name}`);
  return { file, cluster, nodes, ...connections(ctx, cluster.name, cluster.nodes, options) };
}

/** Ways to nodes that are known already, such as those of a plan. */
export function connections(
  ctx: CommandContext,
  cluster: string,
  nodes: readonly NodeModel[],
  options: Options,
): Pick<Site, 'connect' | 'close'> {
  const connector = new Connector({
    cluster,
    nodes,
    asker: ctx.asker,
    secrets: ctx.secrets,
    acceptNewHostKeys: options.acceptNewHostKeys ?? false,
    env: ctx.env,
  });
  return {
    connect: (node) => connector.connect(node),
    close: () => atMost(3000, connector.closeAll()),
  };
}

export function packageCache(ctx: CommandContext): PackageCache {
  return new PackageCache(join(cacheHome(ctx.env)));
}
