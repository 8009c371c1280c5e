import { advice } from '../../base/shell';
import { basename, join } from 'node:path';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
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
import type { EventSink } from '../journal/events';
import { keptScripts } from '../points/kept';
import type { Plan, PlanInstalled, PlanNode, PlanPackage } from '../journal/plan';
import { onNodeOf, scriptsOfEach, type RunPackage, type Scripts } from '../control/runpackage';
import { contentOf, type Content } from './content';

export interface ReopenRequest {
  /** Where a file is looked for that is not at its place. */
  readonly cwd: string;
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
function installed(plan: Plan, pinned: PlanPackage, request: ReopenRequest): Scripts {
  const own = plan.nodes.flatMap((node): [string, Scripts][] =>
    node.installed ? [[node.name, installedOn(plan, node.installed, node, request)]] : [],
  );
  const { source } = pinned;
  const name = source.kind === 'node' ? source.node : '';
  const holder = plan.nodes.find((node) => node.name === name);
  return scriptsOfEach(new Map(own), name) ?? installedOn(plan, pinned, holder, request);
}

function installedOn(plan: Plan, kept: PlanInstalled, holder: PlanNode | undefined, request: ReopenRequest): Scripts {
  const keeper = () => {
    if (!holder) throw noPackage(plan.run);
    return { connection: request.connect(holder), stateDir: holder.stateDir };
  };
  return keptScripts(kept, keeper, request.signal);
}

/** Who signed was settled when the plan was made. */
const UNASKED = { trustedSigners: [], revokedSigners: [], requireSignature: false } as const;

interface Reopened extends Content {
  readonly reader: RandomReader;
}

/** Structure, scripts and modes come from bytes with the plan's digest: what is unpacked is what was planned. */
async function open(plan: Plan, pinned: PlanPackage, request: ReopenRequest): Promise<Reopened> {
  const { signal } = request;
  const { recipe } = manifestOf(pinned.manifest);
  const reader = await openPinned(plan, pinned, request);
  try {
    const content = await demandPinned(plan.run, pinned, reader, signal, async () => {
      const { info, image } = await openPackage(reader, { name: nameOfPackage(pinned), recipe });
      const known = await verifyContent(image, { ...UNASKED, signal });
      return contentOf(image, info, known, pinned.signedBy !== undefined);
    });
    return { ...content, reader };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

/**
 * The package of a plan, wherever it is found; `demandPinned` says whether it is the same.
 * @throws ClusterliftError `package-missing`, `package-changed`, and those of a node or a server that cannot be asked
 */
export async function openPinned(plan: Plan, pinned: PlanPackage, request: ReopenRequest): Promise<SteadyReader> {
  const reader = new SteadyReader(await find(plan, pinned, request), nameOfPackage(pinned));
  if (reader.size === pinned.size) return reader;
  await reader.close();
  throw packageChanged(plan.run, pinned);
}

/**
 * What is read of the bytes of a plan's package, once their digest is the plan's.
 * @throws ClusterliftError `package-changed`, else what `read` throws
 */
export async function demandPinned<T>(
  run: string,
  pinned: PlanPackage,
  reader: SteadyReader,
  signal: AbortSignal,
  read: () => Promise<T>,
): Promise<T> {
  const [result] = await Promise.allSettled([read()]);
  signal.throwIfAborted();
  const refused = result.status === 'fulfilled' || hasStatus(result.reason, ExitStatus.refused);
  // Another file is another file, whatever else is wrong with it.
  if (refused && (await reader.sha256(undefined, signal)) !== pinned.sha256) throw packageChanged(run, pinned);
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

function hasStatus(error: unknown, status: ExitStatus): boolean {
  return error instanceof ClusterliftError && error.exit === status;
}

async function find(plan: Plan, pinned: PlanPackage, request: ReopenRequest): Promise<RandomReader> {
  const { source, sha256 } = pinned;
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
      return openFileHere(plan.run, source.path, request.cwd);
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

/** Where it was, else in the current folder: another machine may have it at another place. */
async function openFileHere(run: string, path: string, cwd: string): Promise<RandomReader> {
  for (const each of [path, join(cwd, basename(path))]) {
    try {
      return await openFileReader(each);
    } catch (error) {
      if (!hasCode(error, 'package-not-found')) throw error;
    }
  }
  throw fileMissing(run, path);
}

/** What a recipe took product and version from. */
export function nameOfPackage({ source }: PlanPackage): string {
  return source.kind === 'url' ? nameOfUrl(source.url) : basename(source.path);
}

function packageChanged(run: string, { source }: PlanPackage): ClusterliftError {
  return new ClusterliftError({
    code: 'package-changed',
    message: `The package is not the one of the plan any more (${source.kind === 'url' ? source.url : source.path})`,
    hint: advice`Put the same file back, then \`clusterlift resume ${run}\`; or close the run with \`clusterlift runs abandon ${run}\`.`,
    exit: ExitStatus.refused,
  });
}

function fileMissing(run: string, path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'package-missing',
    message: `The package of run ${run} is not here: there is no file ${path}`,
    hint: advice`Put the same file there, or into the current folder, then \`clusterlift resume ${run}\`.`,
    exit: ExitStatus.refused,
  });
}

function noPackage(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'package-missing',
    message: `The package of run ${run} cannot be found again`,
    hint: advice`Close the run with \`clusterlift runs abandon ${run}\` and start the upgrade again.`,
    exit: ExitStatus.refused,
  });
}
