import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { atMost } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import type { Cluster } from '../../cluster/model';
import { openPackage, type OpenPackage, type PackageInfo } from '../../package/inspect';
import { openIso } from '../../package/iso/image';
import { chooseNewest, digestsNeeded, type Candidate, type Installed } from '../../package/newest';
import { isPackageUrl, nameOfUrl, parseAddress, redactUrl } from '../../package/sources/address';
import type { PackageCache } from '../../package/sources/cache';
import { fetchPackage } from '../../package/sources/fetch';
import { openFileReader, sha256OfFile } from '../../package/sources/file';
import { Meter } from '../../package/sources/meter';
import { verifyContent } from '../../package/verify';
import type { NodeConnection } from '../../ssh/connection';
import type { EventSink } from '../events';
import { dropFetched, fetchOnNode } from '../node/fetch';
import { digestOnNode, findPackage, listPackages, type FileOnNode } from '../node/packages';
import type { PackageSource } from '../plan';
import { onNodeOf, type RunPackage } from '../runpackage';
import { contentOf, scriptFilesOf, scriptPathsOf } from './content';

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
  /** Is it only looked at? Then what the primary downloads is removed again. */
  readonly lookOnly: boolean;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
  readonly primary: { readonly name: string; connection(): NodeConnection };
  /** What is installed on the primary; only asked for when the newest is wanted. */
  installed(): Promise<Installed | undefined>;
}

/** A package whose every byte was verified where it lies. */
export interface ReadyPackage extends RunPackage {
  readonly source: PackageSource;
  readonly signedBy: string | undefined;
  /** It came over plain http, and neither digest nor signature vouches for it. */
  readonly unvouched: boolean;
  /** Why this one, when nobody named it. */
  readonly reason: string | undefined;
  /** Bytes of all files. */
  readonly unpackedSize: number;
}

/**
 * Gets the package and verifies the whole of it: size, digest, signature, SHA256SUMS. No byte of it runs before that.
 * @throws ClusterliftError (status 3, or 2) with the reason
 */
export async function getPackage(request: PackageRequest): Promise<ReadyPackage> {
  const { given } = request;
  if (given === undefined) return newestOnPrimary(request);
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
  const reader = await openFileReader(path);
  try {
    const opened = await openPackage(reader, { name: basename(path), recipe: request.cluster.recipe });
    const meter = meterOf(request, 'verify-package');
    const sha256 = await sha256OfFile(path, {
      signal: request.signal,
      onProgress: (done) => {
        meter.at(done, reader.size);
      },
    });
    return await verified(request, opened, reader, {
      sha256,
      source: { kind: 'file', path },
      insecure: false,
      reopen: () => openFileReader(path),
    });
  } finally {
    await reader.close();
  }
}

async function fromUrl(request: PackageRequest, url: string): Promise<ReadyPackage> {
  const address = parseAddress(url, request.urlAuth);
  const inspect = { name: nameOfUrl(address.url) || 'package.iso', recipe: request.cluster.recipe };
  const fetched = await fetchPackage(address, request.cache, {
    inspect,
    signal: request.signal,
    expectedSha256: request.sha256,
    onProgress: (progress) => {
      request.sink({ type: 'progress', node: undefined, step: 'download', ...progress });
    },
  });
  const reader = await openFileReader(fetched.path);
  try {
    const opened = await openPackage(reader, inspect);
    return await verified(request, opened, reader, {
      sha256: fetched.sha256,
      source: { kind: 'url', url: redactUrl(url) },
      insecure: fetched.unvouched,
      reopen: () => openFileReader(fetched.path),
    });
  } finally {
    await reader.close();
  }
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
    // What is no good now is none the next time either; a lost link says nothing about it.
    if (lookOnly || (error instanceof ClusterliftError && error.exit === ExitStatus.refused)) await drop();
    throw error;
  }
}

function lyingOnPrimary({ primary }: PackageRequest, { path }: FileOnNode, reason?: string): FoundOnPrimary {
  const source = { kind: 'node', node: primary.name, path } as const;
  return { path, name: basename(path), source, insecure: false, reason };
}

interface FoundOnPrimary extends Omit<Origin, 'sha256' | 'reopen'> {
  readonly path: string;
  readonly name: string;
}

