import { statfs } from 'node:fs/promises';
import { ClusterliftError, ExitStatus } from './errors';
import { advice } from './shell';

/** Bytes that must be free before a run begins: its journal, and a first part of the logs. */
const LEAST_FREE = 4 * 1024 * 1024;

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the quota is used up',
  EEXIST: 'something else is in its place',
  EFBIG: 'a limit on the size of files is reached (ulimit -f)',
  EIO: 'the disk fails',
  EMFILE: 'too many files are open (ulimit -n)',
  ENOENT: 'the directory cannot be made',
  ENOSPC: 'no space is left',
  ENOTDIR: 'a file is in the place of a directory',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
};
/** Where only making a directory fails with it for this reason: else a file is missing. */
const OF_DIRECTORIES: ReadonlySet<string> = new Set(['ENOENT', 'EEXIST']);

/**
 * Writes into the user's own state directory, before any node is changed.
 * @param home that directory, for the message
 * @throws ClusterliftError `state-unwritable` (status 3), else what `write` throws
 */
export async function writeOwn<T>(home: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const why = whyNot(error);
    if (why === undefined) throw error;
    throw unwritable(home, why, error);
  }
}

/**
 * A disk that becomes full in the middle of a run leaves nodes in the middle of their change, so a run needs some room.
 * @param path below `home`; it exists
 * @throws ClusterliftError `state-unwritable` (status 3)
 */
export async function mustHaveRoom(home: string, path: string): Promise<void> {
  // Not every file system can say it.
  const space = await statfs(path).catch(() => undefined);
  if (space === undefined || space.blocks === 0) return;
  const free = space.bavail * space.bsize;
  if (free < LEAST_FREE) throw unwritable(home, `only ${String(Math.floor(free / 1024))} KiB are free`);
}

function unwritable(home: string, why: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'state-unwritable',
    message: `${home} cannot be written: ${why}. This command changed nothing`,
    hint: advice`Free space there or make it writable, or set XDG_STATE_HOME to another directory: \`df -h ${home}\`.`,
    exit: ExitStatus.refused,
    cause,
  });
}

function whyNot(error: unknown): string | undefined {
  if (error instanceof ClusterliftError || !(error instanceof Error) || !('code' in error)) return undefined;
  const code = String(error.code);
  const ofDirectory = 'syscall' in error && error.syscall === 'mkdir';
  return OF_DIRECTORIES.has(code) && !ofDirectory ? undefined : WHY[code];
}
