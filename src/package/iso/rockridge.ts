import { ascii, byte, shortDate, u32, utf8 } from './bytes';
import { damaged, unsupported } from './errors';
import type { DirectoryRecord } from './record';

/** What the Rock Ridge fields of one record say (IEEE P1281 SUSP, P1282 RRIP). */
export interface RockRidge {
  readonly name: string | undefined;
  /** Type and permission bits as in `st_mode`. */
  readonly mode: number | undefined;
  /** Target of a symbolic link. */
  readonly target: string | undefined;
  readonly modified: Date | undefined;
  /** The block where the directory really lies: it was moved because the tree is too deep for ISO 9660. */
  readonly childBlock: number | undefined;
  /** This record is the other end of such a move: it is not a directory of its own. */
  readonly relocated: boolean;
}

/** Reads `length` bytes from `offset` bytes into block `block`. */
export type ReadContinuation = (block: number, offset: number, length: number) => Promise<Uint8Array>;

/** One hop is usual, for a long name or link two. */
const MOST_HOPS = 32;
/** A name (255) or target (4096) cannot need more. */
const MOST_TEXT = 8192;

/**
 * Does a tree use SUSP? The first record of its root says so, and how many bytes to skip in each record.
 * @returns bytes to skip; undefined: no Rock Ridge
 */
export function suspSkip(rootDot: DirectoryRecord): number | undefined {
  const use = rootDot.systemUse;
  const found = use.length >= 7 && ascii(use.subarray(0, 2)) === 'SP' && use[4] === 0xbe && use[5] === 0xef;
  return found ? use[6] : undefined;
}

interface Collected {
  name: Uint8Array[];
  link: LinkText;
  mode: number | undefined;
  modified: Date | undefined;
  childBlock: number | undefined;
  relocated: boolean;
  hasName: boolean;
}

/** Reads the fields of one record, following its continuations. */
export async function rockRidgeOf(record: DirectoryRecord, skip: number, read: ReadContinuation): Promise<RockRidge> {
  const all: Collected = {
    name: [],
    link: new LinkText(),
    mode: undefined,
    modified: undefined,
    childBlock: undefined,
    relocated: false,
    hasName: false,
  };
  let area: Uint8Array | undefined = record.systemUse.subarray(skip);
  for (let hops = 0; area !== undefined; hops++) {
    if (hops > MOST_HOPS) throw damaged('the Rock Ridge fields of a file do not end');
    const next = collect(area, all);
    area = next && (await read(next.block, next.offset, next.length));
  }
  return {
    name: all.hasName ? nameOf(all.name) : undefined,
    mode: all.mode,
    target: all.link.text(),
    modified: all.modified,
    childBlock: all.childBlock,
    relocated: all.relocated,
  };
}

interface Continuation {
  readonly block: number;
  readonly offset: number;
  readonly length: number;
}

/** Takes the fields of one area; gives where they go on. */
function collect(area: Uint8Array, all: Collected): Continuation | undefined {
  let next: Continuation | undefined;
  for (let at = 0; at + 4 <= area.length;) {
    const length = byte(area, at + 2);
    const signature = ascii(area.subarray(at, at + 2));
    if (signature === 'ST' || signature === '\0\0') break;
    if (length < 4 || at + length > area.length) throw damaged('a Rock Ridge field has an impossible length');
    const field = area.subarray(at, at + length);
    if (signature === 'CE') next = { block: u32(field, 4), offset: u32(field, 12), length: u32(field, 20) };
    else take(signature, field, all);
    at += length;
  }
  return next;
}

function take(signature: string, field: Uint8Array, all: Collected): void {
  switch (signature) {
    case 'NM':
      takeName(field, all);
      return;
    case 'PX':
      all.mode = u32(field, 4);
      return;
    case 'SL':
      all.link.take(field);
      return;
    case 'TF':
      all.modified = modifiedOf(field);
      return;
    case 'CL':
      all.childBlock = u32(field, 4);
      return;
    case 'RE':
      all.relocated = true;
      return;
    case 'ZF':
      throw unsupported('a file compressed by zisofs');
    case 'SF':
      throw unsupported('a sparse file in the Rock Ridge sense');
    default: // PL (the way back of CL), RR, PN, ER, ES, PD and private ones say nothing that we need.
  }
}

function takeName(field: Uint8Array, all: Collected): void {
  const flags = byte(field, 4);
  // 2 and 4 stand for `.` and `..`; such records are known by their identifier already.
  if ((flags & 0x06) !== 0) return;
  all.hasName = true;
  all.name.push(field.subarray(5));
  if (all.name.reduce((sum, each) => sum + each.length, 0) > MOST_TEXT) throw damaged('a name does not end');
}

function nameOf(parts: readonly Uint8Array[]): string {
  const name = utf8(Buffer.concat(parts));
  if (name === undefined) throw unsupported('a name that is not UTF-8');
  return name;
}

/** TF holds up to seven times of 7 (or 17) bytes each; bit 0 is the creation, bit 1 the modification. */
function modifiedOf(field: Uint8Array): Date | undefined {
  const flags = byte(field, 4);
  if ((flags & 0x02) === 0 || (flags & 0x80) !== 0) return undefined;
  return shortDate(field, 5 + ((flags & 0x01) !== 0 ? 7 : 0));
}

/** Puts a link's target together from component records, which may go on over several SL fields. */
class LinkText {
  private readonly parts: Buffer[] = [];
  private bytes = 0;
  private seen = false;
  private goesOn = false;

  take(field: Uint8Array): void {
    this.seen = true;
    for (let at = 5; at < field.length;) {
      const flags = byte(field, at);
      const length = byte(field, at + 1);
      if (at + 2 + length > field.length) throw damaged('a symbolic link has an impossible length');
      this.component(flags, Buffer.from(field.subarray(at + 2, at + 2 + length)));
      at += 2 + length;
    }
  }

  text(): string | undefined {
    if (!this.seen) return undefined;
    const text = this.parts[0]?.length === 0 ? `/${this.join(1)}` : this.join(0);
    return text;
  }

  private join(from: number): string {
    const parts = this.parts.slice(from).map((each) => utf8(each));
    if (parts.includes(undefined)) throw unsupported('a symbolic link whose target is not UTF-8');
    return parts.join('/');
  }

  private component(flags: number, content: Buffer): void {
    const text = (flags & 0x02) !== 0 ? Buffer.from('.') : (flags & 0x04) !== 0 ? Buffer.from('..') : content;
    const part = (flags & 0x08) !== 0 ? Buffer.alloc(0) : text; // the root is an empty first part
    this.bytes += part.length + 1;
    if (this.bytes > MOST_TEXT) throw damaged('a symbolic link does not end');
    const last = this.goesOn ? this.parts.pop() : undefined;
    this.parts.push(last === undefined ? part : Buffer.concat([last, part]));
    this.goesOn = (flags & 0x01) !== 0;
  }
}
