import { answersOf, mapLimit } from '../../base/async';
import { every } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Entries } from '../../ssh/exec/script';
import archiveScript from '../archive/archive.sh';
import { compressionOf, partOf, tarOf } from '../points/created';
import filesScript from '../archive/files.sh';
import { listPoint, merge, type Seen, type SeenPart, SeenPoints } from '../points/found';
import type { Location } from '../points/location';
import { encode, MAX_POINT_BYTES, type Part, type Point, type PointStatus } from '../points/point';
import { literalPattern, topMembers } from '../points/quoting';
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

/** How many nodes are asked at once. */
export const NODES_AT_ONCE = 16;
/** How many are asked at once for what may be long. */
export const LISTS_AT_ONCE = 4;
const HOURS = 3_600_000;

/** Archives in a directory on each node: `file:///path`, or `backups/` in its state directory (`localbackup`). */
export class DirectoryStore implements Store {
  constructor(readonly location: Extract<Location, { kind: 'directory' }>) {}

  check(
    nodes: readonly BackupNode[],
    how: CheckHow,
    signal?: AbortSignal,
  ): Promise<PromiseSettledResult<LocationReport>[]> {
    return mapLimit(nodes, NODES_AT_ONCE, async (node) => {
      // The built-in one is ours to make.
      const make = how === 'write' && this.location.path === undefined ? 'create' : how;
      const entries = await this.files(node, 'check', [make], signal);
      return { node: node.name, free: entries.number('free-kb') * 1024 };
    });
  }

  async createPart(request: PartRequest): Promise<Part> {
    const { node, point, quiet, paths } = request;
    const args = ['create', node.stateDir, this.base, point, node.name, 'auto', quiet?.stop ?? '', quiet?.start ?? ''];
    const task = nodeTask([tarScript, archiveScript], [...args, tarExcludes(request), ...paths]);
    const end = await withProgress(request, this.base, () => request.runTask(task));
    checkEnd(node.name, end);
    return readCreated(request, this.base);
  }

  async finishPoint(point: Point, nodes: readonly BackupNode[]): Promise<void> {
    const { text } = encode(point);
    const results = await mapLimit(nodes, NODES_AT_ONCE, (node) => this.put(node, point.id, 'point.json', text));
    for (const each of results) if (each.status === 'rejected') throw each.reason;
  }

  async putStatus(status: PointStatus, nodes: readonly BackupNode[]): Promise<void> {
    const { text } = encode(status);
    answersOf(await mapLimit(nodes, NODES_AT_ONCE, (node) => this.put(node, status.id, 'status.json', text)));
  }

