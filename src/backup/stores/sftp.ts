import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { formatSize } from '../../base/units';
import { parseEntries } from '../../ssh/exec/script';
import archiveScript from '../archive/archive.sh';
import { compressionOf, partOf, savedPaths, tarOf } from '../points/created';
import filesScript from '../archive/files.sh';
import { listPoint, merge, type Seen, SeenPoints, unknownPoint } from '../points/found';
import type { Location } from '../points/location';
import { encode, MAX_POINT_BYTES, type Part, type Point, type PointStatus, POINT_ID } from '../points/point';
import type { SftpServer, Writer } from './sftp-client';
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
import { hasZstd, StreamCheck, type StreamFacts } from '../archive/stream-check';
import tarScript from '../archive/tar.sh';
import { askNode, checkEnd, nodeTask, runOnNode } from '../points/task';
import { archiveSource, NODES_AT_ONCE, readCreated, tarExcludes, withProgress, wrongKind } from './directory';

const DAY = 24 * 3_600_000;
const POINTS_AT_ONCE = 4;

/** Archives on a backup server: streamed node → here → server, so that the nodes need no credentials. */
export class SftpStore implements Store {
  constructor(
    readonly location: Extract<Location, { kind: 'sftp' }>,
    private readonly server: SftpServer,
  ) {}

  async check(
    _nodes: readonly BackupNode[],
    how: CheckHow,
    signal?: AbortSignal,
  ): Promise<PromiseSettledResult<LocationReport>[]> {
    return mapLimit([this.location], 1, async ({ path }) => {
      if (how === 'create') await this.server.makeDirectory(path);
      if (how === 'look') await this.mustBeThere(path, signal);
      else {
        const probe = `${path}/.clusterlift-probe`;
        await this.server.writeFile(probe, 'probe\n');
        await this.server.remove(probe);
      }
      return { node: undefined, free: await this.server.free(path, signal) };
    });
  }

  async createPart(request: PartRequest): Promise<Part> {
    await this.server.makeDirectory(this.directory(request.point));
    return request.quiet ? this.spooledPart(request) : this.streamedPart(request);
  }

  async finishPoint(point: Point, nodes: readonly BackupNode[]): Promise<void> {
    await this.server.writeFile(this.file(point.id, 'point.json'), encode(point).text);
    await mapLimit(nodes, NODES_AT_ONCE, (node) => this.dropSpool(node, point.id));
  }

  async putStatus(status: PointStatus): Promise<void> {
    await this.server.writeFile(this.file(status.id, 'status.json'), encode(status).text);
  }

