import { createHash, type Hash } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../base/errors';
import type { RandomReader } from '../base/reader';

/** Bytes that are compared as one. */
const PIECE = 256 * 1024;
/** Pieces that one read brings where the file is read from its beginning to its end: a distant node answers slowly. */
const AHEAD = 4;
/** Pieces between two files that are read along, so that the digest needs no second reading. */
const GAP = 8;
/** Pieces that are kept: structure is read here and there. */
const KEPT = 16;

/**
 * A reader whose source may lie: a file that others can change, or a node. Each byte is what it was when it was first
 * read, and `sha256` is the digest of exactly these bytes; a source that gives others later is refused.
 */
export class SteadyReader implements RandomReader {
  readonly size: number;
  private readonly marks: (Buffer | undefined)[] = [];
  private readonly recent = new Map<number, Uint8Array>();
  private readonly whole: Hash = createHash('sha256');
  /** The first piece that is not in `whole` yet. */
  private next = 0;
  private turn: Promise<unknown> = Promise.resolve();

  /** @param name how errors call it */
  constructor(
    private readonly inner: RandomReader,
    private readonly name: string,
  ) {
    this.size = inner.size;
  }

  /** @throws ClusterliftError `package-changed` */
  read(offset: number, length: number): Promise<Uint8Array> {
    return this.inTurn(async () => {
      const end = Math.min(offset + length, this.size);
      const parts: Uint8Array[] = [];
      for (let at = offset; at < end;) {
        const index = Math.floor(at / PIECE);
        const piece = await this.piece(index);
        const from = at - index * PIECE;
        parts.push(piece.subarray(from, Math.min(piece.length, end - index * PIECE)));
        at = index * PIECE + piece.length;
      }
      return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    });
  }

  /**
   * Reads what is left and gives the digest of the whole, in hex.
   * @param onProgress bytes read so far
   */
  async sha256(onProgress?: (done: number) => void, signal?: AbortSignal): Promise<string> {
    while (this.next * PIECE < this.size) {
      signal?.throwIfAborted();
      await this.inTurn(() => this.fetch(this.next, AHEAD));
      onProgress?.(Math.min(this.next * PIECE, this.size));
    }
    return this.whole.copy().digest('hex');
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async piece(index: number): Promise<Uint8Array> {
    const known = this.recent.get(index);
    if (known) return known;
    while (index > this.next && index - this.next <= GAP)
      await this.fetch(this.next, Math.min(AHEAD, index - this.next));
    await this.fetch(index, index === this.next && index > 0 ? AHEAD : 1);
    const piece = this.recent.get(index);
    if (!piece) throw this.changed();
    return piece;
  }

  /** Reads some pieces, compares those that were read before, and remembers the others. */
  private async fetch(first: number, count: number): Promise<void> {
    const offset = first * PIECE;
    const wanted = Math.min(count * PIECE, this.size - offset);
    const bytes = await this.inner.read(offset, wanted);
    if (bytes.length !== wanted) throw this.changed();
    for (let at = 0, index = first; at < wanted; at += PIECE, index++) {
      const piece = bytes.subarray(at, Math.min(at + PIECE, wanted));
      const mark = createHash('sha256').update(piece).digest();
      const before = this.marks[index];
      if (before !== undefined && !before.equals(mark)) throw this.changed();
      this.marks[index] = mark;
      this.keep(index, piece);
      if (index !== this.next) continue;
      this.whole.update(piece);
      this.next++;
    }
  }

  private keep(index: number, piece: Uint8Array): void {
    this.recent.delete(index);
    this.recent.set(index, piece);
    const [oldest] = this.recent.keys();
    if (this.recent.size > KEPT && oldest !== undefined) this.recent.delete(oldest);
  }

  private changed(): ClusterliftError {
    return new ClusterliftError({
      code: 'package-changed',
      message: `${this.name} changed while it was read: it gave other bytes than before`,
      hint: 'Let nobody write to it, or put it where nobody else can, then try again.',
      exit: ExitStatus.refused,
    });
  }
}
