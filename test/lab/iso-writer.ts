/**
 * A minimal ISO 9660 writer with Rock Ridge names and modes (PX, NM, TF), for machines without xorriso.
 * ECMA-119 for the records, IEEE P1281/P1282 (SUSP, RRIP 1.09) for the system use fields.
 */

export interface IsoFile {
  /** Relative, with `/` between the parts. */
  readonly path: string;
  /** The content; a number: so many zero bytes, which are not in the returned bytes but lie behind them. */
  readonly data: Uint8Array | number;
  /** Permission bits, such as 0o755. */
  readonly mode: number;
}

export interface IsoOptions {
  readonly volumeId: string;
  /** The time of every file. */
  readonly time: Date;
}

const BLOCK = 2048;
const FIRST_TABLE = 18;
/** Most bytes of one extent that end with a block. */
const MOST_EXTENT = 0xffff_f800;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

interface Directory {
  readonly kind: 'directory';
  readonly name: string;
  readonly parent: Directory | undefined;
  readonly children: (Directory | File)[];
  /** 1-based position in the path table. */
  number: number;
  block: number;
  bytes: number;
}

interface File {
  readonly kind: 'file';
  readonly name: string;
  readonly data: Uint8Array | number;
  readonly mode: number;
  block: number;
}

/**
 * An image in memory. The plain names are numbers; people (and readers) use the Rock Ridge ones.
 * @returns its bytes up to the files made of zeros, and the size of the whole
 */
export function writeIso(
  files: readonly IsoFile[],
  options: IsoOptions,
): { readonly bytes: Buffer; readonly size: number } {
  const root = treeOf(files);
  const directories = numbered(root);
  const tableBytes = directories.reduce((sum, each) => sum + tableEntryLength(each), 0);
  const tableBlocks = blocksOf(tableBytes);
  let next = FIRST_TABLE + 2 * tableBlocks;
  for (const directory of directories) {
    directory.bytes = directoryBytes(directory, options.time).length;
    directory.block = next;
    next += blocksOf(directory.bytes);
  }
  const contents = directories.flatMap((each) => each.children).filter((each) => each.kind === 'file');
  const solid = contents.filter((each) => typeof each.data !== 'number');
  for (const file of solid) next = place(file, next);
  const image = Buffer.alloc(next * BLOCK);
  for (const file of contents) if (typeof file.data === 'number') next = place(file, next);
  primaryDescriptor(root, next, tableBytes, tableBlocks, options).copy(image, 16 * BLOCK);
  image.write('\u00ffCD001\u0001', 17 * BLOCK, 'latin1');
  pathTable(directories, 'little').copy(image, FIRST_TABLE * BLOCK);
  pathTable(directories, 'big').copy(image, (FIRST_TABLE + tableBlocks) * BLOCK);
  for (const directory of directories) directoryBytes(directory, options.time).copy(image, directory.block * BLOCK);
  for (const { data, block } of solid) if (typeof data !== 'number') image.set(data, block * BLOCK);
  return { bytes: image, size: next * BLOCK };
}

/** Gives a file its first block; returns the next free one. */
function place(file: File, block: number): number {
  file.block = block;
  return block + blocksOf(sizeOf(file));
}

function sizeOf({ data }: File): number {
  return typeof data === 'number' ? data : data.length;
}

function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK);
}

function treeOf(files: readonly IsoFile[]): Directory {
  const root: Directory = {
    kind: 'directory',
    name: '',
    parent: undefined,
    children: [],
    number: 1,
    block: 0,
    bytes: 0,
  };
  for (const { path, data, mode } of files) {
    const parts = path.split('/');
    const name = parts.pop() ?? '';
    let directory = root;
    for (const part of parts) directory = childDirectory(directory, part);
    directory.children.push({ kind: 'file', name, data, mode, block: 0 });
  }
  return root;
}

function childDirectory(parent: Directory, name: string): Directory {
  for (const child of parent.children) if (child.kind === 'directory' && child.name === name) return child;
  const made: Directory = { kind: 'directory', name, parent, children: [], number: 0, block: 0, bytes: 0 };
  parent.children.push(made);
  return made;
}

/** All directories, level by level, as the path table wants them. */
function numbered(root: Directory): Directory[] {
  const all = [root];
  for (const directory of all) for (const child of directory.children) if (child.kind === 'directory') all.push(child);
  all.forEach((each, index) => (each.number = index + 1));
  return all;
}

function plainName(index: number, kind: 'directory' | 'file'): string {
  return `E${String(index).padStart(7, '0')}${kind === 'file' ? '.;1' : ''}`;
}

function directoryBytes(directory: Directory, time: Date): Buffer {
  const susp = Buffer.from([0x53, 0x50, 7, 1, 0xbe, 0xef, 0]); // SP: SUSP is in use
  const er = Buffer.concat([Buffer.from([0x45, 0x52, 18, 1, 10, 0, 0, 1]), Buffer.from('RRIP_1991A')]);
  const own = [posix(S_IFDIR | 0o755), times(time)];
  const isRoot = directory.parent === undefined;
  const records = [
    record('\u0000', directory, time, isRoot ? [susp, ...own, er] : own),
    record('\u0001', directory.parent ?? directory, time, own),
    ...directory.children.flatMap((child, index) => childRecords(plainName(index, child.kind), child, time)),
  ];
  const blocks: Buffer[] = [];
  let used = 0;
  for (const each of records) {
    // A record never crosses a block.
    if (used + each.length > BLOCK) {
      blocks.push(Buffer.alloc(BLOCK - used));
      used = 0;
    }
    blocks.push(each);
    used += each.length;
  }
  blocks.push(Buffer.alloc((BLOCK - used) % BLOCK));
  return Buffer.concat(blocks);
}

