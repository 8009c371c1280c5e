import { ClusterliftError, ExitStatus } from '../../base/errors';
import { MAX_EXTENDED, MAX_RECORDS } from './limits';

/**
 * Reads the headers of a tar stream as it passes by (POSIX.1-2001 pax interchange format; GNU long names as GNU tar and
 * that of busybox write them). Contents are skipped, so the memory is bounded by the longest extended header.
 */

/** What a header says. Names and targets hold one character a byte, so that no two of them ever become the same. */
export interface Member {
  readonly name: string;
  readonly type: 'file' | 'hard-link' | 'link' | 'directory' | 'char-device' | 'block-device' | 'fifo';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the file as it will be, holes included. */
  readonly size: number;
  /** Seconds since 1970 as written, with fraction. */
  readonly mtime: string;
  readonly target: string;
  /** `major,minor` */
  readonly device: string;
  /** Extended attributes and ACLs as written, sorted by key. */
  readonly attributes: readonly (readonly [string, string])[];
}

const BLOCK = 512;

type Extended = Map<string, Buffer>;

/** Feed it all bytes; it calls back for each member. */
export class TarReader {
  private pending: Buffer = Buffer.alloc(0);
  /** Bytes after `pending` that do not complete a piece yet: joined once, however small they come. */
  private later: Buffer[] = [];
  private laterBytes = 0;
  /** Bytes of content and padding to skip. */
  private skip = 0;
  /** Extended header under way. */
  private collecting: { readonly type: string; readonly size: number } | undefined;
  private extended: Extended = new Map();
  /** Bytes of the extended headers of the next member. */
  private extendedBytes = 0;
  private zeros = 0;

  constructor(private readonly onMember: (member: Member) => void) {}

  /** @throws ClusterliftError `archive-invalid` */
  push(chunk: Uint8Array): void {
    let bytes: Buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.skip > 0) {
      const skipped = Math.min(this.skip, bytes.length);
      this.skip -= skipped;
      bytes = bytes.subarray(skipped);
    }
    if (bytes.length === 0) return;
    if (this.pending.length + this.laterBytes + bytes.length < this.wanted()) {
      // What is kept must not hold on to a large chunk.
      this.later.push(Buffer.from(bytes));
      this.laterBytes += bytes.length;
      return;
    }
    this.pending = Buffer.concat([this.pending, ...this.later, bytes]);
    this.later = [];
    this.laterBytes = 0;
    this.drain();
    this.pending = Buffer.from(this.pending);
  }

  /** Bytes of the next piece. */
  private wanted(): number {
    return this.collecting ? padded(this.collecting.size) : BLOCK;
  }

  /** @throws ClusterliftError `archive-invalid` when the archive is cut off */
  end(): void {
    if (this.zeros < 2 || this.skip > 0 || this.collecting) throw invalid('it is cut off');
  }

  private drain(): void {
    for (;;) {
      if (this.skip > 0) {
        const skipped = Math.min(this.skip, this.pending.length);
        this.skip -= skipped;
        this.pending = this.pending.subarray(skipped);
        if (this.skip > 0) return;
      }
      const wanted = this.wanted();
      if (this.pending.length < wanted) return;
      const piece = this.pending.subarray(0, wanted);
      this.pending = this.pending.subarray(wanted);
      if (this.collecting) this.finishExtended(piece.subarray(0, this.collecting.size), this.collecting.type);
      else this.header(piece);
    }
  }

  private header(block: Buffer): void {
    if (block.every((byte) => byte === 0)) {
      this.zeros++;
      return;
    }
    if (this.zeros > 0) throw invalid('something follows its end');
    checkSum(block);
    const type = String.fromCharCode(block[156] ?? 0);
    const stored = numberAt(block, 124, 12);
    if ('xgLK'.includes(type)) {
      this.extendedBytes += stored;
      if (this.extendedBytes > MAX_EXTENDED)
        throw invalid(
          `the extended headers of a member are longer than ${String(MAX_EXTENDED)} bytes, which is the limit`,
        );
      this.collecting = { type, size: stored };
      return;
    }
    const { extended } = this;
    this.extended = new Map();
    this.extendedBytes = 0;
    const size = extendedNumber(extended, 'size') ?? stored;
    const member = makeMember(block, type, size, extended);
    this.skip = member.type === 'file' ? padded(size) : 0;
    this.onMember(member);
  }

  private finishExtended(data: Buffer, type: string): void {
    this.collecting = undefined;
    const copy = Buffer.from(data);
    if (type === 'L') this.extended.set('path', cString(copy));
    else if (type === 'K') this.extended.set('linkpath', cString(copy));
    else if (type === 'x') for (const [key, value] of paxRecords(copy)) this.extended.set(key, value);
    // A global header would change all that follow; none of ours has one.
    else throw invalid('it has a global header');
  }
}

