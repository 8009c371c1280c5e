import { codeSet } from '../../base/catalogue';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import { chooseCluster, findClustersFile } from '../../cluster/find';
import { loadClusters } from '../../cluster/load';
import { openPackage, type PackageInfo } from '../../package/inspect';
import { inspectSignature, type SignatureReport } from '../../package/inspect-signature';
import { isPackageUrl, parseAddress, redactUrl } from '../../package/sources/address';
import { openFileReader } from '../../package/sources/file';
import { openUrlReader } from '../../package/sources/url';
import { findPackage } from '../../engine/node/packages';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { openSite } from '../site';
import { renderInfo, signatureWords, type Trust } from '../../terminal/package-info';

/** `package inspect`: what a package says about itself, read in a few small pieces wherever it lies. */
export async function inspect(ctx: CommandContext, given: string, options: Options): Promise<ExitStatus> {
  const { reader, name, where, close } = await open(ctx, given, options);
  try {
    const opened = await openPackage(reader, { name });
    const { info } = opened;
    const trust = await trustOf(ctx, options);
    const signature = await inspectSignature(opened, trust);
    ctx.ui.list([rowOf(info, where, signature)], (theme) =>
      renderInfo(info, where, signatureWords(info, signature, trust), theme),
    );
    return ExitStatus.ok;
  } finally {
    await reader.close();
    await close();
  }
}

/** Whose signatures count: those of the cluster, where one can be told; undefined: it cannot. */
async function trustOf(ctx: CommandContext, options: Options): Promise<Trust> {
  const { env, cwd, platform } = ctx;
  const named = options.cluster !== undefined || options.config !== undefined;
  try {
    const { path } = await findClustersFile({ env, cwd, platform, config: options.config });
    const file = await loadClusters(path);
    const { name, upgrade } = chooseCluster(file, options.cluster);
    return { cluster: name, trusted: upgrade.trustedSigners, revoked: upgrade.revokedSigners };
  } catch (error) {
    // A package is looked at without a cluster, too, and beside a file with several.
    if (named || !(error instanceof ClusterliftError) || !WITHOUT_CLUSTER.has(error.code)) throw error;
    return { cluster: undefined, trusted: [], revoked: [] };
  }
}

const WITHOUT_CLUSTER = codeSet('config-missing', 'config-foreign', 'cluster-ambiguous');

interface Opened {
  readonly reader: RandomReader;
  readonly name: string;
  readonly where: string;
  readonly close: () => Promise<void>;
}

async function open(ctx: CommandContext, given: string, options: Options): Promise<Opened> {
  const nothing = (): Promise<void> => Promise.resolve();
  if (isPackageUrl(given)) {
    const address = parseAddress(given, ctx.secrets.get('url-auth'));
    const reader = await openUrlReader(address, { signal: ctx.detach });
    return { reader, name: basename(address.url.pathname), where: redactUrl(given), close: nothing };
  }
  const path = resolve(ctx.cwd, given);
  if (!given.startsWith('node:') && (await stat(path).catch(() => undefined))?.isFile()) {
    return { reader: await openFileReader(path), name: basename(path), where: path, close: nothing };
  }
  return onPrimary(ctx, given.replace(/^node:/, ''), options);
}

async function onPrimary(ctx: CommandContext, path: string, options: Options): Promise<Opened> {
  const site = await openSite(ctx, options).catch((error: unknown) => {
    // Without a cluster, a file that is not here is nowhere.
    throw error instanceof ClusterliftError && error.code === 'config-missing' ? notFound(path) : error;
  });
  try {
    const primary = site.nodes.find((node) => node.name === site.cluster.primary) ?? site.cluster.nodes[0];
    if (!primary) throw notFound(path);
    const connection = site.connect(primary);
    const file = await findPackage(connection, path, site.cluster.packageDirs, ctx.detach);
    if (!file) throw notFound(path);
    const reader = await connection.openReader(file.path, ctx.detach);
    return { reader, name: basename(file.path), where: `${primary.name}:${file.path}`, close: () => site.close() };
  } catch (error) {
    await site.close();
    throw error;
  }
}

function rowOf(info: PackageInfo, where: string, signature: SignatureReport): object {
  const { product, version, volumeId, imageSize, naming, hasSums, manifestValue: manifest } = info;
  return {
    where,
    product,
    version,
    size: imageSize,
    volumeId,
    naming,
    sums: hasSums,
    signature,
    manifest,
  };
}

function notFound(path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'package-not-found',
    message: `There is no file ${path}, neither here nor on the primary`,
    hint: 'Check the name; a file on the primary is given as node:<path>.',
    exit: ExitStatus.refused,
  });
}
