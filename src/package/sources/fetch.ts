import { randomUUID } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../../base/directories';
import { hasCode } from '../../base/errors';
import type { InspectOptions } from '../inspect';
import { redactUrl, urlKey, type Address } from './address';
import type { CacheEntry, PackageCache } from './cache';
import { download, type DownloadOptions } from './download';
import { codeOf } from './file';
import { HttpClient } from './http';
import { PartFile } from './part';
import { peekUrl } from './peek';
import { TransientError } from './errors';

export interface FetchOptions extends DownloadOptions {
  /** Look at the package before fetching it, where the server allows it: anything else is refused at once. */
  readonly inspect?: InspectOptions | undefined;
}

/** A whole package on this machine. */
export interface FetchedPackage {
  readonly path: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** It came over plain http, and nobody named its digest: only a signature can vouch for it. */
  readonly unvouched: boolean;
  readonly fromCache: boolean;
  /** Bytes that an earlier download had brought. */
  readonly resumedAt: number;
}

/**
 * Gets a package from the web: from the cache when its digest is known or the server says that it is unchanged, else
 * by a download that goes on where an earlier one stopped.
 * @throws ClusterliftError of `download`, and of `inspectPackage` with `inspect`
 */
export async function fetchPackage(
  address: Address,
  cache: PackageCache,
  options: FetchOptions = {},
): Promise<FetchedPackage> {
  return (await cached(address, cache, options)) ?? (await fetched(address, cache, options));
}

async function cached(
  address: Address,
  cache: PackageCache,
  options: DownloadOptions,
): Promise<FetchedPackage | undefined> {
  const { expectedSha256: expected, signal } = options;
  if (expected !== undefined) {
    const path = await cache.find(expected.toLowerCase(), { signal });
    if (path !== undefined) return known(path, expected.toLowerCase(), await sizeOf(path), false);
    return undefined;
  }
  for (const entry of await cache.entriesOf(urlKey(address.url))) {
    const answer = await unchanged(address, entry, options);
    const path = answer === undefined ? undefined : await cache.find(entry.sha256, { signal });
    if (answer !== undefined && path !== undefined)
      return known(path, entry.sha256, await sizeOf(path), answer.insecure);
  }
  return undefined;
}

function known(path: string, sha256: string, size: number, unvouched: boolean): FetchedPackage {
  return { path, sha256, size, unvouched, fromCache: true, resumedAt: 0 };
}

/** Asks the server whether an address still holds what is cached. A silent server is the download's business. */
async function unchanged(
  address: Address,
  { etag }: CacheEntry,
  options: DownloadOptions,
): Promise<{ readonly insecure: boolean } | undefined> {
  if (etag === undefined) return undefined;
  const client = new HttpClient(options);
  try {
    const answer = await client.get(address, { 'if-none-match': etag, range: 'bytes=0-0' });
    answer.body.destroy();
    const same = answer.status === 304 || answer.headers.get('etag') === etag;
    return same ? { insecure: answer.insecure } : undefined;
  } catch (error) {
    if (error instanceof TransientError) return undefined;
    throw error;
  } finally {
    await client.close();
  }
}

async function fetched(address: Address, cache: PackageCache, options: FetchOptions): Promise<FetchedPackage> {
  const place = await claimPart(cache.downloads, urlKey(address.url));
  try {
    const part = await PartFile.open(place.path, options.signal);
    try {
      const { inspect } = options;
      const seen = inspect !== undefined && part.size === 0 ? await peekUrl(address, options, inspect) : undefined;
      const expected = options.expected ?? seen?.validators;
      const got = await download(address, part, { ...options, expected });
      const { sha256, size, validators, insecure, resumedAt } = got;
      const entry = {
        schema: 1,
        sha256,
        size,
        key: urlKey(address.url),
        url: redactUrl(address.url),
        etag: validators.etag,
      } as const;
      const path = await cache.store(part, entry);
      const unvouched = insecure && options.expectedSha256 === undefined;
      return { path, sha256, size, unvouched, fromCache: false, resumedAt };
    } catch (error) {
      const wrong = hasCode(error, 'download-changed') || hasCode(error, 'digest-mismatch');
      const worthless = place.isPrivate || part.size === 0 || wrong;
      await (worthless ? part.discard() : part.close()).catch(() => undefined); // the first error counts
      throw error;
    }
  } finally {
    await place.release();
  }
}

interface PartPlace {
  readonly path: string;
  /** Not to be taken up by a later session. */
  readonly isPrivate: boolean;
  release(): Promise<void>;
}

/** One process at a time grows the part of an address; a second one uses a part of its own. */
async function claimPart(directory: string, key: string): Promise<PartPlace> {
  await makeDirectory(directory);
  const lock = join(directory, `${key}.lock`);
  if (await claim(lock)) {
    return { path: join(directory, `${key}.part`), isPrivate: false, release: () => rm(lock, { force: true }) };
  }
  const own = join(directory, `${key}.${randomUUID().slice(0, 8)}.part`);
  return { path: own, isPrivate: true, release: () => Promise.resolve() };
}

async function claim(lock: string): Promise<boolean> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(lock, 'wx', 0o600);
      await handle.writeFile(String(process.pid)).finally(() => handle.close());
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
      if (!Number.isInteger(owner) || owner <= 0 || isAlive(owner)) return false;
      await rm(lock, { force: true });
    }
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function sizeOf(path: string): Promise<number> {
  const handle = await open(path, 'r');
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
