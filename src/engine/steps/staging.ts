import { mapLimit, sleep } from '../../base/async';
import { hasCode } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import { Meter } from '../../package/sources/meter';
import { Throttle } from '../../ssh/reach/throttle';
import type { RunContext } from '../control/context';
import { fenceOf } from '../control/locks';
import { isLost } from '../control/lost';
import { dropFetched } from '../node/fetch';
import { beginStage, discardIncoming, finishStage, incomingPlace, type StageTarget } from '../node/stage';
import { prune } from '../node/prune';
import { unpackImage } from '../node/unpack';
import type { PackageContent, Image } from '../control/runpackage';
import { Relay, RelayBroken } from './relay';
import { runStep } from './steps';
import { changesBegun, stepOf, type NodeView } from '../journal/view';

/** Images are transferred to so many nodes at once: enough to fill an uplink, few enough that each one moves. */
const AT_ONCE = 8;
/** A staging link may be away for so long before the run is given up; nothing was changed yet. Milliseconds. */
const STAGE_MAX_AWAY = 10 * 60_000;
/** Milliseconds without a byte after which a transfer counts as dead. */
const IDLE = 60_000;
const PIECE = 1024 * 1024;

/** What all nodes share while they get the image. */
interface Staging {
  readonly ctx: RunContext;
  readonly image: Image;
  readonly source: SharedContent;
  readonly throttle: Throttle;
  /** Undefined: from here to each node. */
  readonly relay: Relay | undefined;
}

/**
 * Stages the image: transfers it to every node that changes, proves its digest there and unpacks it. Returns when all nodes have it.
 * @throws ClusterliftError the first failure: no node has been changed then
 */
export async function stageEverywhere(ctx: RunContext, image: Image): Promise<void> {
  return stageOn(ctx, image, changing(ctx));
}

/** The same for nodes that lost the image with their state directory: without it they cannot go on, and the others can. */
export async function stageAgain(ctx: RunContext, image: Image): Promise<void> {
  const isOpen = ({ outcome, steps }: NodeView): boolean => outcome === undefined && !steps.some(isLost);
  // Also a node that was reinstalled while others had begun, or of which nobody knows that it has the image.
  const isWanting = (node: NodeView): boolean =>
    (['stage', 'unpack'] as const).some((step) => {
      const state = stepOf(node, step)?.state;
      return state === 'running' || (state === undefined && !changesBegun(node));
    });
  const nodes = changing(ctx).filter((name) => isOpen(ctx.nodeView(name)) && isWanting(ctx.nodeView(name)));
  if (nodes.length === 0) return;
  try {
    await stageOn(ctx, image, nodes);
  } catch (error) {
    ctx.signal.throwIfAborted();
    for (const name of nodes) {
      if (stepOf(ctx.nodeView(name), 'unpack')?.state !== 'done') await ctx.finishNode(name, 'unknown', error);
    }
  }
}

function changing(ctx: RunContext): string[] {
  return ctx.plan.nodes.filter((node) => node.action === 'change').map((node) => node.name);
}