  async listPoints(_nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ListedPoint[]> {
    const entries = (await this.server.list(this.location.path, signal)) ?? [];
    const ids = entries.filter((each) => each.directory && POINT_ID.test(each.name)).map((each) => each.name);
    const points = new SeenPoints(this.location.name);
    const seen = await mapLimit(ids, POINTS_AT_ONCE, async (id) => {
      const found = await this.look(id, signal);
      return found && points.hold(found);
    });
    for (const each of seen) if (each.status === 'rejected') throw each.reason;
    return merge(
      seen.flatMap((each) => (each.status === 'fulfilled' && each.value ? [each.value] : [])),
      [undefined],
    );
  }

  async readPoint(id: string, _nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ReadPoint> {
    const seen = POINT_ID.test(id) ? await this.look(id, signal) : undefined;
    if (!seen) throw unknownPoint(id, this.location.name);
    return listPoint(id, [seen], [undefined], this.location.name);
  }

  async verifyPart({ point, part, onProgress, signal }: PartContext): Promise<PartVerdict> {
    const { data, listing } = part;
    if (data.kind !== 'archive') throw wrongKind(point.id, this.location.name);
    const check = new StreamCheck(present(part), true);
    try {
      let done = 0;
      for await (const chunk of this.server.read(this.file(point.id, data.file), 0, signal)) {
        await check.write(chunk);
        onProgress?.((done += chunk.length));
      }
      const facts = await check.end();
      if (facts.sha256 !== data.sha256) return broken(`the archive has another digest than recorded (${facts.sha256})`);
      const same = facts.listing === listing.sha256 && facts.count === listing.count;
      return same ? { result: 'verified' } : broken('the content of the archive is listed differently than recorded');
    } catch (error) {
      if (!(error instanceof ClusterliftError)) throw error;
      if (error.code === 'archive-invalid') return broken(error.message);
      if (error.code === 'server-missing') return broken('the archive is missing');
      throw error;
    } finally {
      check.destroy();
    }
  }

  async prepareRestore(
    { point, part, node, onProgress, signal }: PartContext,
    trusted: boolean,
  ): Promise<RestoreSource> {
    if (part.data.kind !== 'archive') throw wrongKind(point.id, this.location.name);
    const { bytes, file } = part.data;
    const options = signal ? { signal } : {};
    const there = await askNode(node.connection, [filesScript], {
      args: ['fetched', node.stateDir, point.id],
      ...options,
    });
    const has = there.text('bytes') === undefined ? 0 : there.number('bytes');
    const offset = has > bytes ? 0 : has;
    const free = there.number('free-kb') * 1024;
    if (free < bytes - offset) throw noRoom(node.name, bytes - offset, free);
    if (offset < bytes || bytes === 0) {
      await runOnNode(node.connection, [filesScript], {
        args: ['fetch', node.stateDir, point.id, String(offset)],
        stdin: counted(this.server.read(this.file(point.id, file), offset, signal), offset, onProgress),
        timeout: DAY,
        ...options,
      });
    }
    // The job hashes this copy, which only root can change, before and while it unpacks it.
    return { args: archiveSource(`${node.stateDir}/restore/${point.id}.part`, part, trusted), secrets: {} };
  }

  async endRestore({ point, node }: PartContext): Promise<void> {
    await runOnNode(node.connection, [filesScript], { args: ['unfetch', node.stateDir, point.id] });
  }

  async removePoint(id: string): Promise<void> {
    if (!POINT_ID.test(id)) throw unknownPoint(id, this.location.name);
    // First what makes it a point: a removal that is cut off leaves nothing that looks usable.
    await this.server.remove(this.file(id, 'point.json'));
    for (const each of (await this.server.list(this.directory(id))) ?? []) {
      if (!each.directory && !each.name.includes('/')) await this.server.remove(this.file(id, each.name));
    }
    await this.server.removeDirectory(this.directory(id));
  }

  /** In one go: when either link drops, it starts again. */
  private async streamedPart(request: PartRequest): Promise<Part> {
    const { node, paths } = request;
    const args = ['stream', node.stateDir, hasZstd() ? 'auto' : 'gzip', tarExcludes(request), ...paths];
    const { stderr, facts } = await this.upload(request, [tarScript, archiveScript], args, undefined);
    const mark = 'CLUSTERLIFT-STREAM\n';
    const entries = parseEntries(Buffer.from(stderr.slice(stderr.lastIndexOf(mark) + mark.length)), node.name);
    const compression = compressionOf(entries);
    const file = `${node.name}.tar.${compression === 'zstd' ? 'zst' : 'gz'}`;
    if (entries.required('sha256') !== facts.sha256) throw changedOnTheWay(node.name);
    await facts.writer.finish();
    const data = {
      kind: 'archive',
      file,
      bytes: facts.bytes,
      sha256: facts.sha256,
      compression,
      tar: tarOf(entries),
    } as const;
    await this.rename(request, file);
    return partOf(request, entries, data, { format: 'stream-1', sha256: facts.listing, count: facts.count });
  }

  /** The application stands still no longer than the node itself needs: first into the node's state directory, then here. */
  private async spooledPart(request: PartRequest): Promise<Part> {
    const { node, point, quiet, paths } = request;
    await runOnNode(node.connection, [filesScript], { args: ['sweep', node.stateDir, point] });
    const spool = `${node.stateDir}/spool`;
    const compression = hasZstd() ? 'auto' : 'gzip';
    const args = ['create', node.stateDir, spool, point, node.name, compression, quiet?.stop ?? '', quiet?.start ?? ''];
    const task = nodeTask([tarScript, archiveScript], [...args, tarExcludes(request), ...paths]);
    checkEnd(node.name, await withProgress(request, spool, () => request.runTask(task)));
    const part = await readCreated(request, spool);
    if (part.data.kind !== 'archive') throw new Error('a spooled part is an archive');
    const from = `${spool}/${point}/${part.data.file}`;
    const { facts } = await this.upload(request, [filesScript], ['cat', node.stateDir, from], part);
    if (facts.sha256 !== part.data.sha256) throw changedOnTheWay(node.name);
    await facts.writer.finish();
    await this.rename(request, part.data.file);
    return { ...part, listing: { format: 'stream-1', sha256: facts.listing, count: facts.count } };
  }

  /** Runs a script whose stdout is an archive, and writes it as `<node>.tar` to the server. */
  private async upload(
    request: PartRequest,
    scripts: readonly string[],
    args: readonly string[],
    part: Part | undefined,
  ): Promise<{ stderr: string; facts: StreamFacts & { writer: Writer } }> {
    const { node, point, pace, onProgress, signal } = request;
    const stop = new AbortController();
    const writer = await this.server.create(this.file(point, `${node.name}.tar`), signal);
    const check = new StreamCheck(part ? present(part) : await this.presentNow(request), true);
    let fault: Error | undefined;
    let done = 0;
    try {
      const { stderr } = await runOnNode(node.connection, scripts, {
        args,
        timeout: DAY,
        signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
        onStdout: async (chunk) => {
          try {
            await pace?.(chunk.length);
            await Promise.all([writer.write(chunk), check.write(chunk)]);
            onProgress?.((done += chunk.length));
          } catch (error) {
            fault ??= error instanceof Error ? error : new Error(String(error));
            stop.abort(fault);
          }
        },
      });
      stop.signal.throwIfAborted();
      return { stderr, facts: { ...(await check.end()), writer } };
    } catch (error) {
      await writer.abandon();
      // What went wrong here or at the server explains more than that the node was told to stop.
      throw fault ?? error;
    } finally {
      check.destroy();
    }
  }

  private async presentNow({ node, paths }: PartRequest): Promise<string[]> {
    const entries = await askNode(node.connection, [filesScript], { args: ['present', node.stateDir, ...paths] });
    return savedPaths(entries.lines('paths'))
      .filter((each) => each.state === 'present')
      .map((each) => each.path);
  }

  private async mustBeThere(path: string, signal?: AbortSignal): Promise<void> {
    if ((await this.server.list(path, signal)) !== undefined) return;
    throw new ClusterliftError({
      code: 'server-missing',
      message: `Backup server ${this.location.host}: there is no directory ${path}`,
      hint: 'Make it there, or `clusterlift backup remove` the location and `backup add` it again: adding makes it.',
      exit: ExitStatus.refused,
    });
  }

  private rename({ point, node }: PartRequest, file: string): Promise<void> {
    return this.server.rename(this.file(point, `${node.name}.tar`), this.file(point, file));
  }

  private async dropSpool(node: BackupNode, id: string): Promise<void> {
    await runOnNode(node.connection, [filesScript], { args: ['sweep', node.stateDir, '', id] });
  }

  private async look(id: string, signal?: AbortSignal): Promise<Seen | undefined> {
    const entries = await this.server.list(this.directory(id), signal);
    if (!entries) return undefined;
    const point = await this.server.readFile(this.file(id, 'point.json'), MAX_POINT_BYTES, signal);
    const status = await this.server.readFile(this.file(id, 'status.json'), MAX_POINT_BYTES, signal);
    return {
      id,
      node: undefined,
      ...(point && { point: point.toString('utf8') }),
      ...(status && { status: status.toString('utf8') }),
      parts: entries.filter((each) => !each.directory).map(({ name, bytes }) => ({ name, bytes })),
    };
  }

  private directory(id: string): string {
    return `${this.location.path}/${id}`;
  }

  private file(id: string, name: string): string {
    return `${this.directory(id)}/${name}`;
  }
}

function present(part: Part): string[] {
  return part.paths.filter((each) => each.state === 'present').map((each) => each.path);
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  from: number,
  onProgress?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = from;
  for await (const chunk of source) {
    yield chunk;
    onProgress?.((done += chunk.length));
  }
}

function broken(reason: string): PartVerdict {
  return { result: 'broken', reason };
}

function changedOnTheWay(node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'backup-changed',
    message: `What arrived from ${node} is not what was sent`,
    hint: 'Run the command again; if it happens twice, look at the memory and the disk of the node.',
    exit: ExitStatus.failed,
    node,
  });
}

function noRoom(node: string, needed: number, free: number): ClusterliftError {
  return new ClusterliftError({
    code: 'restore-space',
    message: `${node} has no room for the archive: ${formatSize(needed)} are needed, ${formatSize(free)} are free in its state directory`,
    hint: 'Make room there; nothing was changed.',
    exit: ExitStatus.refused,
    node,
  });
}