async function onPrimary(request: PackageRequest, { path, name, ...origin }: FoundOnPrimary): Promise<ReadyPackage> {
  const connection = request.primary.connection();
  const reader = await connection.openReader(path, request.signal);
  try {
    const opened = await openPackage(reader, { name, recipe: request.cluster.recipe });
    const sha256 = await digestOnNode(connection, path, request.signal);
    return await verified(request, opened, reader, { ...origin, sha256, reopen: () => connection.openReader(path) });
  } finally {
    await reader.close();
  }
}

/** Reads what each image on the primary says about itself, without fetching any of them. */
async function newestOnPrimary(request: PackageRequest): Promise<ReadyPackage> {
  const connection = request.primary.connection();
  const files = await listPackages(connection, request.cluster.packageDirs, request.signal);
  const installed = await request.installed();
  let candidates = await Promise.all(files.map((file) => candidateOf(request, connection, file)));
  const unsure = new Set(digestsNeeded(candidates, installed).map((each) => each.path));
  candidates = await Promise.all(
    candidates.map(async (each) =>
      unsure.has(each.path) ? { ...each, sha256: await digestOnNode(connection, each.path, request.signal) } : each,
    ),
  );
  const choice = chooseNewest(candidates, installed);
  return onPrimary(request, lyingOnPrimary(request, choice.candidate, choice.reason));
}

async function candidateOf(request: PackageRequest, connection: NodeConnection, file: FileOnNode): Promise<Candidate> {
  try {
    const reader = await connection.openReader(file.path, request.signal);
    try {
      const { info } = await openPackage(reader, { name: basename(file.path), recipe: request.cluster.recipe });
      return { ...file, read: { product: info.product, version: info.version } };
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof ClusterliftError && error.exit === ExitStatus.refused && error.node === undefined) {
      return { ...file, read: { error } };
    }
    throw error;
  }
}

async function mustFind(request: PackageRequest, name: string): Promise<FileOnNode> {
  const { primary, cluster, signal } = request;
  const file = await findPackage(primary.connection(), name, cluster.packageDirs, signal);
  if (file) return file;
  throw new ClusterliftError({
    code: 'package-not-found',
    message: `There is no file ${name} here, and none on ${primary.name} in ${cluster.packageDirs.join(', ')}`,
    hint: `Check the name, or copy the package to ${primary.name}; \`clusterlift upgrade\` alone takes the newest one there.`,
    exit: ExitStatus.refused,
  });
}

interface Origin {
  readonly sha256: string;
  readonly source: PackageSource;
  readonly insecure: boolean;
  readonly reason?: string | undefined;
  reopen(): Promise<RandomReader>;
}

async function verified(
  request: PackageRequest,
  { info, image }: OpenPackage,
  reader: RandomReader,
  origin: Origin,
): Promise<ReadyPackage> {
  const { sha256: wanted, cluster, signal } = request;
  if (wanted !== undefined && wanted !== origin.sha256) throw digestMismatch(wanted, origin.sha256);
  const meter = meterOf(request, 'verify-package');
  const { signedBy } = await verifyContent(image, {
    trustedSigners: cluster.upgrade.trustedSigners,
    revokedSigners: cluster.upgrade.revokedSigners,
    requireSignature: cluster.upgrade.requireSignature,
    signal,
    onProgress: (done, total) => {
      meter.at(done, total);
    },
  });
  const { unpack } = await contentOf(image, reader, info.extraFiles);
  const files = await scriptFilesOf(image, info);
  return {
    product: info.product,
    version: info.version,
    manifest: info.manifest,
    manifestValue: info.manifestValue,
    sha256: origin.sha256,
    place: 'packages',
    size: reader.size,
    source: origin.source,
    signedBy: signedBy?.name,
    unvouched: origin.insecure && signedBy === undefined && wanted === undefined,
    reason: origin.reason,
    unpackedSize: unpack.bytes,
    onNode: onNodeOf(origin.source),
    scriptPaths: () => Promise.resolve(scriptPathsOf(unpack, info)),
    scriptFiles: () => Promise.resolve(files),
    open: () => reopen(origin, info),
  };
}

async function reopen(origin: Origin, info: PackageInfo): ReturnType<RunPackage['open']> {
  const reader = await origin.reopen();
  try {
    return await contentOf(await openIso(reader), reader, info.extraFiles);
  } catch (error) {
    await reader.close();
    throw error;
  }
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
