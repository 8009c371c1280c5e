import type { RandomReader } from '../../base/reader';
import type { Address } from './address';
import type { Body } from './body';
import { HttpClient, type HttpOptions } from './http';
import { changedContent, noRange, downloadError } from './errors';
import { contentRange, isOther, validatorsOf, type Validators } from './validators';

/** A package on a web server, read where it lies. */
export interface UrlReader extends RandomReader {
  readonly validators: Validators;
  /** Some hop is plain http. */
  readonly insecure: boolean;
}

/** The first request fetches what nearly every package needs: the descriptors and the first directories. */
const FIRST = 64 * 1024;
const BLOCK = 64 * 1024;
const KEPT = 16;

/**
 * Opens a URL for reading at any offset by HTTP Range.
 * @throws ClusterliftError `url-no-range` when the server gives files only as a whole; those of `HttpClient`
 */
export async function openUrlReader(address: Address, options: HttpOptions = {}): Promise<UrlReader> {
  const client = new HttpClient(options);
  try {
    const answer = await client.get(address, { range: `bytes=0-${String(FIRST - 1)}` });
    const range = contentRange(answer.headers);
    if (answer.status !== 206 || range?.total === undefined || range.from !== 0) {
      answer.body.destroy();
      throw noRange(address.url);
    }
    const expected = Math.min(FIRST, range.total);
    const first = await bodyOf(answer.body, expected, address.url);
    // Later requests go where this one ended, and carry the secret only to the origin that it is for.
    const there = { url: answer.url, auth: answer.url.origin === address.url.origin ? address.auth : undefined };
    return new RangeReader(client, there, range.total, validatorsOf(206, answer.headers), answer.insecure, first);
  } catch (error) {
    await client.close();
    throw error;
  }
}

class RangeReader implements UrlReader {
  private readonly kept = new Map<number, Promise<Uint8Array>>();

  constructor(
    private readonly client: HttpClient,
    private readonly address: Address,
    readonly size: number,
    readonly validators: Validators,
    readonly insecure: boolean,
    first: Uint8Array,
  ) {
    if (first.length === FIRST || first.length === size) this.kept.set(0, Promise.resolve(first));
  }

  /** Small reads are served from blocks of 64 KiB; large ones are asked for as they are. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.size, offset + length);
    if (end <= offset) return new Uint8Array();
    if (end - offset > BLOCK) return this.fetch(offset, end);
    const start = Math.floor(offset / BLOCK) * BLOCK;
    const parts: Uint8Array[] = [];
    for (let at = start; at < end; at += BLOCK) parts.push(await this.block(at));
    return Buffer.concat(parts).subarray(offset - start, end - start);
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private block(at: number): Promise<Uint8Array> {
    const known = this.kept.get(at);
    if (known !== undefined) return known;
    const fetched = this.fetch(at, Math.min(this.size, at + BLOCK));
    fetched.catch(() => this.kept.delete(at));
    const oldest = this.kept.keys().next();
    if (this.kept.size >= KEPT && oldest.done !== true) this.kept.delete(oldest.value);
    this.kept.set(at, fetched);
    return fetched;
  }

  private async fetch(from: number, end: number): Promise<Uint8Array> {
    const { etag } = this.validators;
    const condition = etag === undefined ? {} : { 'if-range': etag };
    const answer = await this.client.get(this.address, {
      range: `bytes=${String(from)}-${String(end - 1)}`,
      ...condition,
    });
    const range = contentRange(answer.headers);
    const same = answer.status === 206 && !isOther(this.validators, validatorsOf(206, answer.headers));
    if (!same || range?.from !== from || range.to !== end - 1) {
      answer.body.destroy();
      throw changedContent(this.address.url);
    }
    return bodyOf(answer.body, end - from, this.address.url);
  }
}

/** Exactly `length` bytes of a body. */
async function bodyOf(body: Body, length: number, url: URL): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let total = 0;
  try {
    for await (const part of body) {
      total += part.length;
      parts.push(part);
      if (total > length) break;
    }
  } catch (error) {
    throw downloadError(error, url);
  }
  if (total !== length) throw downloadError(new Error('the answer has another length than it says'), url);
  return Buffer.concat(parts);
}