function childRecords(plain: string, child: Directory | File, time: Date): Buffer[] {
  const mode = child.kind === 'directory' ? S_IFDIR | 0o755 : S_IFREG | child.mode;
  const fields = [posix(mode), times(time), name(child.name)];
  if (child.kind === 'directory') return [record(plain, child, time, fields)];
  const size = sizeOf(child);
  const records: Buffer[] = [];
  for (let done = 0; done < size || records.length === 0; done += MOST_EXTENT) {
    const last = size - done <= MOST_EXTENT;
    const extent = {
      block: child.block + done / BLOCK,
      bytes: last ? size - done : MOST_EXTENT,
      flags: last ? 0 : 0x80,
    };
    records.push(rawRecord(plain, extent, time, fields));
  }
  return records;
}

function record(plain: string, { block, bytes }: Directory, time: Date, fields: readonly Buffer[]): Buffer {
  return rawRecord(plain, { block, bytes, flags: 2 }, time, fields);
}

interface RawExtent {
  readonly block: number;
  readonly bytes: number;
  readonly flags: number;
}

function rawRecord(plain: string, extent: RawExtent, time: Date, fields: readonly Buffer[]): Buffer {
  const use = Buffer.concat(fields);
  const head = 33 + plain.length + ((plain.length + 1) % 2);
  const length = head + use.length + (use.length % 2);
  if (length > 255) throw new Error('A name is too long for this writer');
  const bytes = Buffer.alloc(length);
  bytes[0] = length;
  both32(bytes, 2, extent.block);
  both32(bytes, 10, extent.bytes);
  shortTime(time).copy(bytes, 18);
  bytes[25] = extent.flags;
  both16(bytes, 28, 1);
  bytes[32] = plain.length;
  bytes.write(plain, 33, 'latin1');
  use.copy(bytes, head);
  return bytes;
}

function posix(mode: number): Buffer {
  const bytes = Buffer.alloc(36);
  bytes.write('PX', 'latin1');
  bytes[2] = 36;
  bytes[3] = 1;
  both32(bytes, 4, mode);
  both32(bytes, 12, 1);
  return bytes; // owner and group 0
}

function times(time: Date): Buffer {
  return Buffer.concat([Buffer.from([0x54, 0x46, 12, 1, 2]), shortTime(time)]); // TF: only the modification
}

function name(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x4e, 0x4d, 5 + bytes.length, 1, 0]), bytes]);
}

function shortTime(time: Date): Buffer {
  return Buffer.from([
    time.getUTCFullYear() - 1900,
    time.getUTCMonth() + 1,
    time.getUTCDate(),
    time.getUTCHours(),
    time.getUTCMinutes(),
    time.getUTCSeconds(),
    0,
  ]);
}

function tableEntryLength(directory: Directory): number {
  return directory.parent === undefined
    ? 10
    : 8 + plainName(0, 'directory').length + (plainName(0, 'directory').length % 2);
}

function pathTable(directories: readonly Directory[], order: 'little' | 'big'): Buffer {
  return Buffer.concat(
    directories.map((directory) => {
      const bytes = Buffer.alloc(tableEntryLength(directory));
      const index = directory.parent?.children.indexOf(directory) ?? 0;
      const plain = directory.parent === undefined ? '\u0000' : plainName(index, 'directory');
      bytes[0] = plain.length;
      const parent = directory.parent?.number ?? 1;
      if (order === 'little') {
        bytes.writeUInt32LE(directory.block, 2);
        bytes.writeUInt16LE(parent, 6);
      } else {
        bytes.writeUInt32BE(directory.block, 2);
        bytes.writeUInt16BE(parent, 6);
      }
      bytes.write(plain, 8, 'latin1');
      return bytes;
    }),
  );
}

function primaryDescriptor(
  root: Directory,
  blocks: number,
  tableBytes: number,
  tableBlocks: number,
  options: IsoOptions,
): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  bytes.write('\u0001CD001\u0001', 'latin1');
  bytes.fill(0x20, 8, 72);
  bytes.write(options.volumeId.slice(0, 32), 40, 'latin1');
  both32(bytes, 80, blocks);
  both16(bytes, 120, 1);
  both16(bytes, 124, 1);
  both16(bytes, 128, BLOCK);
  both32(bytes, 132, tableBytes);
  bytes.writeUInt32LE(FIRST_TABLE, 140);
  bytes.writeUInt32BE(FIRST_TABLE + tableBlocks, 148);
  record('\u0000', root, options.time, []).copy(bytes, 156);
  bytes.fill(0x20, 190, 813);
  const digits = options.time.toISOString().replace(/\D/g, '').slice(0, 16);
  bytes.write(`${digits}\u0000`, 813, 'latin1');
  bytes.write(`${digits}\u0000`, 830, 'latin1');
  bytes.write(`${'0'.repeat(16)}\u0000`, 847, 'latin1');
  bytes.write(`${'0'.repeat(16)}\u0000`, 864, 'latin1');
  bytes[881] = 1;
  return bytes;
}

function both32(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value, at);
  bytes.writeUInt32BE(value, at + 4);
}

function both16(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt16LE(value, at);
  bytes.writeUInt16BE(value, at + 2);
}
