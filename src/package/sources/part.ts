import { createHash, randomUUID, type Hash } from 'node:crypto';
import { open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from '../../base/directories';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { codeOf } from './file';
import type { Validators } from './validators';

/** What lies beside a growing file, so that a later session can go on with it. It holds no secret. */
interface SideFile {
  readonly schema: 1;
  readonly validators: Validators;
  /** Bytes that are certainly on the disk. */
  readonly synced: number;
  /** Until the machine is started again, written bytes are there, synced or not. */
  readonly boot: string;
}

/** Bytes between two syncs. */
const SYNC_EVERY = 64 * 1024 * 1024;
const PIECE = 1024 * 1024;

/**
 * A file that grows while it is downloaded (`….part`), with its running SHA-256 and a side file.
 * Its bytes always belong to `validators`.
 */
export class PartFile {
  private hash: Hash = createHash('sha256');
  private written = 0;
  private synced = 0;
  validators: Validators | undefined;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly boot: string,
  ) {}

  /** Opens what an earlier session left, and hashes it; without a matching side file, it starts again. */
  static async open(path: string, signal?: AbortSignal): Promise<PartFile> {
    await makeDirectory(dirname(path));
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    const handle = await open(path, 'a+', 0o600);
    const part = new PartFile(path, handle, boot.trim());
    try {
      await part.takeUp(await readSide(sidePath(path)), signal);
      return part;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get size(): number {
    return this.written;
  }

  /** Throws away what is there. */
  async restart(validators: Validators): Promise<void> {
    await this.handle.truncate(0);
    this.hash = createHash('sha256');
    this.written = 0;
    this.synced = 0;
    this.validators = validators;
    await this.writeSide();
  }

  /** @throws ClusterliftError `disk-full`, `download-unwritable` */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await this.handle.appendFile(bytes);
    } catch (error) {
      // Some of the bytes may have been written: the file must hold what was hashed.
      await this.handle.truncate(this.written).catch(() => undefined);
      throw unwritable(this.path, error);
    }
    this.hash.update(bytes);
    this.written += bytes.length;
    if (this.written - this.synced >= SYNC_EVERY) await this.sync();
  }

  async sync(): Promise<void> {
    await this.handle.datasync();
    this.synced = this.written;
    await this.writeSide();
  }

  /** The digest of what is there, in hex. The file can still grow afterwards. */
  digest(): string {
    return this.hash.copy().digest('hex');
  }

  /** Makes it the finished file, also for a power cut; nothing is left of the part. */
  async finish(target: string): Promise<void> {
    await this.handle.sync();
    await this.handle.close();
    await rename(this.path, target);
    await rm(sidePath(this.path), { force: true });
    await syncDirectory(dirname(target));
  }

  /** Keeps it for a later session. */
  async close(): Promise<void> {
    if (this.written > this.synced) await this.sync().catch(() => undefined);
    await this.handle.close();
  }

  async discard(): Promise<void> {
    await this.handle.close();
    await rm(this.path, { force: true });
    await rm(sidePath(this.path), { force: true });
  }

  private async takeUp(side: SideFile | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { size } = await this.handle.stat();
    const sure = side?.boot === this.boot && this.boot !== '' ? size : Math.min(size, side?.synced ?? 0);
    const longest = side?.validators.length ?? Infinity;
    const keep = side === undefined || sure > longest ? 0 : sure;
    await this.handle.truncate(keep);
    this.validators = keep === 0 ? undefined : side?.validators;
    while (this.written < keep) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await this.handle.read(
        Buffer.allocUnsafe(PIECE),
        0,
        Math.min(PIECE, keep - this.written),
        this.written,
      );
      if (bytesRead === 0) throw unwritable(this.path, new Error('it became shorter'));
      this.hash.update(buffer.subarray(0, bytesRead));
      this.written += bytesRead;
    }
    this.synced = Math.min(this.written, side?.synced ?? 0);
  }

  private async writeSide(): Promise<void> {
    if (this.validators === undefined) return;
    const side: SideFile = { schema: 1, validators: this.validators, synced: this.synced, boot: this.boot };
    await writeJson(sidePath(this.path), side);
  }
}

/** Writes a small file whole or not at all. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    await writeFile(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw unwritable(path, error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => undefined); // not possible on Windows
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function sidePath(path: string): string {
  return `${path}.json`;
}

async function readSide(path: string): Promise<SideFile | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isSide(value) ? value : undefined;
  } catch {
    return undefined; // absent or torn: then the part is worth nothing
  }
}

function isSide(value: unknown): value is SideFile {
  if (!isObject(value) || value['schema'] !== 1 || !Number.isSafeInteger(value['synced'])) return false;
  const validators = value['validators'];
  return typeof value['boot'] === 'string' && isObject(validators) && typeof validators['dateIsStrong'] === 'boolean';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function unwritable(path: string, error: unknown): ClusterliftError {
  const full = ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '');
  return new ClusterliftError({
    code: full ? 'disk-full' : 'download-unwritable',
    message: full ? `There is no space left for ${path}` : `${path} cannot be written: ${messageOf(error)}`,
    hint: full
      ? 'Free some space there and start again; the download goes on where it stopped.'
      : 'Check the permissions of its directory.',
    exit: ExitStatus.refused,
    cause: error,
  });
}
