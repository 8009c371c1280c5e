import { ascii, ucs2 } from './bytes';
import { damaged, unsupported } from './errors';
import { isDotRecord, recordsOf, type DirectoryRecord } from './record';
import { rockRidgeOf, type ReadContinuation, type RockRidge } from './rockridge';

/** Bytes of the image, from `offset` on. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Where a directory's records lie, in bytes. */
export type DirectoryPlace = Extent;

/** One thing in a directory, with the name that people see. */
export interface Child {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Bytes; 0 for directories and links. */
  readonly size: number;
  /** Permission bits; undefined where the image records none. */
  readonly mode: number | undefined;
  readonly mtime: Date | undefined;
  readonly target: string | undefined;
  readonly extents: readonly Extent[];
  readonly place: DirectoryPlace | undefined;
}

/** How a tree names its files. */
export type Naming = { readonly kind: 'rock-ridge'; readonly skip: number } | { readonly kind: 'joliet' | 'plain' };

/** What reading one directory needs from the image around it. */
export interface TreeAccess {
  readonly naming: Naming;
  readonly blockSize: number;
  readonly sequence: number;
  /** Reads bytes of the structure (not of files) and counts them against the image's budget. */
  readonly readMeta: (offset: number, length: number) => Promise<Uint8Array>;
  readonly readContinuation: ReadContinuation;
}

const SECTOR = 2048;
const CHUNK = 32 * SECTOR;
const MOST_DIRECTORY = 32 * 1024 * 1024;
const MOST_CHILDREN = 100_000;
/** 1000 extents of almost 4 GiB each. */
const MOST_EXTENTS = 1000;

const S_IFMT = 0o170000;
const TYPE = { directory: 0o040000, file: 0o100000, symlink: 0o120000 } as const;

/** The children of a directory, in the order of the image. Two of the same name are refused. */
export async function readDirectory(place: DirectoryPlace, access: TreeAccess): Promise<Child[]> {
  const children: Child[] = [];
  const names = new Set<string>();
  let pending: DirectoryRecord[] = [];
  for await (const record of records(place, access)) {
    if (isDotRecord(record) || record.associated) continue;
    pending = continued(pending, record);
    if (record.continues) continue;
    const child = await childOf(pending, access);
    pending = [];
    if (child === undefined) continue;
    if (names.has(child.name)) throw damaged('two files have the same name');
    if (names.size >= MOST_CHILDREN) throw unsupported(`more than ${String(MOST_CHILDREN)} files in one directory`);
    names.add(child.name);
    children.push(child);
  }
  if (pending.length > 0) throw damaged('a file of several extents has no last one');
  return children;
}

/** The first record of a directory: itself. */
export async function dotRecord(place: DirectoryPlace, access: TreeAccess): Promise<DirectoryRecord> {
  for await (const record of records({ offset: place.offset, length: Math.min(place.length, SECTOR) }, access)) {
    if (record.id[0] === 0 && isDotRecord(record)) return record;
    break;
  }
  throw damaged('a directory does not begin with itself');
}

async function* records(place: DirectoryPlace, access: TreeAccess): AsyncGenerator<DirectoryRecord> {
  if (place.length > MOST_DIRECTORY) throw damaged('a directory is larger than any real one');
  for (let done = 0; done < place.length; done += CHUNK) {
    const bytes = await access.readMeta(place.offset + done, Math.min(CHUNK, place.length - done));
    for (let at = 0; at < bytes.length; at += SECTOR) {
      yield* recordsOf(bytes.subarray(at, Math.min(bytes.length, at + SECTOR)), access.sequence);
    }
  }
}

/** Extents of one file follow each other under the same name. */
function continued(pending: DirectoryRecord[], record: DirectoryRecord): DirectoryRecord[] {
  const first = pending[0];
  if (first === undefined) return [record];
  if (!Buffer.from(first.id).equals(record.id) || record.directory)
    throw damaged('the extents of a file do not belong together');
  if (pending.length >= MOST_EXTENTS) throw damaged('a file has too many extents');
  pending.push(record);
  return pending;
}

async function childOf(records: readonly DirectoryRecord[], access: TreeAccess): Promise<Child | undefined> {
  const last = records.at(-1);
  if (last === undefined) return undefined;
  const { naming } = access;
  const rock = naming.kind === 'rock-ridge' ? await rockRidgeOf(last, naming.skip, access.readContinuation) : undefined;
  if (rock?.relocated === true) return undefined; // listed where it belongs, through its CL
  const name = rock?.name ?? plainName(last, naming);
  const common = {
    name,
    mode: rock?.mode === undefined ? undefined : rock.mode & 0o777,
    mtime: rock?.modified ?? last.date,
  };
  const none = { size: 0, target: undefined, extents: [], place: undefined };
  switch (kindOf(last, rock)) {
    case 'directory':
      return { ...none, ...common, kind: 'directory', place: await placeOf(last, rock, access) };
    case 'symlink':
      return { ...none, ...common, kind: 'symlink', target: rock?.target };
    case 'file': {
      const extents = extentsOf(records, access.blockSize);
      return { ...none, ...common, kind: 'file', extents, size: extents.reduce((sum, each) => sum + each.length, 0) };
    }
  }
}

function kindOf(record: DirectoryRecord, rock: RockRidge | undefined): Child['kind'] {
  if (record.directory || rock?.childBlock !== undefined) return 'directory';
  const type = (rock?.mode ?? TYPE.file) & S_IFMT;
  if (type === TYPE.symlink) return 'symlink';
  if (type === TYPE.file) return 'file';
  throw unsupported('a device, a socket or a named pipe');
}

function extentsOf(records: readonly DirectoryRecord[], blockSize: number): Extent[] {
  return records
    .filter((each) => each.bytes > 0)
    .map((each) => ({ offset: each.block * blockSize, length: each.bytes }));
}

async function placeOf(
  record: DirectoryRecord,
  rock: RockRidge | undefined,
  access: TreeAccess,
): Promise<DirectoryPlace> {
  if (rock?.childBlock === undefined) return { offset: record.block * access.blockSize, length: record.bytes };
  const offset = rock.childBlock * access.blockSize;
  const dot = await dotRecord({ offset, length: SECTOR }, access);
  return { offset, length: dot.bytes };
}

/** Joliet's name or the bare one: without the version number, and without the dot of a missing extension. */
function plainName(record: DirectoryRecord, naming: Naming): string {
  const text = naming.kind === 'joliet' ? ucs2(record.id) : ascii(record.id);
  if (text === undefined) throw unsupported('a Joliet name that is not UCS-2');
  const name = record.directory ? text : text.replace(/;\d*$/, '');
  return naming.kind === 'joliet' || record.directory ? name : name.replace(/(?<=.)\.$/, '');
}