async function stageOn(ctx: RunContext, image: Image, nodes: readonly string[]): Promise<void> {
  await ctx.record({ type: 'phase', phase: 'stage' });
  const source = new SharedContent(image);
  const throttle = new Throttle(ctx.plan.options.limitRate);
  const relay = ctx.plan.options.distribution === 'relay' ? new Relay(ctx, image, nodes) : undefined;
  const all: Staging = { ctx, image, source, throttle, relay };
  try {
    const results = await mapLimit(nodes, AT_ONCE, async (node) => {
      await stage(all, node);
      await unpack(ctx, image, node, source);
      await tidy(ctx, image, node);
    });
    ctx.signal.throwIfAborted();
    if (relay) await Promise.all(nodes.map((node) => discardUpload(all, node)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await dropDownload(ctx, image);
    await image.spent?.().catch(() => undefined);
  } finally {
    await source.close();
  }
}

async function stage(all: Staging, node: string): Promise<void> {
  const { ctx, image, relay } = all;
  const target = targetOf(ctx, image, node);
  try {
    await runStep(ctx, {
      node,
      step: 'stage',
      repeatable: true,
      run: async () => {
        const bytes = await ctx.retryWhileUnreachable(node, () => transfer(all, node, target), STAGE_MAX_AWAY);
        return { sent: bytes, sha256: image.sha256 };
      },
    });
    relay?.serves(node, becomes(ctx, node) ? undefined : [imagePath(target)]);
  } finally {
    relay?.serves(node, undefined);
  }
}

/**
 * Transfers what is missing and has the node prove the digest. A transfer that was cut may have left a writer behind on the
 * node, so a part that no longer fits is started again, once or twice; the digest decides in any case.
 * @returns bytes that were transferred from here
 */
async function transfer(all: Staging, node: string, target: StageTarget): Promise<number> {
  const { ctx, image, relay } = all;
  const connection = ctx.connection(node);
  const space = await spaceFor(image, all.source);
  let resumed = false;
  for (let round = 1; ; round++) {
    const place = await beginStage(connection, target, space).catch(async (error: unknown) => {
      if (!hasCode(error, 'stage-space')) throw error;
      await makeRoom(ctx, image, node);
      return beginStage(connection, target, space);
    });
    if (place.complete) return 0;
    resumed ||= place.offset > 0 || round > 1;
    try {
      return await transferOnce(all, node, target, place);
    } catch (error) {
      if (error instanceof RelayBroken) continue; // happens once for a node
      const relayed = hasCode(error, 'stage-digest') && relay?.distrust(node) === true;
      const unfit = hasCode(error, 'append-offset') || (hasCode(error, 'stage-digest') && resumed);
      if (!relayed && (!unfit || round >= 4)) throw error;
      await sleep(500, ctx.signal);
    }
  }
}

async function transferOnce(
  all: Staging,
  node: string,
  target: StageTarget,
  place: { readonly path: string; readonly offset: number },
): Promise<number> {
  const { ctx, image, relay } = all;
  const connection = ctx.connection(node);
  if (image.onNode?.node === node) {
    await finishStage(connection, target, image.onNode.path);
    return 0;
  }
  // With become the login user cannot write into the state directory: root copies from there, and trusts only its copy.
  const become = becomes(ctx, node);
  const part = become ? await incomingPlace(connection, target) : place;
  relay?.serves(node, become ? [part.path] : [part.path, imagePath(target)]);
  const sent = part.offset < image.size ? await transferBytes(all, node, part) : 0;
  try {
    await finishStage(connection, target, become ? part.path : undefined);
  } catch (error) {
    if (become && hasCode(error, 'stage-digest')) await discardIncoming(connection, target);
    throw error;
  }
  // The next node may still be reading it.
  if (!relay) await discardUpload(all, node);
  return sent;
}

/** Transfers the rest of a part: from the node before where that is wanted and possible, else from here. */
async function transferBytes(
  { ctx, image, source, throttle, relay }: Staging,
  node: string,
  { path, offset }: { readonly path: string; readonly offset: number },
): Promise<number> {
  const meter = new Meter((progress) => {
    ctx.live({ type: 'progress', node, step: 'stage', ...progress });
  });
  const onProgress = (bytes: number): void => {
    meter.at(bytes, image.size);
  };
  if (await relay?.transfer(node, { path, offset }, onProgress)) return 0;
  await ctx.connection(node).append({
    path,
    offset,
    source: throttle.limit(await source.bytes(offset), ctx.signal),
    idleTimeout: IDLE,
    signal: ctx.signal,
    onProgress: (sent) => {
      onProgress(offset + sent);
    },
  });
  return image.size - offset;
}

/** What the login user's part was for is done. May be repeated. */
async function discardUpload({ ctx, image }: Staging, node: string): Promise<void> {
  if (becomes(ctx, node)) await discardIncoming(ctx.connection(node), targetOf(ctx, image, node));
}

function becomes(ctx: RunContext, node: string): boolean {
  return ctx.node(node).model.become !== 'none';
}

function imagePath({ stateDir, sha256 }: StageTarget): string {
  return `${stateDir}/packages/${sha256}/image.iso`;
}

async function unpack(ctx: RunContext, image: Image, node: string, source: SharedContent): Promise<void> {
  await runStep(ctx, {
    node,
    step: 'unpack',
    repeatable: true,
    run: async () => {
      const { unpack: plan, extra } = await source.content();
      await ctx.retryWhileUnreachable(
        node,
        (connection) => unpackImage(connection, targetOf(ctx, image, node), plan, extra),
        STAGE_MAX_AWAY,
      );
      return { files: plan.files.length };
    },
  });
}

/** Every node has the image: what the primary downloaded is of no use any more. A failure of it stops nothing. */
async function dropDownload(ctx: RunContext, image: Image): Promise<void> {
  const { onNode } = image;
  if (onNode?.fetched !== true || !ctx.plan.nodes.some((node) => node.name === onNode.node)) return;
  await dropFetched(ctx.connection(onNode.node), onNode.path, ctx.signal).catch(() => undefined);
}

/** Removes what no run needs any more: old images, closed runs and their jobs. */
async function makeRoom(ctx: RunContext, image: Image, node: string): Promise<void> {
  await prune(ctx.connection(node), {
    stateDir: ctx.node(node).stateDir,
    fence: fenceOf(ctx, node),
    keepImages: [image.sha256],
    keepRuns: [ctx.plan.run],
    signal: ctx.signal,
  });
}

/** The same as a courtesy, so that a node does not fill up over the years: a failure of it stops nothing. */
async function tidy(ctx: RunContext, image: Image, node: string): Promise<void> {
  await makeRoom(ctx, image, node).catch((error: unknown) => {
    ctx.onFenced(error, node);
  });
  ctx.signal.throwIfAborted();
}

function targetOf(ctx: RunContext, image: Image, node: string): StageTarget {
  return {
    stateDir: ctx.node(node).stateDir,
    sha256: image.sha256,
    size: image.size,
    fence: fenceOf(ctx, node),
    signal: ctx.signal,
  };
}

/** The image twice and its files (docs/on-a-node.md), and what the package itself needs. */
async function spaceFor(image: Image, source: SharedContent): Promise<number> {
  const { unpack: plan } = await source.content();
  return 2 * image.size + plan.bytes + image.manifest.needs.disk;
}

/** One reader for all nodes, opened when the first one needs it. */
class SharedContent {
  #content: Promise<PackageContent> | undefined;

  constructor(private readonly image: Image) {}

  content(): Promise<PackageContent> {
    this.#content ??= this.image.open();
    return this.#content;
  }

  async bytes(offset: number): Promise<AsyncIterable<Uint8Array>> {
    const { reader } = await this.content();
    return pieces(reader, offset);
  }

  async close(): Promise<void> {
    await this.#content?.then(
      ({ reader }) => reader.close(),
      () => undefined,
    );
  }
}

async function* pieces(reader: RandomReader, offset: number): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < reader.size; at += PIECE) yield await reader.read(at, Math.min(PIECE, reader.size - at));
}
