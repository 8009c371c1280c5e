import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import { sha256Hex } from './canonical';
import { Budget, MAX_POINTS, MAX_POINTS_BYTES } from '../archive/limits';
import { decodePoint, decodeStatus, type Point, type PointStatus, readPointId, type Verdict } from './point';
import { type PartSeen, stateOf } from './state';
import type { ListedPoint, ReadPoint } from './store';

/** Makes points of what lies in a location, as seen from each node. Pure. */

/** What one node (or the server) holds of a point. */
export interface Seen {
  readonly id: string;
  /** Undefined: a server that holds the parts of all nodes. */
  readonly node: string | undefined;
  /** Text of `point.json` and `status.json`. */
  readonly point?: string;
  readonly status?: string;
  readonly parts: readonly SeenPart[];
}

export interface SeenPart {
  /** Its file, or the id of its snapshot. */
  readonly name: string;
  /** Undefined: a snapshot, whose id vouches for its size. */
  readonly bytes: number | undefined;
}

/** Holds what was seen of all points of a location, within bounds; the same text of several nodes once. */
export class SeenPoints {
  private readonly budget: Budget;
  private readonly texts = new Map<string, string>();

  constructor(location: string) {
    const most = { count: MAX_POINTS, bytes: MAX_POINTS_BYTES };
    this.budget = new Budget(`The location ${location}`, 'restore points', most);
  }

  /** @throws ClusterliftError `limit-exceeded` */
  hold(seen: Seen): Seen {
    this.budget.take(seen.parts.reduce((sum, each) => sum + each.name.length, 0));
    const { point, status } = seen;
    return {
      ...seen,
      ...(point !== undefined && { point: this.text(point) }),
      ...(status !== undefined && { status: this.text(status) }),
    };
  }

  private text(text: string): string {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    this.budget.take(text.length, 0);
    this.texts.set(text, text);
    return text;
  }
}

/**
 * Brings together what was seen; oldest first. What has no proper name is none of ours.
 * @param asked who answered, also with nothing; undefined among them: a server that holds the parts of all nodes
 */
export function merge(seen: readonly Seen[], asked: readonly Seen['node'][]): ListedPoint[] {
  const byId = new Map<string, Seen[]>();
  for (const each of seen) {
    if (readPointId(each.id)) byId.set(each.id, [...(byId.get(each.id) ?? []), each]);
  }
  return [...byId.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, parts]) => describe(id, parts, asked));
}

function describe(id: string, seen: readonly Seen[], asked: readonly Seen['node'][]): ListedPoint {
  const { cluster = '', created = '' } = readPointId(id) ?? {};
  const nothing = { id, cluster, created, point: undefined, sha256: undefined, status: undefined, bytes: 0 };
  if (!seen.some((each) => each.point !== undefined)) {
    return { ...nothing, state: stateOf({ point: undefined, status: undefined, parts: {} }) };
  }
  try {
    const { point, sha256, status, parts } = readSeen(id, seen, asked);
    const state = stateOf({ point, status, parts });
    const bytes = Object.values(point.nodes).reduce((sum, part) => sum + part.data.bytes, 0);
    return { id, cluster: point.cluster, created: point.created, state, point, sha256, status, bytes };
  } catch (error) {
    return { ...nothing, state: { kind: 'broken', reason: line(messageOf(error), 300) } };
  }
}

function partSeen(point: Point, node: string, seen: readonly Seen[], asked: readonly Seen['node'][]): PartSeen {
  if (!asked.some((each) => each === undefined || each === node)) return { kind: 'unreachable' };
  const where = seen.find((each) => each.node === undefined || each.node === node);
  const data = point.nodes[node]?.data;
  const name = data?.kind === 'archive' ? data.file : data?.snapshot;
  const found = where?.parts.find((each) => each.name === name);
  if (!data || !found) return { kind: 'missing' };
  const { bytes } = found;
  return bytes === undefined || bytes === data.bytes ? { kind: 'there' } : { kind: 'resized', bytes };
}

/**
 * Reads one point from what was seen of it. `asked` as for `merge`.
 * @throws ClusterliftError `point-unknown`, `point-differs`, and those of `decodePoint`
 */
export function listPoint(
  id: string,
  seen: readonly Seen[],
  asked: readonly Seen['node'][],
  location: string,
): ReadPoint {
  if (!seen.some((each) => each.point !== undefined)) throw unknownPoint(id, location);
  return readSeen(id, seen, asked);
}

function readSeen(id: string, seen: readonly Seen[], asked: readonly Seen['node'][]): ReadPoint {
  const texts = [...new Set(seen.map((each) => each.point).filter((each) => each !== undefined))];
  const [text = ''] = texts;
  // A torn copy is told as torn, not as different.
  const points = texts.map((each) => decodePoint(each, id));
  const [point] = points;
  if (!point) throw unknownPoint(id, '');
  if (texts.length > 1) {
    throw new ClusterliftError({
      code: 'point-differs',
      message: `Restore point ${id} has different point.json files on its nodes`,
      hint: 'Do not use it: somebody changed one of them.',
      exit: ExitStatus.refused,
    });
  }
  const sha256 = sha256Hex(text);
  const parts = Object.keys(point.nodes).map((node) => [node, partSeen(point, node, seen, asked)] as const);
  return { point, sha256, status: newest(id, sha256, seen), parts: Object.fromEntries(parts) };
}

/** Each node has a copy of the status, and may have missed an update: of each verdict, the newest counts. */
function newest(id: string, sha256: string, seen: readonly Seen[]): PointStatus | undefined {
  const nodes: Record<string, Verdict> = {};
  let any = false;
  for (const each of seen) {
    const status = each.status === undefined ? undefined : readable(each.status, id, sha256);
    for (const [node, verdict] of Object.entries(status?.nodes ?? {})) {
      any = true;
      const known = nodes[node];
      if (!known || known.at < verdict.at) nodes[node] = verdict;
    }
  }
  return any ? { schema: 1, id, point: sha256, nodes } : undefined;
}

// A status that cannot be read is as none: the point is then complete, and can be verified again.
function readable(text: string, id: string, sha256: string): PointStatus | undefined {
  try {
    return decodeStatus(text, id, sha256);
  } catch {
    return undefined;
  }
}

export function unknownPoint(id: string, location: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-unknown',
    message: `There is no restore point ${line(id, 120)} in ${location === '' ? 'this location' : location}`,
    hint:
      location === ''
        ? 'List them: `clusterlift backup list`'
        : advice`List them: \`clusterlift backup list ${location}\``,
    exit: ExitStatus.usage,
  });
}
