import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ageOf, wallClock } from '../../base/clock';
import { makeDirectory } from '../../base/directories';
import { sha256OfFile, type HashOptions } from './file';
import { writeJson, type PartFile } from './part';

/** Where a cached image came from. It holds no secret: the URL is redacted, its key is a hash. */
export interface CacheEntry {
  readonly schema: 1;
  readonly sha256: string;
  readonly size: number;
  /** `urlKey` of the address. */
  readonly key: string;
  readonly url: string;
  /** Strong ones only. */
  readonly etag: string | undefined;
}

export interface PruneOptions {
  /** Digests that must stay: open runs and restore points refer to them. */
  readonly keep: ReadonlySet<string>;
  /** How many of the others stay, the last used ones. */
  readonly count: number;
}

/** Parts that nobody went on with for so long are removed. */
const PART_AGE = 7 * 86_400_000;

/** Downloaded packages of this user by digest. Another process may use it at the same time. */
export class PackageCache {
  readonly downloads: string;
  /** Of local packages that others could change; see `holdFile`. */
  readonly copies: string;
  private readonly images: string;

  /** @param directory as `cacheHome()` gives it */
  constructor(directory: string) {
    this.images = join(directory, 'packages');
    this.downloads = join(directory, 'downloads');
    this.copies = join(directory, 'copies');
  }

  path(sha256: string): string {
    return join(this.images, `${sha256}.iso`);
  }

  /**
   * The image with that digest, read and compared; a broken one is removed.
   * @returns its path, or undefined
   */
  async find(sha256: string, options: HashOptions = {}): Promise<string | undefined> {
    if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
    for (const path of [this.path(sha256), join(this.copies, `${sha256}.iso`)]) {
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() !== true) continue;
      if ((await sha256OfFile(path, options)) !== sha256) {
        await rm(path, { force: true });
        continue;
      }
      const now = new Date(wallClock());
      await utimes(path, now, now).catch(() => undefined);
      return path;
    }
    return undefined;
  }

  /** What was once fetched from an address. Ask the server whether it is still that before using it. */
  async entriesOf(key: string): Promise<CacheEntry[]> {
    const entries = await Promise.all((await this.digests()).map((sha256) => this.entry(sha256)));
    return entries.filter((each) => each?.key === key).filter((each) => each !== undefined);
  }

  /** Takes a finished download in. @returns its path */
  async store(part: PartFile, entry: CacheEntry): Promise<string> {
    await makeDirectory(this.images);
    const path = this.path(entry.sha256);
    await part.finish(path);
    await writeJson(this.entryPath(entry.sha256), entry);
    return path;
  }

  /** @returns bytes that became free */
  async prune({ keep, count }: PruneOptions): Promise<number> {
    const images = await Promise.all(
      (await this.digests()).map(async (sha256) => ({
        sha256,
        stat: await stat(this.path(sha256)).catch(() => undefined),
      })),
    );
    const spare = images
      .filter(({ sha256 }) => !keep.has(sha256))
      .sort((a, b) => (b.stat?.mtimeMs ?? 0) - (a.stat?.mtimeMs ?? 0))
      .slice(count);
    for (const { sha256 } of spare) await this.remove(sha256);
    const freed = spare.reduce((sum, each) => sum + (each.stat?.size ?? 0), 0);
    return freed + (await this.pruneParts());
  }

  private async pruneParts(): Promise<number> {
    let freed = 0;
    for (const name of await readdir(this.downloads).catch(() => [])) {
      const path = join(this.downloads, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || ageOf(found.mtimeMs) < PART_AGE) continue;
      await rm(path, { force: true });
      freed += found.size;
    }
    return freed;
  }

  private async remove(sha256: string): Promise<void> {
    await rm(this.path(sha256), { force: true });
    await rm(this.entryPath(sha256), { force: true });
  }

  private async digests(): Promise<string[]> {
    const names = await readdir(this.images).catch(() => []);
    return names.flatMap((name) => /^([0-9a-f]{64})\.iso$/.exec(name)?.[1] ?? []);
  }

  private entryPath(sha256: string): string {
    return join(this.images, `${sha256}.json`);
  }

  private async entry(sha256: string): Promise<CacheEntry | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(this.entryPath(sha256), 'utf8'));
      return isEntry(value) && value.sha256 === sha256 ? value : undefined;
    } catch {
      return undefined; // found by its digest only
    }
  }
}

function isEntry(value: unknown): value is CacheEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { schema, sha256, key, etag } = value as Record<string, unknown>;
  return (
    schema === 1 &&
    typeof sha256 === 'string' &&
    typeof key === 'string' &&
    (etag === undefined || typeof etag === 'string')
  );
}
