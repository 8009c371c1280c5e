import { createHash } from 'node:crypto';
import { answersOf, mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { Entries } from '../../ssh/exec/script';
import { broken as brokenAnswer } from '../../ssh/exec/script';
import { partOf } from '../points/created';
import { listPoint, merge, type Seen, SeenPoints, unknownPoint } from '../points/found';
import { Budget, MAX_LINE, MAX_LIST, MAX_MEMBERS } from '../archive/limits';
import type { Location } from '../points/location';
import { encode, MAX_POINT_BYTES, type Part, type Point, type PointStatus, POINT_ID } from '../points/point';
import resticScript from '../archive/restic.sh';
import snapshotScript from '../archive/snapshot.sh';
import type {
  BackupNode,
  CheckHow,
  ListedPoint,
  LocationReport,
  PartContext,
  PartRequest,
  PartVerdict,
  ReadPoint,
  RestoreSource,
  Store,
} from '../points/store';
import tarScript from '../archive/tar.sh';
import { askNode, checkEnd, nodeTask, runOnNode } from '../points/task';
import { answered, LISTS_AT_ONCE, NODES_AT_ONCE, readVerdict, wrongKind } from './directory';

const SCRIPTS = [tarScript, resticScript, snapshotScript];
const DAY = 24 * 3_600_000;
/** Waiting for the locks of others is part of it. */
const LOOK = 10 * 60_000;

/** A snapshot of ours, as `restic snapshots --json` tells it. */
interface Snapshot {
  readonly id: string;
  readonly time: string;
  readonly point: string;
  readonly kind: 'part' | 'point' | 'status';
  readonly node: string;
}

/**
 * restic on the nodes. A part is a snapshot, named in `point.json` by its id, which is the digest of everything in it;
 * `point.json` and `status.json` are small snapshots of their own, tagged with the point.
 * The repository may be one for all nodes or, when it is a path, one on each.
 */
export class ResticStore implements Store {
  constructor(
    readonly location: Extract<Location, { kind: 'restic' }>,
    /** The password of the repository; asked for when first needed. */
    private readonly password: () => Promise<string>,
  ) {}

  async check(
    nodes: readonly BackupNode[],
    how: CheckHow,
    signal?: AbortSignal,
  ): Promise<PromiseSettledResult<LocationReport>[]> {
    // One after the other while it may have to be made.
    const create = how === 'create';
    return mapLimit(nodes, create ? 1 : NODES_AT_ONCE, async (node) => {
      const entries = await this.ask(node, 'check', [create ? 'yes' : 'no'], signal);
      return {
        node: node.name,
        free: entries.text('free-kb') === undefined ? undefined : entries.number('free-kb') * 1024,
        created: entries.text('created') === 'yes',
        version: entries.required('version'),
      };
    });
  }

  async createPart(request: PartRequest): Promise<Part> {
    const { node, point, quiet, paths, exclude, leaveOut, signal } = request;
    const excludes = [...leaveOut.map((each) => each.replace(/[\\*?[\]]/g, '\\$&')), ...exclude].join('\n');
    const tags = tagsOf({
      point,
      node: node.name,
      kind: 'part',
      cluster: request.cluster,
      run: request.run,
      version: request.version,
    });
    const args = [
      'create',
      node.stateDir,
      this.location.repository,
      point,
      node.name,
      tags,
      quiet?.stop ?? '',
      quiet?.start ?? '',
      excludes,
    ];
    const secrets = { CLUSTERLIFT_RESTIC: await this.password() };
    checkEnd(node.name, await request.runTask(nodeTask(SCRIPTS, [...args, ...paths], secrets)));
    const options = signal ? { signal } : {};
    const entries = await askNode(node.connection, SCRIPTS, { args: ['result', node.stateDir, point], ...options });
    const summary = summaryOf(node.name, entries);
    request.onProgress?.(summary.bytes);
    const listing = await this.table(node, summary.snapshot, signal);
    const part = partOf(request, entries, { kind: 'restic', ...summary }, { format: 'restic-1', ...listing });
    return { ...part, kept: ['owners', 'directory-times', 'subsecond-times', 'acls', 'xattrs', 'sparse'] };
  }

  async finishPoint(point: Point, nodes: readonly BackupNode[]): Promise<void> {
    const { text } = encode(point);
    const tags = { point: point.id, cluster: point.cluster, run: point.run ?? undefined };
    const results = await mapLimit(nodes, NODES_AT_ONCE, (node) =>
      this.keep(node, 'point.json', tagsOf({ ...tags, node: node.name, kind: 'point' }), text),
    );
    for (const each of results) if (each.status === 'rejected') throw each.reason;
  }

  async putStatus(status: PointStatus, nodes: readonly BackupNode[]): Promise<void> {
    const { text } = encode(status);
    const results = await mapLimit(nodes, NODES_AT_ONCE, (node) =>
      this.keep(node, 'status.json', tagsOf({ point: status.id, node: node.name, kind: 'status' }), text),
    );
    answersOf(results);
  }

  async listPoints(nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ListedPoint[]> {
    const points = new SeenPoints(this.location.name);
    const results = await mapLimit(nodes, LISTS_AT_ONCE, (node) => this.look(node, points, undefined, signal));
    return merge(answersOf(results).flat(), answered(nodes, results));
  }

  async readPoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ReadPoint> {
    if (!POINT_ID.test(id)) throw unknownPoint(id, this.location.name);
    const points = new SeenPoints(this.location.name);
    const results = await mapLimit(nodes, LISTS_AT_ONCE, (node) => this.look(node, points, id, signal));
    const seen = results.filter((each) => each.status === 'fulfilled').flatMap((each) => each.value);
    const failed = results.find((each) => each.status === 'rejected');
    if (seen.length === 0 && failed) throw failed.reason;
    return listPoint(id, seen, answered(nodes, results), this.location.name);
  }

  async verifyPart({ point, part, node, signal }: PartContext): Promise<PartVerdict> {
    const { data, listing } = part;
    if (data.kind !== 'restic') throw wrongKind(point.id, this.location.name);
    try {
      const now = await this.table(node, data.snapshot, signal);
      const same = now.sha256 === listing.sha256 && now.count === listing.count;
      if (!same) return { result: 'broken', reason: 'the content of the snapshot is listed differently than recorded' };
    } catch (error) {
      // The repository answers, but not for this snapshot.
      if (error instanceof ClusterliftError && error.code === 'restic-reach') {
        await this.ask(node, 'check', ['no'], signal);
        return { result: 'broken', reason: messageOf(error).slice(0, 1000) };
      }
      throw error;
    }
    return readVerdict(await this.ask(node, 'verify', [data.snapshot], signal, DAY));
  }

  async prepareRestore({ point, part }: PartContext): Promise<RestoreSource> {
    if (part.data.kind !== 'restic') throw wrongKind(point.id, this.location.name);
    const secrets = { CLUSTERLIFT_RESTIC: await this.password() };
    return { args: ['restic', this.location.repository, part.data.snapshot], secrets };
  }

  endRestore(): Promise<void> {
    return Promise.resolve();
  }

  async removePoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<void> {
    if (!POINT_ID.test(id)) throw unknownPoint(id, this.location.name);
    // One after the other: pruning wants the repository for itself. What one of them removed, the next does not find.
    for (const node of nodes) {
      const ids = (await this.snapshots(node, signal)).filter((each) => each.point === id);
      const first = (kind: Snapshot['kind']): number => (kind === 'point' ? 0 : 1);
      ids.sort((a, b) => first(a.kind) - first(b.kind));
      if (ids.length > 0)
        await this.ask(
          node,
          'forget',
          ids.map((each) => each.id),
          signal,
          DAY,
        );
    }
  }

  /** Lists a snapshot; its canonical listing is a JSON line for each entry. */
  private async table(
    node: BackupNode,
    snapshot: string,
    signal?: AbortSignal,
  ): Promise<{ sha256: string; count: number }> {
    const hash = createHash('sha256');
    const budget = new Budget(`Snapshot ${snapshot.slice(0, 8)}`, 'entries', { count: MAX_MEMBERS, bytes: Infinity });
    let count = 0;
    let rest = '';
    const take = (text: string): void => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE)
        throw brokenAnswer(node.name, `a line of restic is longer than ${String(MAX_LINE)} bytes, which is the limit`);
      for (const each of lines) {
        const entry = listed(node.name, each);
        if (entry === undefined) continue;
        budget.take(0);
        hash.update(entry);
        count++;
      }
    };
    const decoder = new TextDecoder();
    await this.run(node, 'table', [snapshot], (chunk) => take(decoder.decode(chunk, { stream: true })), LOOK, signal);
    take('\n');
    return { sha256: hash.digest('hex'), count };
  }

  private async look(
    node: BackupNode,
    points: SeenPoints,
    id: string | undefined,
    signal?: AbortSignal,
  ): Promise<Seen[]> {
    const snapshots = (await this.snapshots(node, signal)).filter((each) => id === undefined || each.point === id);
    const ids = [...new Set(snapshots.map((each) => each.point))];
    const seen: Seen[] = [];
    for (const point of ids) {
      const newest = (kind: Snapshot['kind']): Snapshot | undefined =>
        snapshots
          .filter((each) => each.point === point && each.kind === kind)
          .sort((a, b) => (a.time < b.time ? 1 : -1))[0];
      const main = newest('point');
      const status = newest('status');
      const found: Seen = {
        id: point,
        node: node.name,
        ...(main && { point: await this.dump(node, main, 'point.json', signal) }),
        ...(status && { status: await this.dump(node, status, 'status.json', signal) }),
        parts: snapshots
          .filter((each) => each.point === point && each.kind === 'part')
          .map((each) => ({ name: each.id, bytes: undefined })),
      };
      seen.push(points.hold(found));
    }
    return seen;
  }

  private async snapshots(node: BackupNode, signal?: AbortSignal): Promise<Snapshot[]> {
    const text = await this.collect(node, 'list', [], signal);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw brokenAnswer(node.name, 'the snapshots of restic are no JSON');
    }
    return Array.isArray(json) ? json.map(readSnapshot).filter((each) => each !== undefined) : [];
  }

  private dump(node: BackupNode, { id, point }: Snapshot, name: string, signal?: AbortSignal): Promise<string> {
    return this.collect(node, 'dump', [id, `/${name}`, point], signal, MAX_POINT_BYTES);
  }

  private async collect(
    node: BackupNode,
    verb: string,
    args: readonly string[],
    signal?: AbortSignal,
    max = MAX_LIST,
  ): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= max) chunks.push(chunk);
    };
    await this.run(node, verb, args, take, LOOK, signal);
    if (size > max) throw brokenAnswer(node.name, `restic said more than ${String(max)} bytes, which is the limit`);
    return Buffer.concat(chunks).toString('utf8');
  }

  private async run(
    node: BackupNode,
    verb: string,
    args: readonly string[],
    onStdout: (chunk: Buffer) => void,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const stdin = `${await this.password()}\n`;
    const all = [verb, node.stateDir, this.location.repository, ...args];
    await runOnNode(node.connection, SCRIPTS, { args: all, stdin, onStdout, timeout, ...(signal && { signal }) });
  }

  private async ask(
    node: BackupNode,
    verb: string,
    args: readonly string[],
    signal?: AbortSignal,
    timeout = LOOK,
  ): Promise<Entries> {
    const stdin = `${await this.password()}\n`;
    const all = [verb, node.stateDir, this.location.repository, ...args];
    return askNode(node.connection, SCRIPTS, { args: all, stdin, timeout, ...(signal && { signal }) });
  }

  private async keep(node: BackupNode, name: string, tags: string, text: string): Promise<void> {
    const stdin = `${await this.password()}\n${text}`;
    const args = ['keep', node.stateDir, this.location.repository, node.name, name, tags];
    await runOnNode(node.connection, SCRIPTS, { args, stdin, timeout: LOOK });
  }
}

