import { mapLimit } from '../base/async';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { formatSize } from '../base/units';
import { sha256Hex } from './points/canonical';
import { looseFindings } from './loose';
import { locationOnNode } from './open';
import { checkPaths, type Finding, locationExcludes } from './paths';
import {
  decodePoint,
  encode,
  MAX_POINT_BYTES,
  type OwnPackage,
  type Part,
  type Point,
  POINT_SCHEMA,
  type PointStatus,
  type Verdict,
} from './points/point';
import { probe } from './probe';
import { backupSpace, type NodeNeed, rollbackSpace, undoSpace } from './space';
import { type PartSeen, type PointState, stateOf } from './points/state';
import type { BackupNode, PartContext, PartVerdict, ReadPoint, Store } from './points/store';
import { recordTrust, type Trust, trustOf } from './points/trust';

/** The life of a restore point, in pieces that the engine journals as steps of a run. Each may be repeated. */

const NODES_AT_ONCE = 16;

/** What the checks of a backup found out. */
export interface BackupCheck {
  readonly findings: readonly Finding[];
  /** For `PartRequest.leaveOut`, by node. */
  readonly leaveOut: Readonly<Record<string, readonly string[]>>;
  /** Disk space of the paths, by node; what progress counts towards. */
  readonly bytes: Readonly<Record<string, number>>;
}

/**
 * Judges a backup before it begins: the location, the paths on each node, the space, the tools.
 * @param pathsOf what is backed up on a node
 * @param how `look`: nothing is written anywhere, not even to try it
 * @param restoring the parts that come to the same places next: both must fit
 */
export async function checkBackup(
  store: Store,
  nodes: readonly BackupNode[],
  pathsOf: (node: string) => readonly string[],
  {
    how,
    purpose,
    restoring,
  }: { how: 'look' | 'write'; purpose: 'backup' | 'restore'; restoring?: (node: string) => Part },
  signal?: AbortSignal,
): Promise<BackupCheck> {
  const findings: Finding[] = [];
  const reports = await store.check(nodes, how, signal);
  reports.forEach((each, index) => {
    if (each.status === 'rejected')
      findings.push(
        asFinding(each.reason, store.location.kind === 'sftp' ? undefined : nodes[index]?.name, store.location.name),
      );
  });
  const leaveOut: Record<string, readonly string[]> = {};
  const needs: NodeNeed[] = [];
  const results = await mapLimit(nodes, NODES_AT_ONCE, (node) =>
    probe(node, pathsOf(node.name), locationOnNode(store.location, node.stateDir), undefined, signal),
  );
  // In the order of the nodes, not of their answers.
  results.forEach((each, index) => {
    const node = nodes[index]?.name ?? '';
    if (each.status === 'rejected') {
      findings.push(asFinding(each.reason, node, undefined));
      return;
    }
    const found = each.value;
    const paths = pathsOf(node);
    needs.push({ node, probe: found });
    leaveOut[node] = locationExcludes(paths, found.facts);
    findings.push(...checkPaths(paths, found.facts, purpose));
    if (purpose === 'restore') findings.push(...rollbackSpace({ node, probe: found }));
    if (restoring) findings.push(...undoSpace({ node, probe: found }, restoring(node)));
    if (store.location.kind !== 'restic')
      findings.push(...toolFindings(node, found.tar, found.lost), ...looseFindings(node, found, purpose));
  });
  const good = reports.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  findings.push(...backupSpace(needs, good, store.location.name));
  const bytes = needs.map(
    (each) => [each.node, each.probe.paths.reduce((sum, path) => sum + (path.bytes ?? 0), 0)] as const,
  );
  return { findings, leaveOut, bytes: Object.fromEntries(bytes) };
}

/** The files of a package that a restore needs, as a point keeps them. */
export function keepScripts(files: Readonly<Record<string, Uint8Array>>): Point['scripts'] {
  const entries = Object.entries(files).map(
    ([name, content]) =>
      [name, { content: Buffer.from(content).toString('base64'), sha256: sha256Hex(content) }] as const,
  );
  return Object.fromEntries(entries);
}

