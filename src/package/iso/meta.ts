import type { RandomReader } from '../../base/reader';
import { readExactly } from './bytes';
import { damaged } from './errors';

const SECTOR = 2048;
/** Bytes of structure (directories, continuations) read from one image. */
const MOST_META = 256 * 1024 * 1024;
const KEPT_SECTORS = 32;

/** Reads structure; within a budget, so that no image can keep us reading; the last blocks are kept. */
export class MetaReader {
  private readonly kept = new Map<number, Uint8Array>();
  private total = 0;

  constructor(private readonly reader: RandomReader) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.total += length;
    if (this.total > MOST_META) throw damaged('its directories do not end');
    const sector = length <= SECTOR ? this.kept.get(offset) : undefined;
    if (sector !== undefined) return sector.subarray(0, length);
    const bytes = await readExactly(this.reader, offset, length);
    if (length === SECTOR) this.keep(offset, bytes);
    return bytes;
  }

  /** Continuations of neighbours lie in the same sector: it is read once. They never cross it (SUSP 5.1). */
  async continuation(start: number, offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > SECTOR) throw damaged('a Rock Ridge continuation leaves its sector');
    const sector = await this.read(start, Math.min(SECTOR, Math.max(0, this.reader.size - start)));
    if (offset + length > sector.length) throw damaged('a Rock Ridge continuation lies past the end');
    return sector.subarray(offset, offset + length);
  }

  private keep(offset: number, bytes: Uint8Array): void {
    const oldest = this.kept.keys().next();
    if (this.kept.size >= KEPT_SECTORS && oldest.done !== true) this.kept.delete(oldest.value);
    this.kept.set(offset, bytes);
  }
}
