import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { ClusterliftError } from '../../src/base/errors';
import type { RandomReader } from '../../src/base/reader';
import { openPackage } from '../../src/package/inspect';
import type { IsoEntry } from '../../src/package/iso/image';
import { manifestOf, parseManifest } from '../../src/package/manifest';
import { parseSums } from '../../src/package/sums';
import { planLines, unpackPlan, type UnpackPlan } from '../../src/package/unpack-plan';
import { verifyContent } from '../../src/package/verify';
import { hasTool } from '../lab/images';
import { writeIso } from '../lab/iso-writer';
import type { Random } from './random';

const run = promisify(execFile);

const MANIFEST = `{ // as in the documentation
  "schema": 1, "product": "acme-voice", "version": "24.2.0",
  "compatible": { "from": ">=23.1 <25 || 26.0", "arch": ["x86_64", "aarch64"], "os": ["debian"] },
  "needs": { "disk": "2GiB", "commands": ["tar"] }, "roles": ["database", "application"],
  "scripts": { "version": "bin/version", "upgrade": "bin/upgrade", "health": "bin/health" },
  "provision": "when-required", "idempotent": true, "quiet": false,
  "timeouts": { "upgrade": "30m", "reboot": "15m" }, "health": { "interval": "1s", "stable": "0s" },
  "backup": { "paths": ["/opt/acme", "/etc/acme"], "exclude": ["*.tmp"] }
}`;

