import type { RandomReader } from '../../src/base/reader';

export interface CountingReader extends RandomReader {
  /** How often it was asked, and for how many bytes together. */
  readonly reads: number;
  readonly bytes: number;
}

/** Reads from memory; what lies behind the bytes up to `size` is zeros. Refuses to read outside. */
export function memoryReader(bytes: Uint8Array, size = bytes.length): CountingReader {
  let reads = 0;
  let total = 0;
  return {
    size,
    get reads() {
      return reads;
    },
    get bytes() {
      return total;
    },
    read: (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > size || !Number.isSafeInteger(offset + length)) {
        return Promise.reject(new RangeError(`read outside: ${String(offset)}+${String(length)} of ${String(size)}`));
      }
      reads++;
      total += length;
      const part = Buffer.alloc(length);
      part.set(bytes.subarray(offset, offset + length));
      return Promise.resolve(part);
    },
    close: () => Promise.resolve(),
  };
}
