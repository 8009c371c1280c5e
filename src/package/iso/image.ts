import type { RandomReader } from '../../base/reader';
import { readExactly } from './bytes';
import {
  dotRecord,
  readDirectory,
  type Child,
  type DirectoryPlace,
  type Extent,
  type Naming,
  type TreeAccess,
} from './directory';
import { damaged, tooLarge, unsupported } from './errors';
import { checkTarget, childPath } from './path';
import { suspSkip } from './rockridge';
import { MetaReader } from './meta';
import { readVolumes, type Volume } from './volume';

export type { Extent } from './directory';

/** One file, directory or symbolic link of an image. */
export interface IsoEntry {
  /** From the root of the image, without a leading slash; never leaves it. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Bytes. */
  readonly size: number;
  /** Permission bits; 0o755 for everything where the image records none (so that its scripts can run). */
  readonly mode: number;
  readonly mtime: Date | undefined;
  /** Of a symbolic link: relative, and never out of the image. */
  readonly target?: string;
  /** Where the bytes of a file lie; they follow each other in this order. Empty for an empty file. */
  readonly extents: readonly Extent[];
}

/** Entries of all directories together: what a package may have at most, and what a loop would soon exceed. */
const MOST_ENTRIES = 200_000;
/** Bytes of names that a walk holds at most. */
const MOST_NAMES = 64 * 1024 * 1024;
/** Looked-up directories that are kept, unless they are long. */
const KEPT_LISTINGS = 32;
const LONG_LISTING = 2000;
const STREAM = 256 * 1024;

/**
 * Opens an ISO 9660 image. Reads a few KB; directories are read when they are asked for.
 *
 * Names are those of Rock Ridge, else of Joliet, else the plain ones (as they are, without `;1`).
 * Structure by ECMA-119, SUSP and RRIP 1.12, and Microsoft's Joliet specification.
 * @throws ClusterliftError `package-truncated`, `package-not-iso`, `package-damaged`, `package-unsupported`
 */
export async function openIso(reader: RandomReader): Promise<IsoImage> {
  const { primary, joliet } = await readVolumes(reader);
  const meta = new MetaReader(reader);
  const plain = accessOf(meta, primary, { kind: 'plain' });
  const skip = suspSkip(await dotRecord(rootPlace(primary), plain));
  if (skip !== undefined) return new IsoImage(reader, primary, accessOf(meta, primary, { kind: 'rock-ridge', skip }));
  if (joliet !== undefined) return new IsoImage(reader, joliet, accessOf(meta, joliet, { kind: 'joliet' }));
  return new IsoImage(reader, primary, plain);
}

/** A read-only view of an image; see `openIso`. The caller that opened the reader closes it. */
export class IsoImage {
  readonly volumeId: string;
  /** Bytes of the volume; the file may be longer, never shorter. */
  readonly volumeBytes: number;
  readonly naming: Naming['kind'];
  private readonly listings = new Map<string, readonly Child[]>();

  constructor(
    private readonly reader: RandomReader,
    private readonly volume: Volume,
    private readonly access: TreeAccess,
  ) {
    this.volumeId = volume.id;
    this.volumeBytes = volume.bytes;
    this.naming = access.naming.kind;
  }

  /** The entry of that path; links are not followed. Reads only the directories on the way. */
  async find(path: string): Promise<IsoEntry | undefined> {
    const names = path.split('/').filter((each) => each !== '' && each !== '.');
    let place: DirectoryPlace | undefined = rootPlace(this.volume);
    let entry: IsoEntry | undefined;
    for (const name of names) {
      if (place === undefined) return undefined;
      const child: Child | undefined = (await this.list(place)).find((each) => each.name === name);
      if (child === undefined) return undefined;
      entry = this.entryOf(entry?.path ?? '', child);
      place = child.place;
    }
    return entry;
  }

  /**
   * The bytes of a file.
   * @throws ClusterliftError `package-file-too-large` when it has more than `most` bytes, before anything is read
   */
  async readFile(file: IsoEntry, most: number): Promise<Uint8Array> {
    if (file.size > most) throw tooLarge(file.path, file.size, most);
    const parts: Uint8Array[] = [];
    for await (const part of this.stream(file)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** The first bytes of a file, at most so many. */
  async readStart(file: IsoEntry, most: number): Promise<Uint8Array> {
    const [first] = file.extents;
    return first ? readExactly(this.reader, first.offset, Math.min(most, first.length)) : new Uint8Array();
  }

  /** The bytes of a file in pieces of at most 256 KiB. */
  async *stream(file: IsoEntry): AsyncGenerator<Uint8Array> {
    for (const { offset, length } of file.extents) {
      for (let done = 0; done < length; done += STREAM) {
        yield await readExactly(this.reader, offset + done, Math.min(STREAM, length - done));
      }
    }
  }

  /** Everything in the image, each directory before what is in it. Refuses the whole image at the first unsafe name. */
  async *walk(): AsyncGenerator<IsoEntry> {
    const ahead: { path: string; place: DirectoryPlace }[] = [{ path: '', place: rootPlace(this.volume) }];
    const seen = new Set<number>();
    let entries = 0;
    let names = 0;
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      const { path, place } = next;
      if (seen.has(place.offset)) throw damaged('its directories contain each other');
      seen.add(place.offset);
      for (const child of await readDirectory(place, this.access)) {
        const entry = this.entryOf(path, child);
        names += entry.path.length;
        if (++entries > MOST_ENTRIES || names > MOST_NAMES)
          throw unsupported(`more than ${String(MOST_ENTRIES)} files`);
        if (child.place !== undefined) ahead.push({ path: entry.path, place: child.place });
        yield entry;
      }
    }
  }

  /** Looked-up directories are kept: scripts lie next to each other. */
  private async list(place: DirectoryPlace): Promise<readonly Child[]> {
    const key = `${String(place.offset)}+${String(place.length)}`;
    const known = this.listings.get(key);
    if (known !== undefined) return known;
    const children = await readDirectory(place, this.access);
    if (this.listings.size < KEPT_LISTINGS && children.length < LONG_LISTING) this.listings.set(key, children);
    return children;
  }

  private entryOf(parent: string, child: Child): IsoEntry {
    const path = childPath(parent, child.name);
    const { kind, size, mtime, extents } = child;
    for (const { offset, length } of extents) {
      if (offset + length > this.reader.size) throw damaged(`${path} lies past its end`);
    }
    const entry = { path, kind, size, mode: child.mode ?? 0o755, mtime, extents };
    if (kind !== 'symlink') return entry;
    const target = child.target ?? '';
    checkTarget(path, target);
    return { ...entry, target };
  }
}

function rootPlace(volume: Volume): DirectoryPlace {
  return { offset: volume.root.block * volume.blockSize, length: volume.root.bytes };
}

function accessOf(meta: MetaReader, volume: Volume, naming: Naming): TreeAccess {
  const { blockSize, sequence } = volume;
  return {
    naming,
    blockSize,
    sequence,
    readMeta: (offset, length) => meta.read(offset, length),
    readContinuation: (block, offset, length) => meta.continuation(block * blockSize, offset, length),
  };
}