/** Small images by every writer that is there, with all that a reader has to understand. */
export async function seedImages(): Promise<Buffer[]> {
  const folder = await mkdtemp(join(tmpdir(), 'clusterlift-fuzz-'));
  try {
    const tree = join(folder, 'tree');
    await makeTree(tree);
    const images = [builtinImage()];
    const make = async (tool: string, ...args: string[]): Promise<void> => {
      if (!(await hasTool(tool))) return;
      const path = join(folder, 'image.iso');
      await run(tool, [...args, '-quiet', '-o', path, tree]);
      images.push(withoutPadding(await readFile(path)));
    };
    await make('xorriso', '-as', 'mkisofs', '-R', '-J', '-no-pad');
    await make('genisoimage', '-R', '-no-pad');
    await rm(join(tree, 'd'), { recursive: true });
    await rm(join(tree, 'link'));
    await make('genisoimage', '-J', '-no-pad');
    await make('genisoimage', '-iso-level', '4', '-no-pad');
    return images;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function makeTree(tree: string): Promise<void> {
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  };
  await put('upgrade.json', MANIFEST);
  for (const name of ['version', 'upgrade', 'health']) await put(`bin/${name}`, '#!/bin/sh\n');
  await put('SHA256SUMS', `${createHash('sha256').update('#!/bin/sh\n').digest('hex')}  bin/version\n`);
  await put('d/d/d/d/d/d/d/d/d/deep', 'deep');
  await put('d/a rather long name that needs more room than one record has '.repeat(3), 'x');
  await symlink('d/d', join(tree, 'link'));
  await symlink(`../../${'far/'.repeat(20)}away`, join(tree, 'd/d/far'));
}

function builtinImage(): Buffer {
  const file = (path: string, data: string | number): { path: string; data: Buffer | number; mode: number } => ({
    path,
    data: typeof data === 'string' ? Buffer.from(data) : data,
    mode: 0o755,
  });
  const files = [
    file('upgrade.json', MANIFEST),
    ...['version', 'upgrade', 'health'].map((each) => file(`bin/${each}`, 'x')),
  ];
  return writeIso(files, { volumeId: 'FUZZ', time: new Date(0) }).bytes;
}

/** Zeros at the end are no target. */
function withoutPadding(image: Buffer): Buffer {
  const blocks = image.readUInt32LE(16 * 2048 + 80);
  return image.subarray(0, blocks * 2048);
}

const INTERESTING = [0, 1, 2, 3, 4, 5, 16, 18, 20, 24, 32, 34, 127, 128, 254, 255];
const NUMBERS = [
  0, 1, 2, 15, 16, 17, 19, 23, 24, 25, 100, 2047, 2048, 2049, 65535, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];
const WORDS = [
  'CE',
  'NM',
  'SL',
  'CL',
  'PL',
  'RE',
  'ZF',
  'ST',
  'SP',
  'PX',
  'TF',
  'SF',
  '..',
  '/',
  '\0',
  '../',
  'CD001',
  'BEA01',
  ';1',
  '%/E',
];

/** Changes an image in place; gives what puts it back. */
export function mutate(image: Buffer, random: Random): { readonly size: number; readonly undo: () => void } {
  const before: { at: number; bytes: Buffer }[] = [];
  const write = (at: number, bytes: Buffer): void => {
    const room = bytes.subarray(0, Math.max(0, image.length - at));
    before.push({ at, bytes: Buffer.from(image.subarray(at, at + room.length)) });
    room.copy(image, at);
  };
  for (let n = 1 + random.below(6); n > 0; n--) write(...mutation(image, random));
  const size = random.below(10) === 0 ? random.below(image.length) : image.length;
  return {
    size,
    undo: () => {
      for (const { at, bytes } of before.reverse()) bytes.copy(image, at);
    },
  };
}

function mutation(image: Buffer, random: Random): [number, Buffer] {
  const at = target(image, random);
  switch (random.below(6)) {
    case 0:
      return [at, Buffer.from([random.below(256)])];
    case 1:
      return [at, Buffer.from([random.pick(INTERESTING)])];
    case 2: {
      const number = Buffer.alloc(4);
      number.writeUInt32LE(random.pick(NUMBERS));
      return [at, number];
    }
    case 3:
      return [at, Buffer.from(random.pick(WORDS), 'latin1')];
    case 4: {
      const from = target(image, random);
      return [at, Buffer.from(image.subarray(from, from + 1 + random.below(300)))];
    }
    default:
      return [at, Buffer.alloc(1 + random.below(40), random.pick(INTERESTING))];
  }
}

/** Mostly the descriptors and the directories: what lies there decides. */
function target(image: Buffer, random: Random): number {
  if (random.below(8) === 0) return random.below(image.length);
  const { at, used } = random.pick(structureOf(image));
  return at + random.below(used);
}

interface Sector {
  readonly at: number;
  /** Bytes up to the last one that is not zero. */
  readonly used: number;
}

const structures = new WeakMap<Buffer, readonly Sector[]>();

/** The sectors that hold descriptors, directories or continuations; found before the image is first changed. */
function structureOf(image: Buffer): readonly Sector[] {
  const known = structures.get(image);
  if (known !== undefined) return known;
  const found: Sector[] = [];
  for (let at = 16 * 2048; at + 2048 <= image.length; at += 2048) {
    const sector = image.subarray(at, at + 2048);
    const directory = (sector[0] ?? 0) > 33 && sector[32] === 1 && sector[33] === 0;
    const used = sector.findLastIndex((byte) => byte !== 0) + 1;
    if (directory || sector.includes('CD001') || sector.includes('NM') || sector.includes('SL'))
      found.push({ at, used });
  }
  structures.set(image, found);
  return found;
}

/** Reads within the file only, and not without end. */
function boundedReader(image: Buffer, size: number): RandomReader {
  let [reads, bytes] = [0, 0];
  return {
    size,
    read: (offset, length) => {
      if (!(offset >= 0 && length >= 0 && offset + length <= size))
        throw new Error(`read outside: ${String(offset)}+${String(length)}`);
      bytes += length;
      if (++reads > 20_000 || bytes > 256 * 1024 * 1024) throw new Error('it reads and reads');
      return Promise.resolve(image.subarray(offset, offset + length));
    },
    close: () => Promise.resolve(),
  };
}

/**
 * Reads an image as an upgrade does. Every refusal must be one of ours; what is taken must be safe.
 * @returns the code of the refusal, or `ok`
 */
export async function readAsPackage(image: Buffer, size: number): Promise<string> {
  try {
    const { info, image: iso } = await openPackage(boundedReader(image, size), { name: 'fuzz.iso' });
    const plan = await unpackPlan(iso);
    checkPlan(plan, size);
    if (plan.bytes < 4 * image.length)
      await verifyContent(iso, { trustedSigners: [], revokedSigners: [], requireSignature: false });
    return info.version === '' ? 'no-version' : 'ok';
  } catch (error) {
    if (error instanceof ClusterliftError && error.exit === 3 && error.message !== '' && error.hint !== '')
      return error.code;
    throw error;
  }
}

/** Checked apart from the code that made it: nothing is written outside, nothing is read past the end. */
function checkPlan(plan: UnpackPlan, size: number): void {
  const entries = new Map<string, IsoEntry>();
  for (const each of [...plan.directories, ...plan.files, ...plan.links]) {
    assert.ok(!entries.has(each.path), 'one path once');
    assert.ok(
      each.path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
      each.path,
    );
    entries.set(each.path, each);
    const parent = each.path.split('/').slice(0, -1).join('/');
    assert.ok(parent === '' || entries.get(parent)?.kind === 'directory', 'parents first');
  }
  for (const { extents, size: bytes } of plan.files) {
    assert.equal(
      extents.reduce((sum, each) => sum + each.length, 0),
      bytes,
    );
    for (const { offset, length } of extents) assert.ok(offset >= 0 && length > 0 && offset + length <= size);
  }
  for (const { path } of plan.links) assert.ok(staysInside(entries, path), `${path} leads out`);
  for (const line of planLines(plan)) assert.match(line, /^[dfl]( [A-Za-z0-9._/+=@,:\\-]+){2,5}\n$/);
}

/** Walks a path as the kernel would; false when it ever stands above the root. */
function staysInside(entries: ReadonlyMap<string, IsoEntry>, start: string): boolean {
  let rest = start.split('/');
  const at: string[] = [];
  for (let steps = 0; steps < 10_000; steps++) {
    const part = rest.shift();
    if (part === undefined) return true;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.pop() === undefined) return false;
      continue;
    }
    at.push(part);
    const entry = entries.get(at.join('/'));
    if (entry?.kind === 'symlink') {
      if (entry.target?.startsWith('/') !== false) return false;
      at.pop();
      rest = [...entry.target.split('/'), ...rest];
    }
  }
  return true; // a circle leads nowhere
}

