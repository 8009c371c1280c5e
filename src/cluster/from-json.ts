import { parseDuration } from '../base/units';
import type { Cluster, ClustersFile, NodeModel, UpgradeDefaults } from './model';
import type { ClusterJson, ClustersJson, NodeJson } from './schema';

/** The checked content of a clusters.json with every default filled in. */
export function modelOf(json: ClustersJson, file: string): ClustersFile {
  return {
    path: file,
    clusters: Object.entries(json.clusters ?? {}).map(([name, cluster]) => clusterOf(name, cluster, file)),
    locations: Object.entries(json.backupLocations ?? {}).map(([name, uri]) => ({ name, uri })),
  };
}

function clusterOf(name: string, json: ClusterJson, file: string): Cluster {
  const nodes = json.nodes.map((node) => nodeOf(node, json));
  return {
    name,
    file,
    nodes,
    primary: json.primary ?? nodes[0]?.name ?? '',
    roleOrder: json.roleOrder,
    packageDirs: json.packageDirs ?? ['~', '~/media'],
    production: json.production ?? false,
    upgrade: upgradeOf(json.upgrade),
    backup: json.backup && { paths: json.backup.paths, exclude: json.backup.exclude ?? [] },
    recipe: json.recipe,
  };
}

function nodeOf(node: NodeJson, cluster: ClusterJson): NodeModel {
  const local = node.connection === 'local';
  const host = node.host ?? (local ? 'localhost' : node.name);
  return {
    name: node.name,
    connection: node.connection ?? 'ssh',
    host,
    port: node.port,
    user: local ? undefined : (node.user ?? cluster.user),
    identityFile: node.identityFile,
    become: node.become ?? cluster.become ?? 'none',
    jump: local ? undefined : jumpOf(node, cluster),
    roles: node.roles ?? [],
    address: node.address ?? host,
    stateDir: node.stateDir ?? cluster.stateDir,
  };
}

/** The node that the others are reached through is itself reached directly. */
function jumpOf(node: NodeJson, cluster: ClusterJson): string | undefined {
  const jump = node.jump ?? (cluster.jump === node.name ? undefined : cluster.jump);
  return jump === 'none' ? undefined : jump;
}

function upgradeOf(json: ClusterJson['upgrade']): UpgradeDefaults {
  const stable = json?.health?.stable;
  const maxAge = json?.backupMaxAge;
  const backup = json?.backup ?? 'none';
  return {
    mode: json?.mode ?? 'fast',
    backup: backup.toLowerCase() === 'none' ? 'none' : backup,
    batch: json?.batch?.map(String),
    maxFailures: String(json?.maxFailures ?? 0),
    onFailure: json?.onFailure ?? 'stop',
    healthStable: stable === undefined ? undefined : parseDuration(stable),
    backupMaxAge: maxAge === undefined ? undefined : parseDuration(maxAge),
    trustedSigners: json?.trustedSigners ?? [],
    revokedSigners: json?.revokedSigners ?? [],
    requireSignature: json?.requireSignature ?? false,
  };
}
