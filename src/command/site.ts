import { join } from 'node:path';
import { atMost } from '../base/async';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { parseLocation } from '../backup/points/location';
import { openStore, type StoreSite } from '../backup/open';
import type { BackupNode, Store } from '../backup/points/store';
import { cacheHome } from '../base/paths';
import { chooseCluster, findClustersFile } from '../cluster/find';
import { loadClusters } from '../cluster/load';
import type { BackupLocation, Cluster, ClustersFile, NodeModel } from '../cluster/model';
import { PackageCache } from '../package/sources/cache';
import type { NodeConnection } from '../ssh/connection';
import type { Realm } from '../ssh/reach/auth';
import { Connector } from '../ssh/reach/connector';
import type { Options } from './command';
import type { CommandContext } from './context';
import { allowLocalNodes } from './local-nodes';
import { selectNodes } from './resolve';

/** The cluster that a command is about, and the ways to its nodes. */
export interface Site {
  readonly file: ClustersFile;
  readonly cluster: Cluster;
  /** Those of `--nodes`, else all. */
  readonly nodes: readonly NodeModel[];
  connect(node: NodeModel): NodeConnection;
  openStore(location: BackupLocation): Store;
  readonly stores: StoreSite;
  close(): Promise<void>;
}

/** @throws ClusterliftError of clusters.json, `cluster-unknown`, `cluster-ambiguous`, `usage-unknown-node` (status 2) */
export async function openSite(ctx: CommandContext, options: Options): Promise<Site> {
  const { env, cwd, platform } = ctx;
  const found = await findClustersFile({ env, cwd, platform, config: options.config });
  const file = await loadClusters(found.path);
  const cluster = chooseCluster(file, options.cluster);
  if (found.by === 'found') await allowLocalNodes(ctx, cluster);
  const nodes = selectNodes(cluster, options);
  ctx.ui.busy(`checking ${cluster.name}`);
  return {
    file,
    cluster,
    nodes,
    ...connections(ctx, { file: file.path, cluster: cluster.name }, cluster.nodes, options),
  };
}

/** Opens the site of a command, and closes its connections however the work ends. @throws as `openSite` */
export async function withSite<R>(ctx: CommandContext, options: Options, work: (site: Site) => Promise<R>): Promise<R> {
  const site = await openSite(ctx, options);
  try {
    return await work(site);
  } finally {
    await site.close();
  }
}

/** Nodes for looking at locations; a state directory that is not named is found on the node itself. */
export function stateless(site: Pick<Site, 'connect'>, nodes: readonly NodeModel[]): BackupNode[] {
  return nodes.map((node) => ({ name: node.name, connection: site.connect(node), stateDir: node.stateDir ?? '' }));
}

/** Ways to nodes that are known already, such as those of a plan. */
export function connections(
  ctx: CommandContext,
  realm: Realm,
  nodes: readonly NodeModel[],
  options: Options,
): Pick<Site, 'connect' | 'openStore' | 'stores' | 'close'> {
  const connector = new Connector({
    ...realm,
    nodes,
    asker: ctx.asker,
    secrets: ctx.secrets,
    acceptNewHostKeys: options.acceptNewHostKeys ?? false,
    env: ctx.env,
  });
  const stores: StoreSite = {
    server: (host, port, user) => connector.server(host, port, user),
    resticPassword: (location, repository) => resticPassword(ctx, location, repository),
  };
  return {
    connect: (node) => connector.connect(node),
    openStore: (location) => openStore(parseLocation(location), stores),
    stores,
    close: () => atMost(3000, connector.closeAll()),
  };
}

/** Given unattended, or asked for once. */
async function resticPassword(
  { secrets, asker }: CommandContext,
  location: string,
  repository: string,
): Promise<string> {
  const purpose = JSON.stringify(['restic', repository]);
  const known = (): string | undefined => secrets.get('restic-password') ?? secrets.recall(purpose);
  const release = await secrets.takeTurn(purpose);
  try {
    const password = known() ?? (await asker.ask({ kind: 'restic-password', location, repository }));
    if (password === undefined) throw noResticPassword(location);
    secrets.remember(purpose, password);
    return password;
  } finally {
    release();
  }
}

function noResticPassword(location: string): ClusterliftError {
  return new ClusterliftError({
    code: 'restic-password-missing',
    message: `Nobody gave the password of the restic repository of ${location}`,
    hint: 'Answer the prompt, or set CLUSTERLIFT_RESTIC_PASSWORD (or …_FILE).',
    exit: ExitStatus.refused,
  });
}

export function packageCache(ctx: CommandContext): PackageCache {
  return new PackageCache(join(cacheHome(ctx.env)));
}
