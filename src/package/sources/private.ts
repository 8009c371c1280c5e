import { createHash, randomUUID } from 'node:crypto';
import { lstat, open, readdir, readFile, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ageOf } from '../../base/clock';
import { makeDirectory } from '../../base/directories';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import { codeOf, FileReader, openFile, unreadable, type HashOptions } from './file';

/** A file of this machine that is held open, and whose bytes nobody else can change. */
export interface HeldFile {
  readonly reader: RandomReader;
  /** Where these bytes lie; the copy, where one was made. */
  readonly path: string;
  /** Others can change the file, or exchange it: this is a copy of ours, with this digest in its name. */
  readonly copied: { readonly sha256: string } | undefined;
}

interface Owned {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

const PIECE = 1024 * 1024;
const STICKY = 0o1000;
/** A copy that no run came back for is removed. Milliseconds. */
const COPY_AGE = 7 * 86_400_000;

/**
 * Opens a package once: what is read from this handle stays what it is. A file that others can write, or that lies in a
 * directory that others can write (up to `/`), is copied into a directory of ours first.
 * @param directory where copies go
 * @throws ClusterliftError `package-not-found`, `package-unreadable`, `disk-full`
 */
export async function holdFile(path: string, directory: string, options: HashOptions = {}): Promise<HeldFile> {
  const handle = await openFile(path);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw unreadable(path, 'it is not a file');
    const reader = new FileReader(handle, stat.size);
    if ((await isOurs(stat)) && (await liesSafely(path, stat))) return { reader, path, copied: undefined };
    const copy = await copyOf(reader, directory, options);
    await handle.close();
    return copy;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Only root and we can write it. Windows has no such bits; there a folder of the user is the user's. */
async function isOurs({ uid, gid, mode }: Owned): Promise<boolean> {
  const us = process.getuid?.();
  if (us === undefined) return true;
  if ((uid !== us && uid !== 0) || (mode & 0o002) !== 0) return false;
  return (mode & 0o020) === 0 || (await isPrivateGroup(gid));
}

/** The group of our name with nobody else in it: where every user has one, new files can be written by it. */
async function isPrivateGroup(gid: number): Promise<boolean> {
  const rows = async (file: string): Promise<string[][]> =>
    (await readFile(file, 'utf8').catch(() => '')).split('\n').map((each) => each.split(':'));
  const users = (await rows('/etc/passwd')).filter((row) => row[3] === String(gid));
  const [user] = users;
  if (users.length !== 1 || user?.[2] !== String(process.getuid?.())) return false;
  const groups = (await rows('/etc/group')).filter((row) => row[2] === String(gid));
  return groups.length === 1 && ['', user[0]].includes(groups[0]?.[3]);
}

/** Nobody else can give the name to another file. In a sticky directory only the owner of a file can. */
async function liesSafely(
  path: string,
  { ino, dev }: { readonly ino: number; readonly dev: number },
): Promise<boolean> {
  if (process.getuid === undefined) return true;
  try {
    const real = await realpath(path);
    const there = await lstat(real);
    if (there.ino !== ino || there.dev !== dev) return false;
    for (let each = dirname(real); ; each = dirname(each)) {
      const { uid, gid, mode } = await lstat(each);
      if (!(await isOurs({ uid, gid, mode: (mode & STICKY) === 0 ? mode : 0 }))) return false;
      if (dirname(each) === each) return true;
    }
  } catch {
    return false; // it was moved meanwhile
  }
}

async function copyOf(source: RandomReader, directory: string, options: HashOptions): Promise<HeldFile> {
  const part = join(directory, `${randomUUID()}.part`);
  try {
    await makeDirectory(directory);
    await removeOld(directory);
    const handle = await open(part, 'wx+', 0o600);
    try {
      const sha256 = await copyTo(handle, source, options);
      const path = join(directory, `${sha256}.iso`);
      await rename(part, path);
      return { reader: new FileReader(handle, source.size), path, copied: { sha256 } };
    } catch (error) {
      await handle.close();
      await rm(part, { force: true });
      throw error;
    }
  } catch (error) {
    if (error instanceof ClusterliftError || options.signal?.aborted === true) throw error;
    throw noCopy(directory, error);
  }
}

async function copyTo(handle: FileHandle, source: RandomReader, options: HashOptions): Promise<string> {
  const hash = createHash('sha256');
  for (let done = 0; done < source.size;) {
    options.signal?.throwIfAborted();
    const bytes = await source.read(done, Math.min(PIECE, source.size - done));
    if (bytes.length === 0) throw unreadable('the image', 'it became shorter while it was copied');
    await handle.appendFile(bytes);
    hash.update(bytes);
    done += bytes.length;
    options.onProgress?.(done);
  }
  return hash.digest('hex');
}

/** Of runs that were refused, or never resumed. */
async function removeOld(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await lstat(path).catch(() => undefined);
    if (found && ageOf(found.mtimeMs) > COPY_AGE) await rm(path, { force: true });
  }
}

function noCopy(directory: string, cause: unknown): ClusterliftError {
  const full = ['ENOSPC', 'EDQUOT'].includes(codeOf(cause) ?? '');
  return new ClusterliftError({
    code: full ? 'disk-full' : 'package-unreadable',
    message: `The package can be changed by others, and it could not be copied to ${directory}: ${messageOf(cause)}`,
    hint: 'Make room there, or put the package where only you can write.',
    exit: ExitStatus.refused,
    cause,
  });
}