/** Makes a point of its parts. */
export function assemblePoint(header: Omit<Point, 'schema' | 'nodes'>, parts: readonly Part[]): Point {
  const schema = header.files ? 2 : POINT_SCHEMA;
  return { ...header, schema, nodes: Object.fromEntries(parts.map((each) => [each.node, each])) };
}

/** What a node keeps of a package, as it was read from that node. */
export interface KeptPackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string | null;
  /** Text of the manifest. */
  readonly manifest: string;
  readonly scripts: Readonly<Record<string, Uint8Array>>;
}

/** The packages of the parts, for a point: equal files of several nodes are kept once. */
export function keepPackages(kept: ReadonlyMap<string, KeptPackage | undefined>): {
  readonly files: NonNullable<Point['files']>;
  readonly packages: ReadonlyMap<string, OwnPackage | null>;
} {
  const files: Record<string, string> = {};
  const keep = (content: Uint8Array): string => {
    const sha256 = sha256Hex(content);
    files[sha256] ??= Buffer.from(content).toString('base64');
    return sha256;
  };
  const own = [...kept].map(([node, pkg]): [string, OwnPackage | null] => {
    if (!pkg) return [node, null];
    const { product, version, sha256 } = pkg;
    const scripts = Object.entries(pkg.scripts).map(([path, content]) => [path, keep(content)] as const);
    const manifest = keep(Buffer.from(pkg.manifest));
    return [node, { product, version, sha256, manifest, scripts: Object.fromEntries(scripts) }];
  });
  return { files, packages: new Map(own) };
}

/**
 * Completes a point: its digest goes to the nodes first, so that no point is ever listed that nobody vouches for.
 * @returns the digest, for the journal
 * @throws ClusterliftError `backup-point-large`, `point-invalid`: nobody could read it back
 */
export async function completePoint(store: Store, point: Point, nodes: readonly BackupNode[]): Promise<string> {
  const { text, sha256 } = encode(point);
  demandReadable(point.id, text);
  await recordTrust(point.id, sha256, nodes);
  await store.finishPoint(point, nodes);
  return sha256;
}

function demandReadable(id: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_POINT_BYTES) throw tooLarge(id, bytes);
  decodePoint(text, id);
}

/** Reads one node's part back from where it lies. @throws ClusterliftError `point-node` when it has none */
export async function verifyNode(
  store: Store,
  point: Point,
  node: BackupNode,
  options: Pick<PartContext, 'onProgress' | 'signal'> = {},
): Promise<PartVerdict> {
  return store.verifyPart({ point, part: partOf(point, node.name), node, ...options });
}

/** Keeps verdicts beside the point; earlier ones of other nodes stay. */
export async function recordVerdicts(
  store: Store,
  read: ReadPoint,
  nodes: readonly BackupNode[],
  verdicts: Readonly<Record<string, PartVerdict>>,
  by: string,
  now: Date,
): Promise<PointStatus> {
  const at = now.toISOString();
  const fresh = Object.entries(verdicts).map(([node, each]): [string, Verdict] => [
    node,
    { result: each.result, at, by, ...(each.reason === undefined ? {} : { reason: each.reason }) },
  ]);
  const status: PointStatus = {
    schema: POINT_SCHEMA,
    id: read.point.id,
    point: read.sha256,
    nodes: { ...read.status?.nodes, ...Object.fromEntries(fresh) },
  };
  await store.putStatus(status, nodes);
  return status;
}

/** What `backup verify` tells. */
export interface Verification {
  readonly state: PointState;
  readonly trust: Trust;
  readonly verdicts: Readonly<Record<string, PartVerdict>>;
  /** Nodes whose part could not be judged, and why. */
  readonly unknown: readonly { readonly node: string; readonly error: unknown }[];
}

/**
 * Verifies a point, or some of its parts, and keeps the result with it. What nobody made is not read, whatever its digests say.
 * @throws ClusterliftError `point-changed`; `point-node` when it has no part of a node of `only`
 */
