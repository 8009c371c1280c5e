import { applyEdits, findNodeAtLocation, modify, parseTree, type FormattingOptions, type JSONPath } from 'jsonc-parser';
import { open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ageOf } from '../base/clock';
import { makeDirectory } from '../base/directories';
import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import { checkClusters, ConfigError, readClustersText } from './load';
import type { ClustersFile } from './model';
import type { ClusterJson } from './schema';

/** Our own edits of clusters.json. Comments, layout and line ends of everything else stay as they are. */

/** @throws `config-exists` when there is a location of that name; ConfigError when name or address are not right */
export async function addLocation(path: string, name: string, uri: string): Promise<void> {
  await edit(path, (text) => withLocation(text, path, name, uri));
}

/** Before anything is tried for it. @throws `config-exists` */
export function checkNewLocation(file: ClustersFile, name: string): void {
  if (file.locations.some((each) => each.name === name)) throw exists('backup location', name, file.path);
}

/** @throws `config-not-there` when there is no such location; ConfigError when a cluster still uses it */
export async function removeLocation(path: string, name: string): Promise<void> {
  await edit(path, (text) => withoutLocation(text, path, name));
}

/** @throws `config-exists` when there is a cluster of that name; ConfigError when it is not right */
export async function addCluster(path: string, name: string, cluster: ClusterJson): Promise<void> {
  await edit(path, (text) => withCluster(text, path, name, cluster));
}

/** The text with one more location. @param path for messages only */
export function withLocation(text: string, path: string, name: string, uri: string): string {
  if (checked(text, path).locations.some((each) => each.name === name)) throw exists('backup location', name, path);
  return changed(text, path, ['backupLocations', name], uri);
}

export function withoutLocation(text: string, path: string, name: string): string {
  if (!checked(text, path).locations.some((each) => each.name === name)) {
    throw refused(
      'config-not-there',
      `there is no backup location "${name}" in ${path}`,
      'See: clusterlift backup list.',
    );
  }
  return changed(text, path, ['backupLocations', name], undefined);
}

export function withCluster(text: string, path: string, name: string, cluster: ClusterJson): string {
  if (checked(text, path).clusters.some((each) => each.name === name)) throw exists('cluster', name, path);
  return changed(text, path, ['clusters', name], cluster);
}

/** A file with mistakes is not edited, and an edit never makes one. */
function checked(text: string, path: string): NonNullable<ReturnType<typeof checkClusters>['file']> {
  const { file, problems } = checkClusters(text, path);
  if (file) return file;
  const [first, ...others] = problems;
  throw new ConfigError(first, others);
}

function changed(text: string, path: string, place: JSONPath, value: unknown): string {
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  const body = text.slice(mark.length);
  const edits = isOnOneLine(body, place)
    ? modify(body, place, value, {}).map((edit) => ({ ...edit, content: edit.content.replace(/^,(?=")/, ', ') }))
    : modify(body, place, value, { formattingOptions: layoutOf(body) });
  const after = mark + applyEdits(body, edits);
  checked(after, path);
  return after;
}

/** Indents and ends lines as the file does. */
function layoutOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';
  return {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 4 : Math.min(8, indent.length),
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
}

/** Is there something around the place, all on one line? It stays on one line then. */
function isOnOneLine(text: string, place: JSONPath): boolean {
  const root = parseTree(text);
  const around = root && findNodeAtLocation(root, place.slice(0, -1));
  if (!around || (around.children ?? []).length === 0) return false;
  return !/[\r\n]/.test(text.slice(around.offset, around.offset + around.length));
}

const EMPTY = '{\n  "clusters": {}\n}\n';

/** Reads, edits and replaces a file in one step; makes it when it is not there. */
async function edit(path: string, change: (text: string) => string): Promise<void> {
  const target = await realpath(path).catch(() => path); // a link stays a link
  const before = await textOf(target);
  const after = change(before ?? EMPTY);
  if (before === undefined) await makeDirectory(dirname(target), 0o777);
  await replace(target, after, async () => {
    if ((await textOf(target)) !== before) throw changedMeanwhile(path);
  });
}

async function textOf(path: string): Promise<string | undefined> {
  const there = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  return there && readClustersText(path);
}

/** Milliseconds; writing takes far less, so what is older was left by a writer that died. */
const ABANDONED = 60_000;

/**
 * Power may go off at any time: the file is the old one or the new one, whole. Its mode and owner stay.
 * The new file has one name for all writers and is made only where none is, so there is one writer at a time.
 * @param lastLook throws when the file is not the one that was edited
 */
async function replace(path: string, text: string, lastLook: () => Promise<void>): Promise<void> {
  const fresh = join(dirname(path), `.${basename(path)}.clusterlift-new`);
  const old = await stat(path).catch(() => undefined);
  const file = await openAlone(fresh, path, old ? old.mode & 0o7777 : 0o644);
  try {
    try {
      await file.writeFile(text);
      if (old && process.platform !== 'win32') {
        await file.chown(old.uid, old.gid).catch(() => undefined); // only root can give a file away
        await file.chmod(old.mode & 0o7777);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await lastLook();
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function openAlone(fresh: string, path: string, mode: number): Promise<FileHandle> {
  const left = await stat(fresh).catch(() => undefined);
  if (left && ageOf(left.mtimeMs) > ABANDONED) await rm(fresh, { force: true });
  return open(fresh, 'wx', mode).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') throw changedMeanwhile(path);
    throw new ClusterliftError({
      code: 'config-unwritable',
      message: `cannot write ${path}: ${messageOf(cause)}`,
      hint: 'Check the permissions of the file and its folder.',
      exit: ExitStatus.usage,
      cause,
    });
  });
}

function changedMeanwhile(path: string): ClusterliftError {
  return refused(
    'config-changed',
    `${path} is being changed by somebody else`,
    'Nothing was written. Start the command again.',
  );
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  await using folder = await open(path, 'r');
  await folder.sync();
}

function exists(what: string, name: string, path: string): ClusterliftError {
  return refused(
    'config-exists',
    `there is already a ${what} "${name}" in ${path}`,
    'Choose another name, or remove it first.',
  );
}

function refused(code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.usage });
}
