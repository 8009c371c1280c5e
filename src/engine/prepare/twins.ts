import type { NodeFacts } from '../../cluster/facts';
import type { NodeModel } from '../../cluster/model';
import type { NodeConnection } from '../../ssh/connection';
import { readMarks, twinText, type TwinKind } from '../node/twins';
import type { NodeProbe } from './check-input';
import { block, warn, type Finding } from './findings';

interface Asking {
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/**
 * Finds names that lead to one machine or one state directory, before the plan. Only nodes that the facts make suspect are
 * asked once more. The locks prove it again, for whatever changes after this.
 */
export async function findTwins(probes: readonly NodeProbe[], asking: Asking): Promise<NodeProbe[]> {
  const suspects = suspectsAmong(probes.map(({ facts }) => facts));
  if (suspects.length === 0) return [...probes];
  const nodes = suspects.flatMap((index) => probes[index] ?? []);
  const marks = nodes.map(({ model }) => ({ connection: asking.connect(model), stateDir: model.stateDir }));
  const seen = await readMarks(marks, asking.signal);
  return probes.map((probe) => {
    const at = nodes.indexOf(probe);
    // Of two that are one, either may have seen the other: the first to look is the first to take its own mark away.
    const of = nodes.find((_, each) => each < at && (seen[at]?.has(each) === true || seen[each]?.has(at) === true));
    return of ? { ...probe, twin: { of: of.model.name, kind: kindOf(of, probe) } } : probe;
  });
}

/**
 * Positions of the nodes that may be twins of others: their state directories (or what is there of the way to them) have one
 * inode, and so have the boots one id, unless both directories exist, as on a shared file system. Pure.
 */
function suspectsAmong(all: readonly (NodeFacts | undefined)[]): number[] {
  const alike = (a: NodeFacts, b: NodeFacts): boolean =>
    a.state.inode === b.state.inode && (a.bootId === b.bootId || (a.state.exists && b.state.exists));
  return all.flatMap((facts, index) => {
    if (!facts || facts.state.foreign || (facts.state.inode ?? '') === '') return [];
    const isSuspect = all.some((other, each) => each !== index && other && !other.state.foreign && alike(facts, other));
    return isSuspect ? [index] : [];
  });
}

function kindOf(a: NodeProbe, b: NodeProbe): TwinKind {
  return a.facts?.bootId === b.facts?.bootId ? 'machine' : 'directory';
}

/** What is to be said of nodes that are, or may be, one machine. Pure. */
export function twinFindings(probes: readonly NodeProbe[]): Finding[] {
  return probes.flatMap((probe, index) => {
    const { model, facts, twin } = probe;
    if (twin) {
      const path = facts?.state.path ?? '';
      const { code, message, fix } = twinText(twin.kind, [twin.of, model.name], `what was written in ${path}`);
      return [{ ...block(code, model.name, message, fix), path }];
    }
    const other = probes.slice(0, index).find((each) => isSameHost(each, probe));
    return other ? [sameHost(other.model.name, model.name)] : [];
  });
}

/** Containers share a boot id, and clones share a host key; one machine has both. */
function isSameHost(a: NodeProbe, b: NodeProbe): boolean {
  return (
    a.facts !== undefined && a.facts.bootId === b.facts?.bootId && a.hostKey !== undefined && a.hostKey === b.hostKey
  );
}

function sameHost(first: string, second: string): Finding {
  return warn(
    'machine-shared',
    second,
    `${first} and ${second} seem to be one machine with two state directories (same boot id, same host key): each has a lock of its own`,
    'If they are one machine, remove one of them from clusters.json. If they are containers, give each a host key of its own.',
  );
}
