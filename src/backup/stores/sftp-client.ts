import type { SFTPWrapper, Stats } from 'ssh2';
import { within } from '../../base/async';
import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { Transport } from '../../ssh/reach/transport';
import { linkLost } from '../../ssh/errors';
import { Budget, MAX_ENTRIES, MAX_ENTRY_BYTES } from '../archive/limits';

/** Files on a backup server, over SFTP alone: a server with `internal-sftp` in a chroot is enough. */

/** Makes or finds the connection; the ssh room authenticates and verifies the host key as for a node. */
export type ConnectServer = (signal?: AbortSignal) => Promise<Transport>;

/** Milliseconds for one answer. */
const DEADLINE = 60_000;
/** Bytes of one request; servers take at least 32 KiB, and ssh2 splits where a server takes less. */
const PIECE = 128 * 1024;
const IN_FLIGHT = 16;
const LISTING = { count: MAX_ENTRIES, bytes: MAX_ENTRY_BYTES };
/** SFTP status codes (draft-ietf-secsh-filexfer-02, 7). */
const END = 1;
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;
const FAILURE = 4;

export interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly directory: boolean;
}

/** A file that is being written; it has its name only after `finish`. */
export interface Writer {
  /** Waits while too much is under way. */
  write(chunk: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  /** Removes what was written; never fails. */
  abandon(): Promise<void>;
}

export class SftpServer {
  constructor(
    /** For messages. */
    readonly name: string,
    private readonly connect: ConnectServer,
  ) {}