/** restic splits tags at commas; other odd characters go as well. */
function tagsOf(tags: Readonly<Record<string, string | undefined>>): string {
  const words = Object.entries(tags).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value.replace(/[^A-Za-z0-9._+:~-]/g, '_')}`],
  );
  return ['clusterlift', ...words].join(',');
}

function readSnapshot(json: unknown): Snapshot | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { id, time, tags } = json as { id?: unknown; time?: unknown; tags?: unknown };
  if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id) || typeof time !== 'string' || !Array.isArray(tags))
    return undefined;
  const tag = (key: string): string | undefined =>
    tags.find((each): each is string => typeof each === 'string' && each.startsWith(`${key}=`))?.slice(key.length + 1);
  const [point, node, kind] = [tag('point'), tag('node'), tag('kind')];
  // The id becomes part of a file name.
  if (point === undefined || !POINT_ID.test(point)) return undefined;
  if (node === undefined || !(kind === 'part' || kind === 'point' || kind === 'status')) return undefined;
  return { id, time, point, node, kind };
}

/** The last line of `restic backup --json`. */
function summaryOf(node: string, entries: Entries): { snapshot: string; bytes: number } {
  let json: unknown;
  try {
    json = JSON.parse(entries.required('summary'));
  } catch {
    throw brokenAnswer(node, 'the summary of restic is no JSON');
  }
  const { snapshot_id: snapshot, total_bytes_processed: bytes } = json as {
    snapshot_id?: unknown;
    total_bytes_processed?: unknown;
  };
  if (typeof snapshot !== 'string' || !/^[0-9a-f]{64}$/.test(snapshot)) throw noSnapshot(node);
  return { snapshot, bytes: typeof bytes === 'number' ? bytes : 0 };
}

/** One line of `restic ls --json`: what counts of it; undefined for the line about the snapshot. */
function listed(node: string, text: string): string | undefined {
  if (text === '') return undefined;
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw brokenAnswer(node, 'the listing of restic is no JSON');
  }
  if (json['struct_type'] === 'snapshot' || json['message_type'] === 'snapshot') return undefined;
  const keys = ['path', 'type', 'mode', 'uid', 'gid', 'size', 'mtime'];
  return `${JSON.stringify(keys.map((key) => json[key] ?? null))}\n`;
}

function noSnapshot(node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'backup-restic',
    message: `restic on ${node} made no snapshot`,
    hint: 'Look at the log of the node and at the repository.',
    exit: ExitStatus.failed,
    node,
  });
}
