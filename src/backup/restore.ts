import { advice } from '../base/shell';
import { mapLimit } from '../base/async';
import { ClusterliftError } from '../base/errors';
import { looseFindings } from './loose';
import { locationOnNode } from './open';
import { checkPaths, type Finding } from './paths';
import type { Part, Point } from './points/point';
import { asFinding, partOf } from './lifecycle';
import { probe } from './probe';
import { restoreSpace } from './space';
import { describeState, stateOf, type PartSeen } from './points/state';
import type { BackupNode, PartContext, ReadPoint, RestoreSource, Store } from './points/store';
import {
  backTask,
  forwardTask,
  keepReplaced,
  type Kept,
  lookAtPart,
  removeReplaced,
  swapState,
  type SwapState,
} from './swap';
import { checkEnd, type RunTask } from './points/task';
import { foreignWords, removalWords, type Trust, trustOf } from './points/trust';

/** The way back, in pieces that the engine journals as steps of a run. Each may be repeated. */

const NODES_AT_ONCE = 16;

/** What a restore will do to one node. */
export interface RestorePreview {
  readonly node: string;
  /** Version in the point; undefined: nothing was installed. */
  readonly to: string | undefined;
  readonly paths: readonly {
    readonly path: string;
    readonly now: 'present' | 'absent';
    readonly then: 'present' | 'absent';
    /** Files and directories that changed since the point was made, and will be lost; 10000 means that or more. */
    readonly changed: number;
  }[];
  /** What it brings back; bytes. */
  readonly bytes: number;
}

export interface RestoreReport extends ReadPoint {
  readonly trust: Trust;
  readonly nodes: readonly RestorePreview[];
  readonly findings: readonly Finding[];
}

/**
 * Judges a restore before it begins; changes nothing on any node.
 * @param nodes to restore: each vouches for itself
 * @param journaled digest of the point in the journal of the run that made it, when it is at hand
 * @throws ClusterliftError `point-changed`, `point-node`, …
 */
export async function checkRestore(
  store: Store,
  read: ReadPoint,
  nodes: readonly BackupNode[],
  journaled: string | undefined,
  signal?: AbortSignal,
): Promise<RestoreReport> {
  const trust = await trustOf(read, nodes, journaled, signal);
  const findings: Finding[] = [...pointFindings(read, nodes), ...trustFindings(read, trust)];
  const previews: RestorePreview[] = [];
  const results = await mapLimit(nodes, NODES_AT_ONCE, async (node) => {
    const part = partOf(read.point, node.name);
    const paths = part.paths.map((each) => each.path);
    const location = locationOnNode(store.location, node.stateDir);
    return { part, paths, found: await probe(node, paths, location, new Date(read.point.created), signal) };
  });
  // In the order of the nodes, not of their answers.
  results.forEach((each, index) => {
    const node = nodes[index]?.name ?? '';
    if (each.status === 'rejected') {
      findings.push(asFinding(each.reason, node, undefined));
      return;
    }
    const { part, paths, found } = each.value;
    const loose = looseFindings(node, found, 'restore').filter(({ level }) => level === 'block');
    findings.push(
      ...checkPaths(paths, found.facts, 'restore'),
      ...loose,
      ...restoreSpace({ node, probe: found }, part),
    );
    previews.push(preview(part, found.paths));
  });
  return { ...read, trust, nodes: previews, findings };
}

function preview(
  part: Part,
  probed: readonly { path: string; bytes: number | undefined; changed: number | undefined }[],
): RestorePreview {
  const paths = part.paths.map(({ path, state }) => {
    const now = probed.find((each) => each.path === path);
    return {
      path,
      now: now?.bytes === undefined ? 'absent' : 'present',
      then: state,
      changed: now?.changed ?? 0,
    } as const;
  });
  return { node: part.node, to: part.version ?? undefined, paths, bytes: part.treeBytes };
}

function pointFindings({ point, status, parts: seen }: ReadPoint, nodes: readonly BackupNode[]): Finding[] {
  const some: Point = {
    ...point,
    nodes: Object.fromEntries(nodes.map((each) => [each.name, partOf(point, each.name)])),
  };
  // Of these parts only what is gone for sure counts; the rest is read when it is staged.
  const parts = Object.fromEntries(
    nodes.map(({ name }): [string, PartSeen] => [name, { kind: seen[name]?.kind === 'missing' ? 'missing' : 'there' }]),
  );
  const state = stateOf({ point: some, status, parts });
  const finding = { node: undefined, path: undefined };
  if (state.kind === 'broken') {
    return [
      {
        ...finding,
        code: 'point-broken',
        level: 'block',
        message: `restore point ${point.id} is ${describeState(state)}`,
        fix: advice`Use another one, or look again: \`clusterlift backup verify ${point.id}\``,
      },
    ];
  }
  if (state.kind === 'verified') return [];
  return [
    {
      ...finding,
      code: 'point-unverified',
      level: 'warn',
      message: `restore point ${point.id} was never verified; it is verified first`,
      fix: advice`\`clusterlift backup verify ${point.id}\``,
    },
  ];
}