  /** @returns undefined when there is no such file. @throws ClusterliftError `server-…`, `link-lost` */
  async readFile(path: string, max: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of this.read(path, 0, signal)) {
        size += chunk.length;
        if (size > max) throw this.error('server-file-long', `${path} is longer than ${max} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return Buffer.concat(chunks);
  }

  async writeFile(path: string, data: string): Promise<void> {
    const writer = await this.create(path);
    try {
      await writer.write(Buffer.from(data));
      await writer.finish();
    } catch (error) {
      await writer.abandon();
      throw error;
    }
  }

  /** The bytes of a file from an offset, several requests ahead, in order. */
  async *read(path: string, from: number, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const { call, sftp } = await this.session(signal);
    const handle = await call<Buffer>(`opening ${path}`, (done) => sftp.open(path, 'r', done));
    try {
      const { size } = await call<Stats>(`looking at ${path}`, (done) => sftp.fstat(handle, done));
      const piece = async (at: number): Promise<Buffer> => {
        const buffer = Buffer.allocUnsafe(Math.min(PIECE, size - at));
        for (let filled = 0; filled < buffer.length;) {
          const offset = filled;
          filled += await call<number>(`reading ${path}`, (done) =>
            sftp.read(handle, buffer, offset, buffer.length - offset, at + offset, done),
          );
          if (filled === offset) throw this.error('server-file-short', `${path} became shorter while it was read`);
        }
        return buffer;
      };
      const ahead: Promise<Buffer>[] = [];
      let next = from;
      for (let at = from; at < size; at += PIECE) {
        signal?.throwIfAborted();
        for (; next < size && ahead.length < IN_FLIGHT; next += PIECE) {
          const asked = piece(next);
          asked.catch(() => undefined);
          ahead.push(asked);
        }
        const buffer = await ahead.shift();
        if (buffer) yield buffer;
      }
    } finally {
      sftp.close(handle, () => undefined);
    }
  }

  /** Begins a new file (0600). It is `path.part` until it is finished; one that is there is replaced. */
  async create(path: string, signal?: AbortSignal): Promise<Writer> {
    const { call, sftp } = await this.session(signal);
    const part = `${path}.part`;
    const handle = await call<Buffer>(`making ${part}`, (done) => sftp.open(part, 'w', 0o600, done));
    const pipe = new WritePipe((data, at) =>
      call<undefined>(`writing ${path}`, (done) =>
        sftp.write(handle, data, 0, data.length, at, done as (error?: Error | null) => void),
      ),
    );
    const close = (): Promise<unknown> =>
      call(`closing ${part}`, (done) => sftp.close(handle, done as (error?: Error | null) => void));
    return {
      write: (chunk) => pipe.write(chunk).catch((error: unknown) => this.whyNot(path, error)),
      finish: async () => {
        await pipe.flush().catch((error: unknown) => this.whyNot(path, error));
        await optional(call, (done) => sftp.ext_openssh_fsync(handle, done));
        await close();
        await this.rename(part, path);
      },
      abandon: async () => {
        await Promise.allSettled([close()]);
        await Promise.allSettled([this.remove(part)]);
      },
    };
  }

  /**
   * What is in a directory, asked for piece by piece; undefined when there is none.
   * @throws ClusterliftError `limit-exceeded`
   */
  async list(path: string, signal?: AbortSignal): Promise<Entry[] | undefined> {
    const { call, sftp } = await this.session(signal);
    const what = `listing ${path}`;
    try {
      const handle = await call<Buffer>(what, (done) => sftp.opendir(path, done));
      try {
        const budget = new Budget(`${path} on backup server ${this.name}`, 'entries', LISTING);
        const entries: Entry[] = [];
        for (;;) {
          signal?.throwIfAborted();
          const found = await call<Listed[] | undefined>(what, (done) =>
            (sftp.readdir as unknown as ReadPiece).call(sftp, handle, { full: true }, (error, some) =>
              done(ended(error) ? undefined : error, some),
            ),
          );
          // A piece without entries could be asked for without end.
          if (found === undefined || found.length === 0) return entries;
          for (const { filename, longname, attrs } of found) {
            budget.take(filename.length + longname.length);
            if (filename === '.' || filename === '..') continue;
            entries.push({ name: filename, bytes: attrs.size, directory: attrs.isDirectory() });
          }
        }
      } finally {
        sftp.close(handle, () => undefined);
      }
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Makes a directory (0700) and those above it. */
  async makeDirectory(path: string): Promise<void> {
    if ((await this.list(path)) !== undefined) return;
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '') await this.makeDirectory(parent);
    const { call, sftp } = await this.session();
    await call(`making ${path}`, (done) =>
      sftp.mkdir(path, { mode: 0o700 }, done as (error?: Error | null) => void),
    ).catch(async (error: unknown) => {
      // Somebody else was faster.
      if ((await this.list(path)) === undefined) throw error;
    });
  }

  /** Removes a file; a missing file is not an error. */
  async remove(path: string): Promise<void> {
    const { call, sftp } = await this.session();
    await call(`removing ${path}`, (done) => sftp.unlink(path, done as (error?: Error | null) => void)).catch(
      (error: unknown) => {
        if (!isMissing(error)) throw error;
      },
    );
  }

  /** Removes an empty directory; a missing one, or one that is not empty, is not an error. */
  async removeDirectory(path: string): Promise<void> {
    const { call, sftp } = await this.session();
    await call(`removing ${path}`, (done) => sftp.rmdir(path, done as (error?: Error | null) => void)).catch(
      () => undefined,
    );
  }

  /** Free bytes of the file system; undefined when the server does not tell. */
  async free(path: string, signal?: AbortSignal): Promise<number | undefined> {
    const { call, sftp } = await this.session(signal);
    const told = await optional<unknown>(call, (done) => sftp.ext_openssh_statvfs(path, done));
    if (typeof told !== 'object' || told === null) return undefined;
    const { f_bavail: blocks, f_frsize: size } = told as { f_bavail?: unknown; f_frsize?: unknown };
    const bytes = Number(blocks) * Number(size);
    return Number.isFinite(bytes) ? bytes : undefined;
  }

  /** Renames a file; one that has the name already is replaced. */
  async rename(from: string, to: string): Promise<void> {
    const { call, sftp } = await this.session();
    const replaced = await optional(call, (done) => {
      sftp.ext_openssh_rename(from, to, (error) => (error ? done(error, undefined) : done(undefined, true)));
    });
    if (replaced === true) return;
    // The plain rename of SFTP 3 does not replace.
    await this.remove(to);
    await call(`renaming ${from}`, (done) => sftp.rename(from, to, done as (error?: Error | null) => void));
  }

  private async session(signal?: AbortSignal): Promise<{ call: Call; sftp: SFTPWrapper }> {
    const transport = await this.connect(signal).catch((error: unknown) => {
      throw aboutServer(error);
    });
    const sftp = await transport.sftp();
    const call: Call = (what, send) => {
      const work = transport.guard(what, (result) => {
        const done = (error: Error | null | undefined, value: unknown): void => {
          if (!error) result.resolve(value);
          // After the end of the link, `lost` tells.
          else if (transport.alive) result.reject(this.refused(what, error));
        };
        try {
          send(done);
        } catch (error) {
          result.reject(linkLost(this.name, what, error));
        }
      });
      return within(DEADLINE, work, () => linkLost(this.name, what, new Error('no answer'))) as never;
    };
    return { call, sftp };
  }

  /** SFTP 3 has no word for "disk full": look. */
  private async whyNot(path: string, error: unknown): Promise<never> {
    if (!(error instanceof ClusterliftError) || error.code !== 'server-refused') throw error;
    const free = await this.free(path.slice(0, path.lastIndexOf('/'))).catch(() => undefined);
    if (free === undefined || free > 1024 * 1024) throw error;
    throw this.error(
      'backup-full',
      'its file system is full',
      error,
      'Make room there: clusterlift backup clean <location> keep <n>.',
    );
  }

  private refused(what: string, cause: Error): ClusterliftError {
    const status = 'code' in cause ? cause.code : undefined;
    if (status === NO_SUCH_FILE)
      return this.error('server-missing', `${what}: there is no such file or directory`, cause);
    if (status === PERMISSION_DENIED) {
      return this.error(
        'server-denied',
        `${what}: permission denied`,
        cause,
        'Give the user write access to the directory of the location.',
      );
    }
    // All that SFTP 3 says of a read-only file system, too.
    const why =
      status === FAILURE ? 'the server does not say why; its file system may be read-only or full' : messageOf(cause);
    return this.error('server-refused', `${what}: ${why}`, cause);
  }

  private error(code: ErrorCode, why: string, cause?: unknown, hint?: string): ClusterliftError {
    return new ClusterliftError({
      code,
      message: `Backup server ${this.name}: ${why}`,
      hint:
        hint ??
        'Look at the location with `clusterlift backup list`, and at the disk and the permissions of the server.',
      exit: ExitStatus.failed,
      cause,
    });
  }
}

type Done<T> = (error: Error | null | undefined, value: T) => void;
interface Listed {
  readonly filename: string;
  readonly longname: string;
  readonly attrs: Stats;
}

/** Its types do not know the options: `full` leaves `.` and `..` in, so that no piece looks empty. */
type ReadPiece = (
  handle: Buffer,
  options: { readonly full: true },
  done: (error: Error | undefined, some: Listed[] | undefined) => void,
) => void;

/** That there are no more entries is told as an error. */
function ended(error: Error | null | undefined): boolean {
  return error !== null && error !== undefined && 'code' in error && error.code === END;
}

type Call = <T>(what: string, send: (done: Done<T>) => unknown) => Promise<T>;

function isMissing(error: unknown): boolean {
  return error instanceof ClusterliftError && error.code === 'server-missing';
}

/** The server is reached and logged into as a node, but it is none, and clusters.json has no key for it. */
function aboutServer(error: unknown): unknown {
  if (!(error instanceof ClusterliftError)) return error;
  const detail = { ...error.detail(), node: undefined };
  if (error.code !== 'auth-failed') return new ClusterliftError(detail);
  const hint =
    'Try `sftp` with the same user and host from here; name a key for it in ~/.ssh/config or add one to the agent; unattended, ' +
    'CLUSTERLIFT_BACKUP_PASSWORD or …_FILE gives a password.';
  return new ClusterliftError({ ...detail, hint });
}

/** An extension that the server may not have. */
async function optional<T>(call: Call, send: (done: Done<T>) => unknown): Promise<T | undefined> {
  try {
    return await call<T>('an extension', (done) => {
      try {
        send(done);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)), undefined as T);
      }
    });
  } catch (error) {
    if (error instanceof ClusterliftError && error.code.startsWith('server-')) return undefined;
    throw error;
  }
}

/** Gathers small chunks and keeps a bounded number of requests under way. */
class WritePipe {
  private buffer = Buffer.allocUnsafe(PIECE);
  private filled = 0;
  private at = 0;
  private readonly under = new Set<Promise<void>>();
  private fault: Error | undefined;

  constructor(private readonly send: (data: Buffer, at: number) => Promise<unknown>) {}

  async write(chunk: Uint8Array): Promise<void> {
    for (let from = 0; from < chunk.length;) {
      const taken = Math.min(PIECE - this.filled, chunk.length - from);
      this.buffer.set(chunk.subarray(from, from + taken), this.filled);
      this.filled += taken;
      from += taken;
      if (this.filled === PIECE) await this.sendBuffer();
    }
  }

  async flush(): Promise<void> {
    if (this.filled > 0) await this.sendBuffer();
    await Promise.all(this.under);
    this.judge();
  }

  private async sendBuffer(): Promise<void> {
    while (this.under.size >= IN_FLIGHT && !this.fault) await Promise.race(this.under);
    this.judge();
    const data = this.buffer.subarray(0, this.filled);
    const request = this.send(data, this.at).then(
      () => undefined,
      (error: unknown) => {
        this.fault ??= error instanceof Error ? error : new Error(String(error));
      },
    );
    this.under.add(request);
    void request.finally(() => this.under.delete(request));
    this.at += this.filled;
    this.buffer = Buffer.allocUnsafe(PIECE);
    this.filled = 0;
  }

  private judge(): void {
    if (this.fault) throw this.fault;
  }
}
