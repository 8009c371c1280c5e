import type { Cluster, NodeModel } from '../../cluster/model';

/** Arguments of `ssh` for a node; everything not said is the person's own configuration. The host stands behind `--`. */
export function sshArguments(node: NodeModel, cluster: Cluster): string[] {
  const jump = node.jump === undefined ? undefined : jumpOf(node.jump, cluster);
  return [
    ...(node.port === undefined ? [] : ['-p', String(node.port)]),
    ...(node.user === undefined ? [] : ['-l', node.user]),
    ...(node.identityFile === undefined ? [] : ['-i', node.identityFile]),
    ...(jump === undefined ? [] : ['-J', jump]),
    '--',
    node.host,
  ];
}

/** A jump is the name of a node of the cluster, or what `ssh -J` takes. */
function jumpOf(jump: string, { nodes }: Cluster): string {
  const node = nodes.find(({ name }) => name === jump);
  if (!node) return jump;
  const host = node.host.includes(':') ? `[${node.host}]` : node.host;
  return `${node.user === undefined ? '' : `${node.user}@`}${host}${node.port === undefined ? '' : `:${String(node.port)}`}`;
}