function trustFindings(read: ReadPoint, { foreign, removing }: Trust): Finding[] {
  const block = { level: 'block', path: undefined } as const;
  return [
    ...foreign.map((node) => ({ ...block, code: 'foreign-point' as const, node, ...foreignWords(read, node) })),
    ...removing.map((node) => ({
      ...block,
      code: 'removal-begun' as const,
      node,
      ...removalWords(read.point.id, node),
    })),
  ];
}

/** What the restore of one node needs. */
export interface RestoreContext {
  readonly store: Store;
  readonly point: Point;
  readonly node: BackupNode;
  /** Names what is kept meanwhile: the run. */
  readonly tag: string;
  /** The node knows the point (trust.ts); it was not only taken on by a person. */
  readonly trusted: boolean;
  readonly runTask: RunTask;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Transfers the part to its node where it is missing, and checks it, while the application still runs. */
export async function stagePart(ctx: RestoreContext): Promise<void> {
  const source = await fetchPart(ctx);
  try {
    await lookAtPart(ctx.node, ctx.tag, source, ctx.signal);
  } catch (error) {
    // A bad copy does not stay there; one that could only not be looked at does, to go on with.
    if (error instanceof ClusterliftError && error.code.startsWith('restore-'))
      await ctx.store.endRestore(partContext(ctx));
    throw error;
  }
}

function fetchPart(ctx: RestoreContext): Promise<RestoreSource> {
  return ctx.store.prepareRestore(partContext(ctx), ctx.trusted);
}

/**
 * Restores one node whose application is stopped: unpack beside, check, swap, in one job. What was replaced is kept.
 * @throws ClusterliftError `swap-went-back`, `restore-…`: the node is as it was; `swap-stuck`: a person must look
 */
export async function restoreNode(ctx: RestoreContext): Promise<void> {
  const source = await fetchPart(ctx);
  const part = partOf(ctx.point, ctx.node.name);
  checkEnd(ctx.node.name, await ctx.runTask(forwardTask(ctx.node, ctx.tag, source, part.paths)));
  await ctx.store.endRestore(partContext(ctx));
}

/** Puts back what the restore replaced: after a restore whose node did not become healthy. */
export async function undoRestore(ctx: Pick<RestoreContext, 'node' | 'tag' | 'runTask'>): Promise<void> {
  checkEnd(ctx.node.name, await ctx.runTask(backTask(ctx.node, ctx.tag)));
}

/** How far the swap of a node is: what a resume asks first. */
export function restoreState(ctx: Pick<RestoreContext, 'node' | 'tag' | 'signal'>): Promise<SwapState> {
  return swapState(ctx.node, ctx.tag, ctx.signal);
}

/** Removes what was replaced; from then on there is no way back. Only once the node is healthy, or after `undoRestore`. */
export async function finishRestore(
  ctx: Pick<RestoreContext, 'store' | 'point' | 'node' | 'tag' | 'signal'>,
): Promise<void> {
  await removeReplaced(ctx.node, ctx.tag, ctx.signal);
  await endRestore(ctx);
}

/** Keeps what was replaced, and removes only the copy of the part: after a rollback that nobody asked for. */
export async function keepRestore(
  ctx: Pick<RestoreContext, 'store' | 'point' | 'node' | 'tag' | 'signal'>,
): Promise<Kept> {
  const kept = await keepReplaced(ctx.node, ctx.tag, ctx.signal);
  await endRestore(ctx);
  return kept;
}

async function endRestore(ctx: Pick<RestoreContext, 'store' | 'point' | 'node' | 'signal'>): Promise<void> {
  await ctx.store.endRestore(partContext(ctx)).catch((error: unknown) => {
    // A point without this node has left nothing there.
    if (!(error instanceof ClusterliftError)) throw error;
  });
}

function partContext(ctx: Pick<RestoreContext, 'point' | 'node' | 'onProgress' | 'signal'>): PartContext {
  const { point, node, onProgress, signal } = ctx;
  return { point, part: partOf(point, node.name), node, ...(onProgress && { onProgress }), ...(signal && { signal }) };
}
