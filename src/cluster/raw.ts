import { didYouMean } from '../base/suggest';
import type { ConfigDocument, Path, Problem } from './document';

/** A node as far as the tree tells, also where the schema has complaints. */
export interface RawNode {
  readonly path: Path;
  readonly name: string;
  readonly local: boolean;
  readonly jump: string | undefined;
}

export function rawNodes(document: ConfigDocument, cluster: string): RawNode[] {
  const path: Path = ['clusters', cluster, 'nodes'];
  const list = document.node(path);
  return (list?.type === 'array' ? (list.children ?? []) : []).flatMap((_, index) => {
    const at = [...path, index];
    const name = document.textAt([...at, 'name']);
    if (name === undefined) return [];
    const local = document.textAt([...at, 'connection']) === 'local';
    return [{ path: at, name, local, jump: document.textAt([...at, 'jump']) }];
  });
}

/** @param alsoHint what to do when another thing was meant */
export function unknownNode(
  message: string,
  name: string,
  nodes: readonly RawNode[],
  offset: number,
  alsoHint = '',
): Problem {
  const names = nodes.map((node) => node.name);
  const hint = didYouMean(name, names, `Nodes here: ${names.slice(0, 20).join(', ')}.`);
  return { code: 'config-unknown-node', message, hint: `${hint} ${alsoHint}`.trim(), offset };
}