const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\n',
  '\u0000',
  '/*',
  '//',
  'null',
  'true',
  '-1',
  '1e999',
  '""',
  '"\\u0000"',
  '"../x"',
  '"__proto__": {}',
  '"scripts"',
  '9'.repeat(400),
  '[[[[',
  '\ud800',
  '\u202e',
];

/** A manifest that somebody fell asleep over. */
export function mutateManifest(random: Random): string {
  let text = MANIFEST;
  for (let n = 1 + random.below(5); n > 0; n--) {
    const [at, length] = [random.below(text.length + 1), random.below(12)];
    switch (random.below(4)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(TOKENS) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + random.pick(TOKENS) + text.slice(at + length);
        break;
      default: {
        const from = random.below(text.length + 1);
        text = text.slice(0, at) + text.slice(from, from + random.below(200)) + text.slice(at);
      }
    }
  }
  return text;
}

/** @returns `ok`, or the code of the refusal; a refusal names a place inside the text */
export function readAsManifest(text: string): string {
  try {
    const { manifest, value } = parseManifest(text);
    assert.ok(
      isDeepStrictEqual(manifestOf(JSON.parse(JSON.stringify(value))), manifest),
      'the same again from its value',
    );
    for (const path of Object.values(manifest.scripts))
      assert.ok(path === undefined || !/^\/|(^|\/)\.\.(\/|$)/.test(path));
    return 'ok';
  } catch (error) {
    if (!(error instanceof ClusterliftError)) throw error;
    assert.equal(error.code, 'manifest-invalid');
    const lines = text.split(/\r\n|\n|\r/);
    assert.ok(error.at !== undefined && error.at.line <= lines.length, 'a line of the text');
    assert.ok(error.at.column <= (lines[error.at.line - 1]?.length ?? 0) + 1, 'a column of the line');
    return error.code;
  }
}

/** Garbage for the reader of SHA256SUMS. */
export function readAsSums(random: Random): string {
  const good = `${'ab'.repeat(32)}  dir/file\n`;
  const at = random.below(good.length);
  try {
    parseSums(
      good.repeat(random.below(3)) + good.slice(0, at) + random.pick(TOKENS) + good.slice(at + random.below(4)),
    );
    return 'ok';
  } catch (error) {
    if (error instanceof ClusterliftError) return error.code;
    throw error;
  }
}
