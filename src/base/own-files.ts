import { advice } from './shell';
import { ClusterliftError, ExitStatus } from './errors';

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the quota is used up',
  EEXIST: 'something else is in its place',
  EIO: 'the disk fails',
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
    throw new ClusterliftError({
      code: 'state-unwritable',
      message: `${home} cannot be written: ${why}. This command changed nothing`,
      hint: advice`Free space there or make it writable, or set XDG_STATE_HOME to another directory: \`df -h ${home}\`.`,
      exit: ExitStatus.refused,
      cause: error,
    });
  }
}

function whyNot(error: unknown): string | undefined {
  if (error instanceof ClusterliftError || !(error instanceof Error) || !('code' in error)) return undefined;
  const code = String(error.code);
  const ofDirectory = 'syscall' in error && error.syscall === 'mkdir';
  return OF_DIRECTORIES.has(code) && !ofDirectory ? undefined : WHY[code];
}
