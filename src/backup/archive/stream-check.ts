import { createHash } from 'node:crypto';
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { PassingBytes } from '../../base/memory';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { MemberGuard, StreamListing } from './members';
import { invalid, TarReader } from './tar-stream';

/** What a stream was, after its end. */
export interface StreamFacts {
  readonly sha256: string;
  readonly bytes: number;
  readonly listing: string;
  readonly count: number;
}

/** Whether this runtime unpacks zstd (Node from 22.15 on); a stream that passes through here must be readable here. */
export function hasZstd(): boolean {
  return 'createZstdDecompress' in zlib;
}

/**
 * Looks into an archive as it passes by: digest, complete decompression, safe members, listing. Memory stays bounded,
 * because `write` waits until the bytes were looked at.
 */
export class StreamCheck {
  private readonly hash = createHash('sha256');
  private readonly listing = new StreamListing();
  private readonly guard: MemberGuard;
  private readonly reader: TarReader;
  private unpacker: Transform | undefined;
  private head = Buffer.alloc(0);
  private fault: Error | undefined;
  private closed: Promise<unknown> = Promise.resolve();
  private bytes = 0;
  private readonly passing = new PassingBytes();

  /** @param paths that are present in the part */
  constructor(paths: readonly string[], devices: boolean) {
    this.guard = new MemberGuard(paths, devices);
    this.reader = new TarReader((member) => {
      this.guard.check(member);
      this.listing.add(member);
    });
  }

  /** @throws ClusterliftError `archive-invalid`, `zstd-here` */
  async write(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    this.bytes += chunk.length;
    this.passing.passed(chunk.length);
    if (this.unpacker) return this.feed(this.unpacker, chunk);
    this.head = Buffer.concat([this.head, chunk]);
    if (this.head.length < 4) return;
    this.unpacker = this.start(this.head);
    const { head } = this;
    this.head = Buffer.alloc(0);
    return this.feed(this.unpacker, head);
  }

  /** @throws ClusterliftError `archive-invalid` */
  async end(): Promise<StreamFacts> {
    const { unpacker } = this;
    if (!unpacker) throw invalid('it is empty');
    this.judge();
    unpacker.end();
    // Comes after the end as well as after an error.
    await this.closed;
    this.judge();
    this.reader.end();
    this.guard.end();
    return {
      sha256: this.hash.digest('hex'),
      bytes: this.bytes,
      listing: this.listing.digest(),
      count: this.listing.count,
    };
  }

  /** Closes it in any state. */
  destroy(): void {
    this.unpacker?.destroy();
  }

  private start(head: Buffer): Transform {
    const unpacker = unpackerFor(head);
    unpacker.on('data', (data: Buffer) => {
      if (this.fault) return;
      try {
        this.reader.push(data);
      } catch (error) {
        this.fail(error instanceof Error ? error : new Error(String(error)));
      }
    });
    unpacker.on('error', (error) => this.fail(invalid(messageOf(error))));
    this.closed = new Promise((done) => unpacker.once('close', done));
    return unpacker;
  }

  private judge(): void {
    if (this.fault) throw this.fault;
  }

  private fail(error: Error): void {
    this.fault ??= error;
    this.unpacker?.destroy(error);
  }

  private async feed(unpacker: Transform, chunk: Uint8Array): Promise<void> {
    this.judge();
    // Called back when the bytes were taken in; never, when it breaks on them.
    const taken = new Promise<void>((done) => unpacker.write(chunk, () => done()));
    await Promise.race([taken, this.closed]);
    this.judge();
  }
}

function unpackerFor(head: Buffer): Transform {
  if (head[0] === 0x1f && head[1] === 0x8b) return zlib.createGunzip();
  // RFC 8878, 3.1.1
  if (head.readUInt32LE(0) !== 0xfd2fb528) throw invalid('it is neither gzip nor zstd');
  if (hasZstd()) return zlib.createZstdDecompress();
  throw new ClusterliftError({
    code: 'zstd-here',
    message: `The archive is compressed with zstd, which Node ${process.versions.node} cannot unpack`,
    hint: 'Run this with Node 22.15 or newer.',
    exit: ExitStatus.refused,
  });
}