function makeMember(block: Buffer, type: string, stored: number, extended: Extended): Member {
  const prefix =
    block.subarray(257, 262).toString('latin1') === 'ustar' && block[263] === 0x30 ? textAt(block, 345, 155) : '';
  const short = textAt(block, 0, 100);
  const kind = typeOf(type);
  const text = (key: string): string | undefined => extended.get(key)?.toString('latin1');
  // Sparse files (GNU.sparse 1.0): the real name and size stand in the extended header.
  return {
    name: text('GNU.sparse.name') ?? text('path') ?? (prefix === '' ? short : `${prefix}/${short}`),
    type: kind,
    mode: numberAt(block, 100, 8) & 0o7777,
    uid: extendedNumber(extended, 'uid') ?? numberAt(block, 108, 8),
    gid: extendedNumber(extended, 'gid') ?? numberAt(block, 116, 8),
    size: extendedNumber(extended, 'GNU.sparse.realsize') ?? extendedNumber(extended, 'GNU.sparse.size') ?? stored,
    mtime: text('mtime') ?? String(numberAt(block, 136, 12)),
    target: kind === 'link' || kind === 'hard-link' ? (text('linkpath') ?? textAt(block, 157, 100)) : '',
    device: kind.endsWith('device') ? `${numberAt(block, 329, 8)},${numberAt(block, 337, 8)}` : '',
    attributes: [...extended]
      .filter(([key]) => /^(SCHILY\.(xattr|acl)\.|RHT\.security)/.test(key))
      .map(([key, value]) => [key, value.toString('base64')] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

function typeOf(type: string): Member['type'] {
  switch (type) {
    case '0':
    case '\0':
      return 'file';
    case '1':
      return 'hard-link';
    case '2':
      return 'link';
    case '3':
      return 'char-device';
    case '4':
      return 'block-device';
    case '5':
      return 'directory';
    case '6':
      return 'fifo';
  }
  throw invalid('it has a member of a kind that we do not make');
}

/** `<length> <key>=<value>\n`, where the length counts the whole record. */
function* paxRecords(data: Buffer): Generator<[string, Buffer]> {
  let count = 0;
  for (let at = 0; at < data.length;) {
    if (++count > MAX_RECORDS)
      throw invalid(`an extended header has more than ${String(MAX_RECORDS)} records, which is the limit`);
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? NaN : Number(data.toString('latin1', at, space));
    const end = at + length;
    const equals = data.indexOf(0x3d, space);
    if (
      !Number.isInteger(length) ||
      length < 5 ||
      end > data.length ||
      data[end - 1] !== 0x0a ||
      equals < 0 ||
      equals >= end
    ) {
      throw invalid('an extended header makes no sense');
    }
    yield [data.toString('latin1', space + 1, equals), data.subarray(equals + 1, end - 1)];
    at = end;
  }
}

function extendedNumber(extended: Extended, key: string): number | undefined {
  const value = extended.get(key)?.toString('latin1');
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw invalid(`its ${key} is no number`);
  return Number(value);
}

/** Octal, or base 256 when the first bit is set (GNU). */
function numberAt(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first >= 0x80) {
    if (first !== 0x80) throw invalid('a number is negative or too large');
    const value = BigInt(`0x${block.toString('hex', at + 1, at + length)}`);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('a number is too large');
    return Number(value);
  }
  const text = block.toString('latin1', at, at + length).replace(/[\0 ].*$/s, '');
  if (!/^[0-7]*$/.test(text)) throw invalid('a number makes no sense');
  return text === '' ? 0 : parseInt(text, 8);
}

function textAt(block: Buffer, at: number, length: number): string {
  return cString(block.subarray(at, at + length)).toString('latin1');
}

function cString(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function checkSum(block: Buffer): void {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  const text = block.toString('latin1', 148, 156).trim().replace(/\0.*$/s, '').trim();
  if (parseInt(text, 8) !== sum) throw invalid('a header is damaged');
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

export function invalid(why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'archive-invalid',
    message: `The archive is not valid: ${why}`,
    hint: 'Do not use this restore point.',
    exit: ExitStatus.refused,
  });
}
