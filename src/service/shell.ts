import { atMost } from '../base/async';
import { chooseCluster, findClustersFile } from '../cluster/find';
import { loadClusters } from '../cluster/load';
import { usage } from '../command/usage';
import { Connector } from '../ssh/reach/connector';
import { Secrets } from '../ssh/secrets';
import type { QueryHost } from './query-host';
import type { ShellRequest } from './shell-protocol';
import type { OpenedShell } from './shells';

/**
 * Opens a terminal on a node over a connection of its own: jump hosts, host keys and sign-in as for everything else.
 * @throws ClusterliftError of clusters.json, `usage-unknown-node`, `terminal-local`; of connecting
 */
export async function openShell(
  request: ShellRequest,
  { asker, signal }: QueryHost,
  env: NodeJS.ProcessEnv,
): Promise<OpenedShell> {
  const { cwd, config, size } = request;
  const where = { env, cwd, platform: process.platform, config: config ?? undefined };
  const cluster = chooseCluster(await loadClusters((await findClustersFile(where)).path), request.cluster);
  const node = cluster.nodes.find(({ name }) => name === request.node);
  if (!node) throw usage('unknown-node', `"${request.node}" is no node of ${cluster.name}`, 'Refresh the clusters.');
  const connector = new Connector({
    cluster: cluster.name,
    file: cluster.file,
    nodes: cluster.nodes,
    asker,
    secrets: new Secrets(),
    acceptNewHostKeys: false,
    env,
  });
  const release = (): Promise<void> => atMost(3000, connector.closeAll());
  try {
    const terminal = await connector.shell(node, size, undefined, signal);
    return { ...terminal, release };
  } catch (error) {
    await release();
    throw error;
  }
}
