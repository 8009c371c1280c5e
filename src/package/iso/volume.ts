import type { RandomReader } from '../../base/reader';
import { ascii, byte, readExactly, u16, u32, ucs2 } from './bytes';
import { damaged, notAnImage, truncated, unsupported } from './errors';

/** Where a tree of directories begins, and the unit in which it counts. ECMA-119 8.4, 8.5. */
export interface Volume {
  readonly id: string;
  /** Bytes of a logical block; extents are counted in these. */
  readonly blockSize: number;
  /** Bytes of the whole volume: a smaller file is a broken download. */
  readonly bytes: number;
  readonly sequence: number;
  /** The root's directory record: where it begins, and its bytes. */
  readonly root: { readonly block: number; readonly bytes: number };
}

export interface Volumes {
  readonly primary: Volume;
  readonly joliet: Volume | undefined;
}

const SECTOR = 2048;
const FIRST_SECTOR = 16;
/** Real images have three to five. */
const MOST_DESCRIPTORS = 64;
/** Read together: one round trip where the image is far away. */
const AT_ONCE = 4;

/** Finds the trees of an image, and checks its size first. */
export async function readVolumes(reader: RandomReader): Promise<Volumes> {
  let primary: Volume | undefined;
  let joliet: Volume | undefined;
  for await (const sector of descriptors(reader)) {
    const type = byte(sector, 0);
    if (type === 255) break;
    if (type === 1 && primary === undefined) {
      primary = volumeOf(sector, (bytes) => ascii(bytes).trimEnd());
      if (reader.size < primary.bytes) throw truncated(reader.size, primary.bytes);
    }
    if (type === 2 && joliet === undefined && isJoliet(sector)) joliet = volumeOf(sector, (bytes) => ucs2(bytes) ?? '');
  }
  if (primary === undefined) throw notAnImage('it has no primary volume descriptor');
  return { primary, joliet };
}

/** All descriptors up to the terminator, a few sectors a read. */
async function* descriptors(reader: RandomReader): AsyncGenerator<Uint8Array> {
  for (let sector = FIRST_SECTOR; sector < FIRST_SECTOR + MOST_DESCRIPTORS; sector += AT_ONCE) {
    const offset = sector * SECTOR;
    const length = Math.min(AT_ONCE * SECTOR, reader.size - offset);
    if (length < SECTOR && sector === FIRST_SECTOR) throw notAnImage('it is too small');
    const bytes = await readExactly(reader, offset, Math.max(0, length));
    for (let at = 0; at + SECTOR <= bytes.length; at += SECTOR) {
      const one = bytes.subarray(at, at + SECTOR);
      checkIdentifier(ascii(one.subarray(1, 6)));
      yield one;
    }
    if (length < AT_ONCE * SECTOR) break;
  }
  throw damaged('the list of its volume descriptors does not end');
}

function checkIdentifier(id: string): void {
  if (id === 'CD001') return;
  if (['BEA01', 'NSR02', 'NSR03', 'TEA01'].includes(id)) throw unsupported('a UDF file system without ISO 9660');
  throw notAnImage('its volume descriptors are missing');
}

/** Joliet is announced by the escape sequences of UCS-2 level 1 to 3. */
function isJoliet(sector: Uint8Array): boolean {
  return ['%/@', '%/C', '%/E'].includes(ascii(sector.subarray(88, 91)));
}

function volumeOf(sector: Uint8Array, text: (bytes: Uint8Array) => string): Volume {
  const blockSize = u16(sector, 128);
  // ECMA-119 allows 512 and 1024 too; nobody makes such images, and nodes cut files out in sectors.
  if (blockSize !== SECTOR) throw unsupported(`blocks of ${String(blockSize)} bytes`);
  return {
    id: text(sector.subarray(40, 72)).replace(/[\0 ]+$/, ''),
    blockSize,
    bytes: u32(sector, 80) * blockSize,
    sequence: u16(sector, 124),
    root: { block: u32(sector, 158) + byte(sector, 157), bytes: u32(sector, 166) },
  };
}
