import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterliftError, ExitStatus } from '../base/errors';
import type { ProcessIdentity } from '../base/process';

/** Where the control socket of a run lies, and the file in the run's folder that says so. */

export interface ControlFile extends ProcessIdentity {
  readonly schema: 1;
  /** Version of the protocol, `1.0`. */
  readonly protocol: string;
  /** Path of the socket, or name of the pipe. */
  readonly address: string;
  /** 256 bits, hexadecimal. */
  readonly token: string;
}

const CONTROL_FILE = 'control.json';

/** Bytes of a socket's path: 104 on macOS and 108 on Linux, with the zero at the end (unix(7)). */
const LONGEST_PATH = 103;

/** @throws ClusterliftError `control-directory` when no directory is there that only we can write to */
export async function newAddress(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): Promise<string> {
  const name = randomBytes(12).toString('hex');
  if (platform === 'win32') return `\\\\.\\pipe\\clusterlift-${name}`;
  const problems: string[] = [];
  for (const directory of directories(env)) {
    const path = join(directory, `${name}.sock`);
    const problem = Buffer.byteLength(path) > LONGEST_PATH ? 'its path is too long' : await unfit(directory);
    if (problem === undefined) return path;
    problems.push(`${directory}: ${problem}`);
  }
  throw new ClusterliftError({
    code: 'control-directory',
    message: `There is no safe directory for the control socket (${problems.join('; ')})`,
    hint: 'Set XDG_RUNTIME_DIR to a directory that only you can write to.',
    exit: ExitStatus.refused,
  });
}

/** The first that is ours alone is taken. */
function directories(env: NodeJS.ProcessEnv): string[] {
  const runtime = env['XDG_RUNTIME_DIR'];
  const own = `clusterlift-${String(process.getuid?.() ?? 0)}`;
  return [
    ...(runtime?.startsWith('/') === true ? [join(runtime, 'clusterlift')] : []),
    join(tmpdir(), own),
    join('/tmp', own),
  ];
}

/** Makes the directory, or says why the one that is there cannot be trusted: who can write to it could pose as the run. */
async function unfit(directory: string): Promise<string | undefined> {
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') return `it cannot be made (${code ?? String(error)})`;
  }
  try {
    const found = await lstat(directory);
    if (found.isSymbolicLink()) return 'it is a symbolic link';
    if (!found.isDirectory()) return 'it is no directory';
    if (found.uid !== process.getuid?.()) return 'it belongs to somebody else';
    return (found.mode & 0o077) === 0 ? undefined : 'others may enter it';
  } catch (error) {
    return String(error);
  }
}

/** Writes `control.json` (0600): whole, or not at all. */
export async function writeControlFile(folder: string, control: ControlFile): Promise<void> {
  const path = join(folder, CONTROL_FILE);
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, JSON.stringify(control), { mode: 0o600, flag: 'wx' });
  await rename(temporary, path);
}

/** Removes `control.json` if it is still the one with that address. */
export async function removeControlFile(folder: string, address: string): Promise<void> {
  const found = await readControlFile(folder).catch(() => undefined);
  if (found?.address === address) await rm(join(folder, CONTROL_FILE), { force: true });
}

/** @returns undefined when there is none; @throws ClusterliftError `control-file` when it is not ours or makes no sense */
export async function readControlFile(folder: string): Promise<ControlFile | undefined> {
  const path = join(folder, CONTROL_FILE);
  let text: string;
  try {
    const found = await lstat(path);
    if (!found.isFile()) throw useless(path, 'it is no file');
    if (process.getuid && found.uid !== process.getuid()) throw useless(path, 'it belongs to somebody else');
    if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) throw useless(path, 'others may read it');
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const control = parse(text);
  if (!control) throw useless(path, 'it is not what Clusterlift writes');
  return control;
}

function parse(text: string): ControlFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { schema, protocol, address, token, host, bootId, pid, pidStart } = value as Record<string, unknown>;
  if (schema !== 1 || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (typeof protocol !== 'string' || typeof address !== 'string' || address === '') return undefined;
  if (typeof token !== 'string' || !/^[0-9a-f]{64}$/.test(token)) return undefined;
  if (typeof host !== 'string' || typeof bootId !== 'string' || typeof pidStart !== 'string') return undefined;
  return { schema, protocol, address, token, host, bootId, pid, pidStart };
}

function useless(path: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'control-file',
    message: `${path} cannot be trusted: ${why}`,
    hint: 'Look at the run with `clusterlift runs`; if no process works on it, go on with `clusterlift resume`.',
    exit: ExitStatus.refused,
  });
}
