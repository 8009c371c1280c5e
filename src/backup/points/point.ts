import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { line } from '../../base/text';
import { formatDuration } from '../../base/units';
import { NAME } from '../../cluster/names';
import { canonicalJson, sha256Hex } from './canonical';

/** `point.json` and `status.json`: what lies next to the data of a restore point (docs/backups.md). */

export const POINT_SCHEMA = 1;
/** `point.json` whose parts carry the scripts of their own nodes. Earlier programs say that it is newer, and stop. */
const OWN_SCRIPTS_SCHEMA = 2;
/** Manifest and scripts are in it; anything longer is not ours. */
export const MAX_POINT_BYTES = 16 * 1024 * 1024;

/** `20261122T201755Z-staging-4f2a9c`: sorts by time, is a file name. */
export const POINT_ID = /^\d{8}T\d{6}Z-[A-Za-z0-9][A-Za-z0-9._-]{0,62}-[0-9a-f]{6}$/;

/** What a part may or may not keep, besides names, contents, modes, link targets and hard links. */
export const FEATURES = ['owners', 'directory-times', 'subsecond-times', 'acls', 'xattrs', 'sparse'] as const;
export type Feature = (typeof FEATURES)[number];

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const nodeName = z.string().regex(NAME);
const absolutePath = z.string().min(2).max(4096).startsWith('/');
const feature = z.enum(FEATURES);
const shortText = z.string().max(2000);

const archiveSchema = z.strictObject({
  kind: z.literal('archive'),
  /** Beside `point.json`. */
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$/),
  bytes: count,
  sha256: digest,
  compression: z.enum(['zstd', 'gzip']),
  /** Which tar wrote it. */
  tar: z.enum(['gnu', 'busybox']),
});

const snapshotSchema = z.strictObject({
  kind: z.literal('restic'),
  /** The id of a snapshot is the sha256 of its content, which names all data below it by sha256. */
  snapshot: digest,
  bytes: count,
});

/** A script lies below the directory of its package. */
const scriptPath = z
  .string()
  .max(4096)
  .refine((path) => path !== '' && !path.startsWith('/') && !path.split('/').includes('..'));

/** What a node itself had of the package: its scripts run on that node only. Contents lie in `files` of the point. */
const ownPackageSchema = z.strictObject({
  product: shortText,
  version: shortText,
  sha256: digest.nullable(),
  manifest: digest,
  /** Digests by path. */
  scripts: z.record(scriptPath, digest),
});

/** One node's part. */
export const partSchema = z.strictObject({
  node: nodeName,
  /** The version that was installed; null: none. */
  version: shortText.nullable(),
  paths: z.array(z.strictObject({ path: absolutePath, state: z.enum(['present', 'absent']), link: z.boolean() })),
  data: z.discriminatedUnion('kind', [archiveSchema, snapshotSchema]),
  /** Disk space that the paths took when they were saved; bytes. */
  treeBytes: count,
  /** Names, types, modes, owners, sizes, times and link targets in one canonical text: its digest and number of lines. */
  listing: z.strictObject({ format: z.enum(['gnu-1', 'busybox-1', 'stream-1', 'restic-1']), sha256: digest, count }),
  kept: z.array(feature),
  lost: z.array(feature),
  /** Such as files that changed while they were read. */
  warnings: z.array(shortText),
  /** Null: the node keeps nothing of a package. Absent: manifest and scripts of the point are for all nodes. */
  package: ownPackageSchema.nullable().optional(),
});

export const pointSchema = z.strictObject({
  schema: z.union([z.literal(POINT_SCHEMA), z.literal(OWN_SCRIPTS_SCHEMA)]),
  id: z.string().regex(POINT_ID),
  cluster: nodeName,
  created: z.iso.datetime(),
  reason: z.enum(['manual', 'upgrade', 'restore']),
  /** It was made before a restore: of which point. */
  before: z.string().regex(POINT_ID).optional(),
  run: shortText.nullable(),
  /** Null: the cluster is not upgraded from packages (paths of clusters.json). */
  package: z.strictObject({ product: shortText, version: shortText, sha256: digest.nullable() }).nullable(),
  /**
   * Text of the manifest, and the scripts that it names, so that a restore needs no package: of the package of an upgrade,
   * which is the same for all nodes. Null and none where the parts have their own.
   */
  manifest: z.string().nullable(),
  scripts: z.record(z.string().max(200), z.strictObject({ content: z.base64(), sha256: digest })),
  /** By digest: what the packages of the parts consist of. */
  files: z.record(digest, z.base64()).optional(),
  exclude: z.array(shortText),
  /** The application was stopped while the parts were taken. */
  quiet: z.boolean(),
  nodes: z.record(nodeName, partSchema),
});

export const statusSchema = z.object({
  schema: z.literal(POINT_SCHEMA),
  id: z.string().regex(POINT_ID),
  /** Digest of the `point.json` that it is about. */
  point: digest,
  nodes: z.record(
    nodeName,
    z.object({
      result: z.enum(['verified', 'broken']),
      at: z.iso.datetime(),
      by: shortText,
      /** Why it is broken. */
      reason: shortText.optional(),
    }),
  ),
});

export type Part = Readonly<z.infer<typeof partSchema>>;
export type OwnPackage = Readonly<z.infer<typeof ownPackageSchema>>;
export type ArchiveData = Readonly<z.infer<typeof archiveSchema>>;
export type SavedPath = Part['paths'][number];
export type Point = Readonly<z.infer<typeof pointSchema>>;
export type PointStatus = Readonly<z.infer<typeof statusSchema>>;
export type Verdict = PointStatus['nodes'][string];

