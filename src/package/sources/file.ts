import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { RandomReader } from '../../base/reader';

/**
 * Opens a file of this machine for reading at any offset. Its size is taken once.
 * @throws ClusterliftError `package-not-found`, `package-unreadable`
 */
export async function openFileReader(path: string): Promise<RandomReader> {
  const handle = await openFile(path);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw unreadable(path, 'it is not a file');
    return new FileReader(handle, stat.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads through a handle, which `close` closes. */
export class FileReader implements RandomReader {
  constructor(
    private readonly handle: FileHandle,
    readonly size: number,
  ) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const { bytesRead } = await this.handle.read(bytes, done, bytes.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

export interface HashOptions {
  /** Bytes hashed so far. */
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PIECE = 1024 * 1024;

/**
 * SHA-256 of a file of this machine, in hex.
 * @throws ClusterliftError `package-not-found`, `package-unreadable`
 */
export async function sha256OfFile(path: string, options: HashOptions = {}): Promise<string> {
  const reader = await openFileReader(path);
  try {
    return await sha256OfReader(reader, options);
  } finally {
    await reader.close();
  }
}

/** SHA-256 of all that a reader holds, in hex. */
export async function sha256OfReader(reader: RandomReader, { onProgress, signal }: HashOptions = {}): Promise<string> {
  const hash = createHash('sha256');
  for (let done = 0; done < reader.size;) {
    signal?.throwIfAborted();
    const bytes = await reader.read(done, Math.min(PIECE, reader.size - done));
    if (bytes.length === 0) throw unreadable('the image', 'it became shorter while it was read');
    hash.update(bytes);
    done += bytes.length;
    onProgress?.(done);
  }
  return hash.digest('hex');
}

export async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw unreadable(path, messageOf(error), error);
    throw new ClusterliftError({
      code: 'package-not-found',
      message: `There is no file ${path}`,
      hint: 'Check the path; node:<path> names a file on the primary.',
      exit: ExitStatus.refused,
      cause: error,
    });
  }
}

/** The code of a system error, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function unreadable(path: string, why: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'package-unreadable',
    message: `${path} cannot be read: ${why}`,
    hint: 'Check that it is a file and that you may read it.',
    exit: ExitStatus.refused,
    cause,
  });
}
