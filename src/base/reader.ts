/** Bytes at any offset of something with a known size: a local file, a file on a node, a URL. */
export interface RandomReader {
  /** Bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
