import { execFile } from 'node:child_process';
import { createCipheriv, createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  access,
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { writeIso, type IsoFile } from './iso-writer';

const run = promisify(execFile);

/**
 * How the image is made: `rockridge` (default) and `genisoimage` have Rock Ridge names, `joliet` only Joliet ones,
 * `plain` neither, `builtin` is our own writer (also used for `rockridge` where xorriso is missing).
 */
export type Flavour = 'rockridge' | 'joliet' | 'plain' | 'genisoimage' | 'builtin';

export interface PackageSpec {
  /** Default `acme-voice`. */
  readonly product?: string;
  readonly version: string;
  /** Text of sh scripts by action (`version`, `upgrade`, `check`, …); they land in `bin/<action>` and in the manifest. */
  readonly scripts: Record<string, string>;
  /** Laid over the manifest that the helper writes; a key with the value `undefined` is left out. */
  readonly manifest?: Record<string, unknown>;
  /** The exact text of upgrade.json instead; `null`: no manifest at all. */
  readonly manifestText?: string | null;
  /** Further files by path. */
  readonly files?: Record<string, string | Buffer>;
  /** Bytes of a further file `payload.bin` that does not compress. */
  readonly padBytes?: number;
  /** Adds SHA256SUMS. */
  readonly sums?: boolean;
  /** A private key file; adds SHA256SUMS and SHA256SUMS.sig. */
  readonly signKey?: string;
  readonly flavour?: Flavour;
  /** Milliseconds since 1970: the image's time (it breaks ties between packages). */
  readonly mtime?: number;
}

export interface MadePackage {
  readonly path: string;
  /** Hex, of the whole image. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Counts up when this file makes other images from the same spec. */
const GENERATION = 1;
const FILE_TIME = new Date('2024-01-02T03:04:05Z');
const CACHE = join(tmpdir(), `clusterlift-test-images-${String(process.getuid?.() ?? 0)}`);

/**
 * Makes an upgrade package, once per content: later calls (also of other processes) get the same file.
 * Copy it before you change it.
 */
export async function makePackage(spec: PackageSpec): Promise<MadePackage> {
  const flavour = await chosenFlavour(spec.flavour ?? 'rockridge');
  const signKey = spec.signKey === undefined ? '' : await readFile(spec.signKey, 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify({ ...spec, flavour, signKey, GENERATION }))
    .digest('hex');
  const path = join(CACHE, `${key.slice(0, 32)}.iso`);
  await mkdir(CACHE, { recursive: true, mode: 0o700 });
  if (!(await exists(path))) await make(spec, flavour, path);
  if (spec.mtime !== undefined) await utimes(path, new Date(spec.mtime), new Date(spec.mtime));
  return { path, sha256: await sha256Of(path), size: (await stat(path)).size };
}

/** Is a program on the PATH? */
export async function hasTool(name: string): Promise<boolean> {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((each) => join(each, name));
  for (const place of places) if (await exists(place)) return true;
  return false;
}

async function chosenFlavour(wanted: Flavour): Promise<Flavour> {
  return wanted === 'rockridge' && !(await hasTool('xorriso')) ? 'builtin' : wanted;
}

async function make(spec: PackageSpec, flavour: Flavour, path: string): Promise<void> {
  const folder = await mkdtemp(join(CACHE, 'making-'));
  try {
    const tree = join(folder, 'tree');
    await writeTree(spec, tree);
    const image = join(folder, `${randomUUID()}.iso`);
    await writeImage(flavour, `${spec.product ?? 'acme-voice'} ${spec.version}`, tree, image);
    await link(image, path).catch(keepTheFirst);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Another process was faster: its image is the one that everybody uses. */
function keepTheFirst(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}

async function writeTree(spec: PackageSpec, tree: string): Promise<void> {
  await mkdir(tree, { recursive: true });
  const manifest = spec.manifestText === undefined ? manifestOf(spec) : spec.manifestText;
  if (manifest !== null) await writeIn(tree, 'upgrade.json', manifest);
  for (const [action, text] of Object.entries(spec.scripts)) {
    await writeIn(tree, `bin/${action}`, text.startsWith('#!') ? text : `#!/bin/sh\n${text}\n`, 0o755);
  }
  for (const [name, data] of Object.entries(spec.files ?? {})) await writeIn(tree, name, data);
  if (spec.padBytes !== undefined) await pad(join(tree, 'payload.bin'), spec.padBytes);
  if (spec.sums === true || spec.signKey !== undefined) await writeSums(tree, spec.signKey);
  for (const each of await filesOf(tree)) await utimes(join(tree, each), FILE_TIME, FILE_TIME);
}

function manifestOf(spec: PackageSpec): string {
  const scripts = Object.fromEntries(Object.keys(spec.scripts).map((action) => [action, `bin/${action}`]));
  const product = spec.product ?? 'acme-voice';
  return JSON.stringify({ schema: 1, product, version: spec.version, scripts, ...spec.manifest }, undefined, 2);
}

async function writeIn(tree: string, name: string, data: string | Buffer, mode = 0o644): Promise<void> {
  const path = join(tree, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, data);
  await chmod(path, mode);
}

/** The same bytes each time, and none that a compressing link could shorten. */
async function pad(path: string, bytes: number): Promise<void> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 20);
  const file = await open(path, 'w', 0o644);
  try {
    for (let left = bytes; left > 0; left -= zeros.length) {
      await file.write(cipher.update(zeros.subarray(0, Math.min(left, zeros.length))));
    }
  } finally {
    await file.close();
  }
}

async function writeSums(tree: string, signKey: string | undefined): Promise<void> {
  const lines: string[] = [];
  for (const each of await filesOf(tree)) lines.push(`${await sha256Of(join(tree, each))}  ${each}\n`);
  const sums = join(tree, 'SHA256SUMS');
  await writeIn(tree, 'SHA256SUMS', lines.join(''));
  if (signKey !== undefined) await run('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'clusterlift', '-f', signKey, sums]);
}

/** Relative paths of all files, sorted. */
async function filesOf(tree: string): Promise<string[]> {
  const entries = await readdir(tree, { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  return files.map((each) => each.slice(tree.length + 1)).sort();
}

async function writeImage(flavour: Flavour, volumeId: string, tree: string, image: string): Promise<void> {
  const label = [
    '-V',
    volumeId
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, '_')
      .slice(0, 16),
    '-quiet',
    '-o',
    image,
  ];
  switch (flavour) {
    case 'rockridge':
      await run('xorriso', ['-as', 'mkisofs', '-R', ...label, tree]);
      return;
    case 'genisoimage':
      await run('genisoimage', ['-R', ...label, tree]);
      return;
    case 'joliet':
      await run('genisoimage', ['-J', '-joliet-long', ...label, tree]);
      return;
    case 'plain':
      await run('genisoimage', ['-iso-level', '4', ...label, tree]);
      return;
    case 'builtin':
      await writeFile(image, writeIso(await isoFiles(tree), { volumeId: label[1] ?? '', time: FILE_TIME }).bytes);
  }
}

async function isoFiles(tree: string): Promise<IsoFile[]> {
  const files: IsoFile[] = [];
  for (const path of await filesOf(tree)) {
    const { mode } = await stat(join(tree, path));
    files.push({ path, data: await readFile(join(tree, path)), mode: mode & 0o777 });
  }
  return files;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
