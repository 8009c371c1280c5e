import { basename } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import { openPackage } from '../../package/inspect';
import { manifestOf } from '../../package/manifest';
import { nameOfUrl, parseAddress } from '../../package/sources/address';
import type { PackageCache } from '../../package/sources/cache';
import { fetchPackage } from '../../package/sources/fetch';
import { openFileReader } from '../../package/sources/file';
import { SteadyReader } from '../../package/steady';
import { verifyContent } from '../../package/verify';
import type { NodeConnection } from '../../ssh/connection';
import type { ShortFile } from '../../ssh/short';
import type { EventSink } from '../events';
import { readInstalled } from '../node/installed';
import type { Plan, PlanInstalled, PlanNode, PlanPackage } from '../plan';
import { onNodeOf, packageOfEach, type RunPackage } from '../runpackage';
import { contentOf, type Content } from './content';

export interface ReopenRequest {
  readonly cache: PackageCache;
  readonly urlAuth: string | undefined;
  readonly sink: EventSink;
  readonly signal: AbortSignal;
  connect(node: PlanNode): NodeConnection;
}

/**
 * The package of a plan, for a run that goes on. Its bytes are looked for only when a node lacks them. The plan's digest
 * pins them: whatever is found is hashed here before anything in it is believed, and on the node before it is used.
 */
export async function reopenPackage(plan: Plan, request: ReopenRequest): Promise<RunPackage> {
  const pinned = plan.package;
  if (!pinned) throw noPackage(plan.run);
  if (plan.action !== 'upgrade') return installed(plan, pinned, request);
  const manifest = manifestOf(pinned.manifest);
  let content: Promise<Reopened> | undefined;
  const opened = (): Promise<Reopened> => (content ??= open(plan, pinned, request));
  return Promise.resolve({
    product: pinned.product,
    version: pinned.version,
    sha256: pinned.sha256,
    size: pinned.size,
    place: 'packages',
    manifest,
    manifestValue: pinned.manifest,
    onNode: onNodeOf(pinned.source),
    scriptPaths: async () => pinned.kept ?? (await opened()).files.map(({ path }) => path),
    scriptFiles: async () => (await opened()).files,
    open: opened,
  });
}

/** What the last upgrade left on the nodes, each its own; a plan of an earlier version names that of one node for all. */
function installed(plan: Plan, pinned: PlanPackage, request: ReopenRequest): RunPackage {
  const own = plan.nodes.flatMap((node): [string, RunPackage][] =>
    node.installed ? [[node.name, installedOn(plan, node.installed, node, request)]] : [],
  );
  const { source } = pinned;
  const name = source.kind === 'node' ? source.node : '';
  const each = packageOfEach(new Map(own), name);
  return (
    each ??
    installedOn(
      plan,
      pinned,
      plan.nodes.find((node) => node.name === name),
      request,
    )
  );
}

function installedOn(
  plan: Plan,
  { product, version, sha256, manifest: manifestValue }: PlanInstalled,
  holder: PlanNode | undefined,
  request: ReopenRequest,
): RunPackage {
  const files = async (): Promise<ShortFile[]> => {
    if (!holder) throw noPackage(plan.run);
    return readInstalled(request.connect(holder), `${holder.stateDir}/installed/${product}/files`, request.signal);
  };
  return {
    product,
    version,
    sha256,
    size: 0,
    place: 'installed',
    manifest: manifestOf(manifestValue),
    manifestValue,
    onNode: undefined,
    scriptPaths: async () => (await files()).map(({ path }) => path),
    scriptFiles: files,
    open: () => Promise.reject(noPackage(plan.run)),
  };
}

/** Who signed was settled when the plan was made. */
const UNASKED = { trustedSigners: [], revokedSigners: [], requireSignature: false } as const;

interface Reopened extends Content {
  readonly reader: RandomReader;
}

/** Structure, scripts and modes come from bytes with the plan's digest: what is unpacked is what was planned. */
async function open(plan: Plan, pinned: PlanPackage, request: ReopenRequest): Promise<Reopened> {
  const name = nameOf(pinned);
  const reader = new SteadyReader(await find(plan, pinned, request), name);
  try {
    if (reader.size !== pinned.size) throw changed(pinned);
    const { recipe } = manifestOf(pinned.manifest);
    const { info, image } = await openPackage(reader, { name, recipe });
    const { signal } = request;
    const known = await verifyContent(image, { ...UNASKED, signal });
    const content = await contentOf(image, info, known, pinned.signedBy !== undefined);
    if ((await reader.sha256(undefined, signal)) !== pinned.sha256) throw changed(pinned);
    return { ...content, reader };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

async function find(plan: Plan, { source, sha256 }: PlanPackage, request: ReopenRequest): Promise<RandomReader> {
  const cached = await request.cache.find(sha256, { signal: request.signal });
  if (cached !== undefined) return openFileReader(cached);
  const there = onNodeOf(source);
  if (there) {
    const node = plan.nodes.find((each) => each.name === there.node);
    if (!node) throw noPackage(plan.run);
    return request.connect(node).openReader(there.path, request.signal);
  }
  switch (source.kind) {
    case 'file':
      return openFileReader(source.path);
    case 'url': {
      const { path } = await fetchPackage(parseAddress(source.url, request.urlAuth), request.cache, {
        signal: request.signal,
        expectedSha256: sha256,
        onProgress: (progress) => {
          request.sink({ type: 'progress', node: undefined, step: 'download', ...progress });
        },
      });
      return openFileReader(path);
    }
    case 'node':
      throw noPackage(plan.run);
  }
}

/** What a recipe took product and version from. */
function nameOf({ source }: PlanPackage): string {
  return source.kind === 'url' ? nameOfUrl(source.url) : basename(source.path);
}

function changed({ source }: PlanPackage): ClusterliftError {
  return new ClusterliftError({
    code: 'package-changed',
    message: `The package is not the one of the plan any more (${source.kind === 'url' ? source.url : source.path})`,
    hint: 'Put the same file back where it was, then resume; or close the run with `clusterlift runs abandon RUN`.',
    exit: ExitStatus.refused,
  });
}

function noPackage(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'package-missing',
    message: `The package of run ${run} cannot be found again`,
    hint: 'Close the run with `clusterlift runs abandon RUN` and start the upgrade anew.',
    exit: ExitStatus.refused,
  });
}