  async listPoints(nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ListedPoint[]> {
    const results = await this.look(nodes, 'list', [], signal);
    return merge(answersOf(results).flat(), answered(nodes, results));
  }

  async readPoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ReadPoint> {
    const results = await this.look(nodes, 'read', [id], signal);
    const seen = results.filter((each) => each.status === 'fulfilled').flatMap((each) => each.value);
    const failed = results.find((each) => each.status === 'rejected');
    if (seen.length === 0 && failed) throw failed.reason;
    return listPoint(id, seen, answered(nodes, results), this.location.name);
  }

  async verifyPart({ point, part, node, signal }: PartContext): Promise<PartVerdict> {
    const { data, listing } = part;
    if (data.kind !== 'archive') throw wrongKind(point.id, this.location.name);
    const file =
      this.location.path === undefined ? `${point.id}/${data.file}` : `${this.location.path}/${point.id}/${data.file}`;
    const wanted = [file, data.sha256, data.compression, listing.sha256, String(listing.count), 'yes'];
    return readVerdict(
      await askNode(node.connection, [tarScript, archiveScript], {
        args: ['verify', node.stateDir, ...wanted, ...madeBy(part)],
        timeout: 24 * HOURS,
        ...(signal && { signal }),
      }),
    );
  }

  prepareRestore({ point, part }: PartContext, trusted: boolean): Promise<RestoreSource> {
    if (part.data.kind !== 'archive') throw wrongKind(point.id, this.location.name);
    const name = `${point.id}/${part.data.file}`;
    const file = this.location.path === undefined ? name : `${this.location.path}/${name}`;
    return Promise.resolve({ args: archiveSource(file, part, trusted), secrets: {} });
  }

  endRestore(): Promise<void> {
    return Promise.resolve();
  }

  async removePoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<void> {
    const results = await mapLimit(nodes, NODES_AT_ONCE, (node) => this.files(node, 'remove', [id, node.name], signal));
    for (const each of results) if (each.status === 'rejected') throw each.reason;
  }

  private get base(): string {
    return this.location.path ?? '';
  }

  private look(
    nodes: readonly BackupNode[],
    verb: 'list' | 'read',
    args: readonly string[],
    signal?: AbortSignal,
  ): Promise<PromiseSettledResult<Seen[]>[]> {
    const points = new SeenPoints(this.location.name);
    return mapLimit(nodes, LISTS_AT_ONCE, async (node) => {
      const entries = await this.files(node, verb, [...args, node.name], signal);
      return seenBy(node.name, entries).map((each) => points.hold(each));
    });
  }

  private async put(node: BackupNode, id: string, name: string, text: string): Promise<void> {
    const args = ['put', node.stateDir, this.base, id, name];
    await runOnNode(node.connection, [filesScript], { args, stdin: text });
  }

  private files(node: BackupNode, verb: string, args: readonly string[], signal?: AbortSignal): Promise<Entries> {
    return askNode(node.connection, [tarScript, filesScript], {
      args: [verb, node.stateDir, this.base, ...args],
      maxOutput: 4 * MAX_POINT_BYTES,
      timeout: 5 * 60_000,
      ...(signal && { signal }),
    });
  }
}

/** The names of the nodes that gave an answer. */
export function answered(nodes: readonly BackupNode[], results: readonly PromiseSettledResult<unknown>[]): string[] {
  return nodes.filter((_, index) => results[index]?.status === 'fulfilled').map(({ name }) => name);
}

/** What files.sh tells of points. */
function seenBy(node: string, entries: Entries): Seen[] {
  const seen: {
    id: string;
    node: string;
    point?: string;
    status?: string;
    parts: SeenPart[];
  }[] = [];
  for (const { key, value } of entries.list()) {
    const text = value.toString('utf8');
    const last = seen.at(-1);
    if (key === 'id') seen.push({ id: text, node, parts: [] });
    else if (key === 'point' && last) last.point = text;
    else if (key === 'status' && last) last.status = text;
    else if (key === 'part' && last) {
      const [bytes = '', name = ''] = text.split(' ');
      last.parts.push({ bytes: Number(bytes), name });
    }
  }
  return seen;
}

/** Patterns as both tars understand them: that of busybox compares whole names. */
export function tarExcludes({ exclude, leaveOut }: Pick<PartRequest, 'exclude' | 'leaveOut'>): string {
  const patterns = exclude.flatMap((each) => (each.startsWith('/') ? [`.${each}`] : [each, `*/${each}`]));
  return [...leaveOut.map((each) => `.${literalPattern(each)}`), ...patterns].join('\n');
}

/** Reads the facts of a part that archive.sh created in `base`. */
export async function readCreated(request: PartRequest, base: string): Promise<Part> {
  const { node, point, signal } = request;
  const args = ['result', node.stateDir, base, point, node.name];
  const entries = await askNode(node.connection, [archiveScript], { args, ...(signal && { signal }) });
  const tar = tarOf(entries);
  const data = {
    kind: 'archive',
    file: entries.required('file'),
    bytes: entries.number('bytes'),
    sha256: entries.required('sha256'),
    compression: compressionOf(entries),
    tar,
  } as const;
  return partOf(request, entries, data, {
    format: `${tar}-1`,
    sha256: entries.required('table'),
    count: entries.number('count'),
  });
}

/** Looks at the growing archive while the job runs; a look that fails says nothing. */
export async function withProgress<T>(request: PartRequest, base: string, work: () => Promise<T>): Promise<T> {
  const { node, point, onProgress, signal } = request;
  if (!onProgress) return work();
  let looking = false;
  const args = ['progress', node.stateDir, base, point, node.name];
  const timer = every(1000, () => {
    if (looking) return;
    looking = true;
    askNode(node.connection, [archiveScript], { args, timeout: 10_000, ...(signal && { signal }) })
      .then((entries) => onProgress(entries.number('bytes')))
      .catch(() => undefined)
      .finally(() => (looking = false));
  });
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}

/** The arguments MADE-BY TOPS-QUOTED TOPS-BARE of the scripts. */
function madeBy(part: Part): string[] {
  const tar = part.data.kind === 'archive' ? part.data.tar : 'gnu';
  return [tar, topMembers(part.paths, 'gnu'), topMembers(part.paths, 'busybox')];
}

/** The arguments of swap.sh for an archive. Devices come only from points that this cluster made. */
export function archiveSource(file: string, part: Part, trusted: boolean): string[] {
  if (part.data.kind !== 'archive') throw new Error('not an archive');
  const { sha256, compression } = part.data;
  return ['archive', file, sha256, compression, trusted ? 'yes' : 'no', ...madeBy(part)];
}

export function readVerdict(entries: Entries): PartVerdict {
  if (entries.required('verdict') === 'verified') return { result: 'verified' };
  return { result: 'broken', reason: (entries.text('reason') ?? 'verification failed').slice(0, 1000) };
}

export function wrongKind(id: string, location: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-invalid',
    message: `Restore point ${id} does not belong into the location ${location}`,
    hint: 'Somebody copied it there. Use it in the location where it was made.',
    exit: ExitStatus.refused,
  });
}
