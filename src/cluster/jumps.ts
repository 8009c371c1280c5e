import { editDistance } from '../base/suggest';
import type { ConfigDocument, Path, Problem } from './document';
import { unknownNode, type RawNode } from './raw';
import { bad } from './rules';

/** What can be wrong with the ways to the nodes: a jump that is misspelt, pointless, or leads back to where it came from. */
export function jumpProblems(document: ConfigDocument, cluster: Path, nodes: readonly RawNode[]): Problem[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const places: Path[] = [[...cluster, 'jump'], ...nodes.map((node) => [...node.path, 'jump'])];
  const problems = places.flatMap((place): Problem[] => {
    const jump = document.textAt(place);
    if (jump === undefined || jump === 'none') return [];
    const target = byName.get(jump);
    const offset = document.offsetOf(place);
    if (target?.local === true) {
      const message = `"${jump}" is this machine (connection: local): nothing is reached through it`;
      return [bad(message, offset, 'Remove the jump.')];
    }
    if (target || !nodes.some((node) => misspelt(jump, node.name))) return [];
    const otherHost = `If it is another host, write ${jump}:22.`;
    return [unknownNode(`the jump "${jump}" is no node of this cluster`, jump, nodes, offset, otherHost)];
  });
  return [...problems, ...circles(document, document.textAt([...cluster, 'jump']), nodes, byName)];
}

/**
 * A jump that is not a node is an SSH host, unless it looks like a slip: `noed1` for `node1`.
 * `node4` is none: machines that differ in their number are different machines.
 */
function misspelt(jump: string, node: string): boolean {
  if (jump.length > 20 || Math.abs(jump.length - node.length) > 2) return false;
  if (jump.toLowerCase() === node.toLowerCase()) return true;
  const stem = (name: string): string => name.replace(/\d+/g, '').toLowerCase();
  return stem(jump) !== stem(node) && node.length >= 4 && editDistance(jump, node) <= (node.length >= 7 ? 2 : 1);
}

function circles(
  document: ConfigDocument,
  common: string | undefined,
  nodes: readonly RawNode[],
  byName: ReadonlyMap<string, RawNode>,
): Problem[] {
  const next = (node: RawNode): RawNode | undefined => {
    const jump = node.jump ?? (common === node.name ? undefined : common);
    return node.local || jump === undefined ? undefined : byName.get(jump);
  };
  const known = new Set<RawNode>();
  const problems: Problem[] = [];
  for (const start of nodes) {
    const way = new Set<RawNode>();
    let at: RawNode | undefined = start;
    while (at && !known.has(at)) {
      known.add(at);
      way.add(at);
      at = next(at);
    }
    if (!at || !way.has(at)) continue; // it ends, or joins a way that was looked at before
    const names = [...way].map((node) => node.name);
    const circle = [...names.slice(names.indexOf(at.name)), at.name];
    problems.push({
      code: 'config-jump-circle',
      message: `the jumps go in a circle: ${circle.join(' → ')}`,
      hint: 'Let one of them be reached directly: "jump": "none".',
      offset: document.offsetOf([...at.path, 'jump']),
    });
  }
  return problems;
}