export async function verifyPoint(
  store: Store,
  id: string,
  nodes: readonly BackupNode[],
  options: {
    readonly by: string;
    readonly now: Date;
    /** Names of nodes; undefined: all that the point has. */
    readonly only?: readonly string[] | undefined;
    /** As for `trustOf`. */
    readonly journaled?: string | undefined;
    readonly signal?: AbortSignal;
  },
): Promise<Verification> {
  const { by, now, only, journaled, signal } = options;
  const read = await store.readPoint(id, nodes, signal);
  const holders = only?.map((name) => partOf(read.point, name).node) ?? Object.keys(read.point.nodes);
  const trust = await trustOf(
    read,
    nodes.filter(({ name }) => holders.includes(name)),
    journaled,
    signal,
  );
  const verdicts: Record<string, PartVerdict> = {};
  const unknown: { node: string; error: unknown }[] = [];
  await mapLimit(holders, NODES_AT_ONCE, async (name) => {
    try {
      const node = nodes.find((each) => each.name === name);
      if (!node) throw notInCluster(id, name);
      verdicts[name] = await verifyNode(store, read.point, node, signal ? { signal } : {});
    } catch (error) {
      unknown.push({ node: name, error });
    }
  });
  const there = nodes.filter((each) => !unknown.some((other) => other.node === each.name));
  const status =
    Object.keys(verdicts).length > 0 ? await recordVerdicts(store, read, there, verdicts, by, now) : read.status;
  const parts: Record<string, PartSeen> = { ...read.parts };
  for (const node of Object.keys(verdicts)) parts[node] = { kind: 'there' };
  for (const { node } of unknown) parts[node] = { kind: 'unreachable' };
  return { state: stateOf({ point: read.point, status, parts }), trust, verdicts, unknown };
}

/** @throws ClusterliftError `point-node` */
export function partOf(point: Point, node: string): Part {
  const part = Object.hasOwn(point.nodes, node) ? point.nodes[node] : undefined;
  if (part) return part;
  throw new ClusterliftError({
    code: 'point-node',
    message: `Restore point ${point.id} has no part of ${node}`,
    hint: `It has those of ${Object.keys(point.nodes).join(', ')}. Choose among them with --nodes.`,
    exit: ExitStatus.usage,
    node,
  });
}

function tooLarge(id: string, bytes: number): ClusterliftError {
  return new ClusterliftError({
    code: 'backup-point-large',
    message: `Restore point ${id} would have a point.json of ${formatSize(bytes)}; ${formatSize(MAX_POINT_BYTES)} are the limit`,
    hint: 'The nodes keep too many different scripts in their state directories (installed/): look there, or back up fewer nodes with --nodes.',
    exit: ExitStatus.refused,
  });
}

function notInCluster(id: string, node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-node',
    message: `Restore point ${id} has a part of ${node}, which is no node of this cluster now`,
    hint: 'Name the cluster that it was made of with --cluster, or put the node back into clusters.json.',
    exit: ExitStatus.refused,
    node,
  });
}

/** A check that could not be done is a finding of its own; a cancelled one is none. */
export function asFinding(error: unknown, node: string | undefined, path: string | undefined): Finding {
  if (!(error instanceof ClusterliftError) || error.code === 'cancelled') throw error;
  const { code, hint: fix } = error;
  const where = error.node ?? node;
  // The report names the node before each message.
  const message =
    where !== undefined && error.message.startsWith(`${where}: `)
      ? error.message.slice(where.length + 2)
      : error.message;
  return { code, level: 'block', node: where, path, message, fix };
}

function toolFindings(node: string, tar: 'gnu' | 'busybox' | 'none', lost: readonly string[]): Finding[] {
  const finding = { node, path: undefined, fix: 'Install GNU tar there (package `tar`).' };
  if (tar === 'none')
    return [
      { ...finding, code: 'tar-missing', level: 'block', message: 'there is neither GNU tar nor that of busybox' },
    ];
  if (lost.length === 0) return [];
  return [{ ...finding, code: 'tar-lossy', level: 'warn', message: `its tar cannot keep: ${lost.join(', ')}` }];
}