/** Makes an id for a new point. Its end begins with the milliseconds, so that points of one second sort as well. */
export function newPointId(cluster: string, now: Date, random: string = randomBytes(2).toString('hex')): string {
  const time = now.toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
  const tail = now.getUTCMilliseconds().toString(16).padStart(3, '0') + random;
  return `${time}-${cluster}-${tail.slice(0, 6)}`;
}

/** Cluster and time of an id; undefined when it is none. */
export function readPointId(id: string): { readonly cluster: string; readonly created: string } | undefined {
  if (!POINT_ID.test(id)) return undefined;
  const created = id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/, '$1-$2-$3T$4:$5:$6.000Z');
  if (Number.isNaN(Date.parse(created))) return undefined;
  return { cluster: id.slice('20261122T201755Z-'.length, -'-4f2a9c'.length), created };
}

/**
 * When a point was made and how long ago, for people: `made 2026-11-22 20:17 UTC, 3h04m ago`. It goes by the clock of this
 * machine, so nothing is decided by it; a time to come says that the age is not known.
 */
export function madeWords(created: string, now: number): string {
  const age = now - Date.parse(created);
  const ago = age >= 0 ? `${formatDuration(age)} ago` : 'its age is not known';
  return `made ${created.slice(0, 16).replace('T', ' ')} UTC, ${ago}`;
}

/** The bytes of a `point.json` or `status.json`, and their digest. */
export function encode(value: Point | PointStatus): { readonly text: string; readonly sha256: string } {
  const text = canonicalJson(value);
  return { text, sha256: sha256Hex(text) };
}

/**
 * Reads `point.json`.
 * @param id the name of the directory that it lies in
 * @throws ClusterliftError `point-torn`, `point-newer`, `point-invalid`
 */
export function decodePoint(text: string, id: string): Point {
  const json = parse(text, id, 'point.json');
  const result = pointSchema.safeParse(json);
  if (!result.success) throw invalid(id, 'point.json', issueOf(result.error));
  const point = result.data;
  if (point.id !== id) throw invalid(id, 'point.json', `it calls itself ${line(point.id, 100)}`);
  for (const [name, part] of Object.entries(point.nodes)) {
    if (part.node !== name) throw invalid(id, 'point.json', `the part of ${name} calls itself ${part.node}`);
  }
  for (const [name, script] of Object.entries(point.scripts)) {
    const actual = sha256Hex(Buffer.from(script.content, 'base64'));
    if (actual !== script.sha256)
      throw invalid(id, 'point.json', `the script ${line(name, 100)} does not match its digest`);
  }
  demandFiles(point);
  return point;
}

/** All that the parts refer to is there, and is what its digest says. */
function demandFiles({ id, files = {}, nodes }: Point): void {
  for (const [name, content] of Object.entries(files)) {
    if (sha256Hex(Buffer.from(content, 'base64')) !== name)
      throw invalid(id, 'point.json', `the file ${name} does not match its digest`);
  }
  for (const part of Object.values(nodes)) {
    if (!part.package) continue;
    const missing = [part.package.manifest, ...Object.values(part.package.scripts)].find(
      (each) => !Object.hasOwn(files, each),
    );
    if (missing !== undefined) throw invalid(id, 'point.json', `a file of the part of ${part.node} is missing`);
  }
}

/** The scripts that a restore runs on a node: those of its own part, else those of the point. */
export function scriptsOn(point: Point, node: string): { readonly name: string; readonly sha256: string }[] {
  const own = Object.hasOwn(point.nodes, node) ? point.nodes[node]?.package : undefined;
  if (own !== undefined) return Object.entries(own?.scripts ?? {}).map(([name, sha256]) => ({ name, sha256 }));
  return Object.entries(point.scripts).map(([name, { sha256 }]) => ({ name, sha256 }));
}

/**
 * Reads `status.json`; one that does not belong to this `point.json` counts as none.
 * @param sha256 digest of the `point.json`
 * @throws ClusterliftError `point-torn`, `point-newer`, `point-invalid`
 */
export function decodeStatus(text: string, id: string, sha256: string): PointStatus | undefined {
  const json = parse(text, id, 'status.json');
  const result = statusSchema.safeParse(json);
  if (!result.success) throw invalid(id, 'status.json', issueOf(result.error));
  return result.data.id === id && result.data.point === sha256 ? result.data : undefined;
}

function parse(text: string, id: string, file: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ClusterliftError({
      code: 'point-torn',
      message: `${file} of restore point ${id} is torn or no JSON`,
      hint: 'The point cannot be used. Verify the others with `clusterlift backup verify <point>` and look at the disk of the location.',
      exit: ExitStatus.refused,
      cause: error,
    });
  }
  const schema = typeof json === 'object' && json !== null && 'schema' in json ? json.schema : undefined;
  if (typeof schema === 'number' && schema > (file === 'point.json' ? OWN_SCRIPTS_SCHEMA : POINT_SCHEMA)) {
    throw new ClusterliftError({
      code: 'point-newer',
      message: `${file} of restore point ${id} was written by a newer Clusterlift (schema ${schema})`,
      hint: 'Update Clusterlift here, then try again.',
      exit: ExitStatus.refused,
    });
  }
  return json;
}

function issueOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return line(`${(issue?.path ?? []).map(String).join('.')}: ${issue?.message ?? 'unknown'}`, 300);
}

function invalid(id: string, file: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'point-invalid',
    message: `${file} of restore point ${id} is not valid: ${why}`,
    hint: 'The point cannot be used. If nobody edited it, look who can write to the location.',
    exit: ExitStatus.refused,
  });
}
