import { advice } from '../../base/shell';
import { rm, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { atMost } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import type { Cluster } from '../../cluster/model';
import { openPackage, type OpenPackage } from '../../package/inspect';
import type { Installed } from '../../package/newest';
import { isPackageUrl, nameOfUrl, parseAddress, redactUrl } from '../../package/sources/address';
import type { PackageCache } from '../../package/sources/cache';
import { fetchPackage } from '../../package/sources/fetch';
import { openFileReader, sha256OfReader } from '../../package/sources/file';
import { Meter } from '../../package/sources/meter';
import { holdFile, type HeldFile } from '../../package/sources/private';
import { SteadyReader } from '../../package/steady';
import type { ScriptStart } from '../../package/script-start';
import { verifyContent } from '../../package/verify';
import type { NodeConnection } from '../../ssh/connection';
import type { EventSink } from '../journal/events';
import { dropFetched, fetchOnNode } from '../node/fetch';
import { digestOnNode, findPackage, type FileOnNode } from '../node/packages';
import type { PackageSource, PackageWord } from '../journal/plan';
import { onNodeOf, type Image } from '../control/runpackage';
import { contentOf } from './content';
import { newestOn } from './newest';

/** Where packages come from, and what must be true of them. */
export interface PackageRequest {
  /** What was typed: a file here, a file on the primary, `node:<path>`, a URL; undefined: the newest on the primary. */
  readonly given: string | undefined;
  readonly sha256: string | undefined;
  readonly cluster: Cluster;
  readonly cwd: string;
  readonly cache: PackageCache;
  readonly urlAuth: string | undefined;
  /** Who downloads a URL. */
  readonly fetch: 'here' | 'primary';
  /** Is it only looked at? Then what was copied or downloaded for it is removed again. */
  readonly lookOnly: boolean;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
  readonly primary: { readonly name: string; connection(): NodeConnection };
  /** What is installed on the primary; only asked for when the newest is wanted. */
  installed(): Promise<Installed | undefined>;
}

/** Paths that a plan holds at most; a resumed run reads them from the package else. */
const MOST_KEPT = 1000;

/** A package whose every byte was verified where it lies. */
export interface ReadyPackage extends Image {
  readonly source: PackageSource;
  readonly signedBy: string | undefined;
  /** It came over plain http, and neither digest nor signature vouches for it. */
  readonly unvouched: boolean;
  /** Whose word it is taken on, where neither signature nor `--sha256` vouches for it. */
  readonly word: PackageWord | undefined;
  /** Why this one, when nobody named it. */
  readonly reason: string | undefined;
  /** Bytes of all files. */
  readonly unpackedSize: number;
  /** Paths of `scriptFiles`; undefined: more than a plan should hold. */
  readonly kept: readonly string[] | undefined;
  /** How its scripts are started. */
  readonly starts: readonly ScriptStart[];
}

/**
 * Gets the package and verifies the whole of it: size, digest, signature, SHA256SUMS. No byte of it runs before that.
 * The digest is that of the very bytes that were verified.
 * @throws ClusterliftError (status 3, or 2) with the reason
 */
export async function getPackage(request: PackageRequest): Promise<ReadyPackage> {
  const { given, primary } = request;
  if (given === undefined) {
    const newest = await newestOn(primary.connection(), request);
    return onPrimary(request, { ...lyingOnPrimary(request, newest), ...newest });
  }
  if (given.startsWith('node:'))
    return onPrimary(request, lyingOnPrimary(request, await mustFind(request, given.slice(5))));
  if (isPackageUrl(given)) {
    return request.fetch === 'primary' ? fromUrlOnPrimary(request, given) : fromUrl(request, given);
  }
  const path = resolve(request.cwd, given);
  if ((await stat(path).catch(() => undefined))?.isFile()) return fromFile(request, path);
  return onPrimary(request, lyingOnPrimary(request, await mustFind(request, given)));
}

async function fromFile(request: PackageRequest, path: string): Promise<ReadyPackage> {
  const meter = meterOf(request, 'verify-package');
  const held = await holdFile(path, request.cache.copies, { signal: request.signal });
  const { reader, copied } = held;
  const drop = dropCopy(held);
  try {
    const opened = await openPackage(reader, { name: basename(path), recipe: request.cluster.recipe });
    const onProgress = (done: number): void => {
      meter.at(done, reader.size);
    };
    const sha256 = copied?.sha256 ?? (await sha256OfReader(reader, { signal: request.signal, onProgress }));
    const ready = await verified(request, opened, reader, {
      sha256: () => Promise.resolve(sha256),
      source: { kind: 'file', path },
      insecure: false,
      reopen: () => openFileReader(held.path),
    });
    if (request.lookOnly) await drop();
    return { ...ready, spent: drop };
  } catch (error) {
    await drop();
    throw error;
  } finally {
    await reader.close();
  }
}

async function fromUrl(request: PackageRequest, url: string): Promise<ReadyPackage> {
  const { cache, signal } = request;
  const address = parseAddress(url, request.urlAuth);
  const inspect = { name: nameOfUrl(address.url) || 'package.iso', recipe: request.cluster.recipe };
  const fetched = await fetchPackage(address, cache, {
    inspect,
    signal,
    expectedSha256: request.sha256,
    onProgress: (progress) => {
      request.sink({ type: 'progress', node: undefined, step: 'download', ...progress });
    },
  });
  // A cache that others can write may hold another file by now.
  const held = await holdFile(fetched.path, cache.copies, { signal });
  const { reader, path, copied } = held;
  const drop = dropCopy(held);
  try {
    if (copied && copied.sha256 !== fetched.sha256) throw digestMismatch(fetched.sha256, copied.sha256);
    const opened = await openPackage(reader, inspect);
    const ready = await verified(request, opened, reader, {
      sha256: () => Promise.resolve(fetched.sha256),
      source: { kind: 'url', url: redactUrl(url) },
      insecure: fetched.unvouched,
      reopen: () => openFileReader(path),
    });
    if (request.lookOnly) await drop();
    return { ...ready, spent: drop };
  } catch (error) {
    await drop();
    throw error;
  } finally {
    await reader.close();
  }
}

/** A copy that was made because others can write the file lives until every node has the image. */
function dropCopy({ path, copied }: HeldFile): () => Promise<void> {
  return async () => {
    if (copied) await rm(path, { force: true });
  };
}

/** The primary downloads it itself; from then on it is a package that lies there. */
async function fromUrlOnPrimary(request: PackageRequest, url: string): Promise<ReadyPackage> {
  const { sha256, urlAuth, signal, lookOnly } = request;
  const address = parseAddress(url, urlAuth);
  const connection = request.primary.connection();
  const meter = meterOf(request, 'download');
  const { path, insecure } = await fetchOnNode(connection, {
    address,
    pinned: sha256 !== undefined,
    aside: lookOnly,
    signal,
    onProgress: (bytes, total) => {
      meter.at(bytes, total);
    },
  });
  const drop = (): Promise<void> => atMost(30_000, dropFetched(connection, path));
  try {
    const ready = await onPrimary(request, {
      path,
      name: nameOfUrl(address.url) || 'package.iso',
      source: { kind: 'url', url: redactUrl(url), on: { node: request.primary.name, path } },
      insecure: insecure && sha256 === undefined,
    });
    if (lookOnly) await drop();
    return ready;
  } catch (error) {
    // A bad package stays bad; a lost connection says nothing about it.
    if (lookOnly || (error instanceof ClusterliftError && error.exit === ExitStatus.refused)) await drop();
    throw error;
  }
}

function lyingOnPrimary({ primary }: PackageRequest, { path }: Pick<FileOnNode, 'path'>): FoundOnPrimary {
  const source = { kind: 'node', node: primary.name, path } as const;
  return { path, name: basename(path), source, insecure: false };
}

interface FoundOnPrimary extends Omit<Origin, 'sha256' | 'reopen'> {
  readonly path: string;
  readonly name: string;
}

/** A node gives what it likes: what is read here is hashed here, and each node proves that it got the same. */
async function onPrimary(request: PackageRequest, { path, name, ...origin }: FoundOnPrimary): Promise<ReadyPackage> {
  const { primary, signal, cluster, sha256: wanted } = request;
  const connection = primary.connection();
  const reader = new SteadyReader(await connection.openReader(path, signal), `${path} on ${primary.name}`);
  try {
    const opened = await openPackage(reader, { name, recipe: cluster.recipe });
    // Where nothing vouches for its content, the primary's word is all there is, and gigabytes need not come here.
    const vouched = wanted !== undefined || opened.info.hasSums;
    const word = { node: primary.name, ...origin.word };
    return await verified(request, opened, reader, {
      ...origin,
      word,
      sha256: () => (vouched ? reader.sha256(undefined, signal) : digestOnNode(connection, path, signal)),
      reopen: () => connection.openReader(path),
    });
  } finally {
    await reader.close();
  }
}

async function mustFind(request: PackageRequest, name: string): Promise<FileOnNode> {
  const { primary, cluster, signal } = request;
  const file = await findPackage(primary.connection(), name, cluster.packageDirs, signal);
  if (file) return file;
  throw new ClusterliftError({
    code: 'package-not-found',
    message: `There is no file ${name} here, and none on ${primary.name} in ${cluster.packageDirs.join(', ')}`,
    hint: advice`Check the name, or copy the package to ${primary.name}; \`clusterlift upgrade\` alone takes the newest one there.`,
    exit: ExitStatus.refused,
  });
}

interface Origin {
  readonly source: PackageSource;
  readonly insecure: boolean;
  readonly reason?: string | undefined;
  readonly word?: PackageWord | Omit<PackageWord, 'node'> | undefined;
  /** Nobody named it: a cluster that trusts somebody takes only what they signed. */
  readonly mustBeSigned?: boolean | undefined;
  /** Of the bytes that the reader gave. */
  sha256(): Promise<string>;
  /** Each node proves the bytes that come from there. */
  reopen(): Promise<RandomReader>;
}

async function verified(
  request: PackageRequest,
  { info, image }: OpenPackage,
  reader: RandomReader,
  origin: Origin,
): Promise<ReadyPackage> {
  const { sha256: wanted, cluster, signal } = request;
  const meter = meterOf(request, 'verify-package');
  const known = await verifyContent(image, {
    trustedSigners: cluster.upgrade.trustedSigners,
    revokedSigners: cluster.upgrade.revokedSigners,
    requireSignature: cluster.upgrade.requireSignature || origin.mustBeSigned === true,
    signal,
    onProgress: (done, total) => {
      meter.at(done, total);
    },
  });
  const { signedBy } = known;
  const { unpack, extra, files, starts } = await contentOf(image, info, known, signedBy !== undefined);
  const sha256 = await origin.sha256();
  if (wanted !== undefined && wanted !== sha256) throw digestMismatch(wanted, sha256);
  const vouched = signedBy !== undefined || wanted !== undefined;
  const paths = files.map(({ path }) => path);
  return {
    product: info.product,
    version: info.version,
    manifest: info.manifest,
    manifestValue: info.manifestValue,
    sha256,
    place: 'packages',
    size: reader.size,
    source: origin.source,
    signedBy: signedBy?.name,
    unvouched: origin.insecure && !vouched,
    word: vouched ? undefined : wordOf(origin),
    reason: origin.reason,
    unpackedSize: unpack.bytes,
    starts,
    kept: paths.length > MOST_KEPT ? undefined : paths,
    onNode: onNodeOf(origin.source),
    scriptPaths: () => Promise.resolve(paths),
    scriptFiles: () => Promise.resolve(files),
    open: async () => ({ reader: await origin.reopen(), unpack, extra }),
  };
}

function wordOf({ word }: Origin): PackageWord | undefined {
  return word && 'node' in word ? word : undefined;
}

function meterOf({ sink }: PackageRequest, step: 'download' | 'verify-package'): Meter {
  return new Meter((progress) => {
    sink({ type: 'progress', node: undefined, step, ...progress });
  });
}

function digestMismatch(wanted: string, found: string): ClusterliftError {
  return new ClusterliftError({
    code: 'digest-mismatch',
    message: `The package has the digest ${found}, and --sha256 says ${wanted}`,
    hint: 'Get the package again from where it is published, and compare its name and version.',
    exit: ExitStatus.refused,
  });
}
