import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import {
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { openIso, type IsoEntry } from '../../../src/package/iso/image';
import { hasTool } from '../../lab/images';
import { writeIso } from '../../lab/iso-writer';
import { memoryReader } from '../../lab/readers';

const run = promisify(execFile);
const TIME = new Date('2024-01-02T03:04:05Z');

async function entriesOf(image: Uint8Array): Promise<IsoEntry[]> {
  const entries: IsoEntry[] = [];
  for await (const entry of (await openIso(memoryReader(image))).walk()) entries.push(entry);
  return entries;
}

function described({ path, kind, size, mode, target }: IsoEntry, modes: boolean): string {
  const letter = kind === 'file' ? '-' : kind === 'directory' ? 'd' : 'l';
  const bits = modes && kind !== 'symlink' ? mode.toString(8) : '';
  return `${letter} ${bits} ${kind === 'file' ? String(size) : ''} ${path}${target === undefined ? '' : ` -> ${target}`}`;
}

/** The tree that the image was made of, in the words of `described`. */
async function truth(tree: string, modes: boolean): Promise<string[]> {
  const all = await readdir(tree, { recursive: true });
  return Promise.all(
    all.map(async (path) => {
      const stat = await lstat(join(tree, path));
      const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'symlink';
      const target = stat.isSymbolicLink() ? { target: await readlink(join(tree, path)) } : {};
      return described(
        { path, kind, size: stat.size, mode: stat.mode & 0o777, mtime: undefined, extents: [], ...target },
        modes,
      );
    }),
  );
}

/** Paths and sizes as bsdtar lists them. */
async function listed(image: string): Promise<string[]> {
  const { stdout } = await run('bsdtar', ['-tvf', image], { env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  const lines = stdout
    .split('\n')
    .map((line) => /^(.)\S*\s+\d+\s+\S+\s+\S+\s+(\d+)\s+\w+\s+\d+\s+\S+ (.*)$/.exec(line));
  return lines.flatMap((match) => {
    const [, type = '', size = '', path = ''] = match ?? [];
    return match === null || path === '.' ? [] : [`${type === 'd' ? 'd' : `${type} ${size}`} ${path}`];
  });
}

function asListed({ kind, size, path }: IsoEntry): string {
  return kind === 'directory' ? `d ${path}` : `- ${String(size)} ${path}`;
}

describe('the ISO reader', () => {
  let folder: string;
  let tree: string;

  before(async function () {
    if (!(await hasTool('xorriso')) || !(await hasTool('genisoimage')) || !(await hasTool('bsdtar'))) this.skip();
    folder = await mkdtemp(join(tmpdir(), 'clusterlift-iso-'));
    tree = join(folder, 'tree');
    const put = async (path: string, data: string | Buffer): Promise<void> => {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), data);
    };
    await put('upgrade.json', '{}');
    await put('empty', '');
    await put('bin/upgrade', '#!/bin/sh\n');
    await put('Ünïcode ☃/naïve name.txt', 'x'.repeat(5000));
    await put(`${'long-name-'.repeat(20)}.txt`, 'long');
    await put('a/b/c/d/e/f/g/h/i/j/k/deep.txt', 'deep');
    for (let i = 0; i < 200; i++) await put(`many/file number ${String(i)}`, String(i));
    await link(join(tree, 'bin/upgrade'), join(tree, 'bin/hard'));
    await symlink('../bin/upgrade', join(tree, 'many/link'));
    await symlink(`../../${'far/away/'.repeat(8)}end`, join(tree, 'a/b/long-link'));
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const make = async (...command: string[]): Promise<string> => {
    const image = join(folder, 'image.iso');
    const [tool = '', ...args] = command;
    await run(tool, [...args, '-V', 'LIFT', '-quiet', '-o', image, tree]);
    return image;
  };

  const makers: { name: string; command: string[] }[] = [
    { name: 'xorriso with Rock Ridge', command: ['xorriso', '-as', 'mkisofs', '-R'] },
    { name: 'xorriso with Rock Ridge and Joliet', command: ['xorriso', '-as', 'mkisofs', '-R', '-J'] },
    { name: 'genisoimage with moved directories', command: ['genisoimage', '-R', '-hide-rr-moved'] },
  ];
  for (const { name, command } of makers) {
    it(`lists an image by ${name} as the tree that it was made of`, async () => {
      const image = await readFile(await make(...command));
      const found = (await entriesOf(image)).filter((each) => !each.path.includes('.rr_moved'));
      assert.deepEqual(found.map((each) => described(each, true)).sort(), (await truth(tree, true)).sort());
      const iso = await openIso(memoryReader(image));
      assert.deepEqual([iso.naming, iso.volumeId], ['rock-ridge', 'LIFT']);
      assert.equal((await iso.find('a/b/c/d/e/f/g/h/i/j/k/deep.txt'))?.size, 4);
    });
  }

  it('puts a link together whose parts are spread over several fields', async () => {
    const target = `../${'far-away-'.repeat(25)}/${'x'.repeat(200)}/./end`;
    await symlink(target, join(tree, 'bin/long'));
    const image = await readFile(await make('xorriso', '-as', 'mkisofs', '-R'));
    await rm(join(tree, 'bin/long'));
    assert.equal((await (await openIso(memoryReader(image))).find('bin/long'))?.target, target);
  });

  it('reads Joliet names where there is no Rock Ridge, and agrees with bsdtar', async () => {
    await rm(join(tree, 'a'), { recursive: true });
    await rm(join(tree, 'many/link'));
    await rm(join(tree, 'bin/hard'));
    await rm(join(tree, `${'long-name-'.repeat(20)}.txt`));
    const path = await make('genisoimage', '-J', '-joliet-long', '-input-charset', 'utf-8');
    const image = await readFile(path);
    assert.equal((await openIso(memoryReader(image))).naming, 'joliet');
    const found = await entriesOf(image);
    assert.deepEqual(found.map((each) => described(each, false)).sort(), (await truth(tree, false)).sort());
    assert.deepEqual(found.map(asListed).sort(), (await listed(path)).sort());
  });

  it('reads plain names as they are, without their version numbers', async () => {
    const image = await make('genisoimage', '-iso-level', '1', '-input-charset', 'utf-8');
    const iso = await openIso(memoryReader(await readFile(image)));
    assert.equal(iso.naming, 'plain');
    assert.ok(await iso.find('BIN/UPGRADE'));
    assert.ok(await iso.find('UPGRADE.JSO'));
    assert.equal(await iso.find('upgrade.json'), undefined);
  });

  it('gives the bytes of each file', async () => {
    const iso = await openIso(memoryReader(await readFile(await make('xorriso', '-as', 'mkisofs', '-R'))));
    for await (const entry of iso.walk()) {
      if (entry.kind !== 'file') continue;
      assert.deepEqual(Buffer.from(await iso.readFile(entry, 1e6)), await readFile(join(tree, entry.path)), entry.path);
    }
  });

  it('says when the image is cut off, before anything else', async () => {
    const whole = await readFile(await make('xorriso', '-as', 'mkisofs', '-R'));
    for (const size of [whole.length - 1, Math.floor(whole.length / 2), 40_000]) {
      await assert.rejects(openIso(memoryReader(whole.subarray(0, size))), { code: 'package-truncated', exit: 3 });
    }
  });
});

describe('the ISO reader over a 5 GB image', () => {
  const GIGABYTE = 1024 ** 3;
  const iso = writeIso(
    [
      { path: 'upgrade.json', data: Buffer.from('{"schema":1}'), mode: 0o644 },
      { path: 'bin/version', data: Buffer.from('echo'), mode: 0o755 },
      { path: 'payload/big.bin', data: 5 * GIGABYTE + 123, mode: 0o644 },
    ],
    { volumeId: 'BIG', time: TIME },
  );

  it('reads the manifest with a handful of small reads', async () => {
    const reader = memoryReader(iso.bytes, iso.size);
    const image = await openIso(reader);
    const manifest = await image.find('upgrade.json');
    assert.ok(manifest);
    assert.equal(Buffer.from(await image.readFile(manifest, 1000)).toString(), '{"schema":1}');
    assert.ok(await image.find('bin/version'));
    assert.ok(reader.reads <= 13, `${String(reader.reads)} reads`);
    assert.ok(reader.bytes <= 20_000, `${String(reader.bytes)} bytes`);
  });

  it('joins the extents of a file of more than 4 GiB', async () => {
    const entry = await (await openIso(memoryReader(iso.bytes, iso.size))).find('payload/big.bin');
    assert.equal(entry?.size, 5 * GIGABYTE + 123);
    assert.equal(entry.extents.length, 2);
    const [first, second] = entry.extents;
    assert.equal(first && first.offset + first.length, second?.offset);
  });

  it('sees what bsdtar sees', async function () {
    if (!(await hasTool('bsdtar'))) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'clusterlift-iso-'));
    try {
      const path = join(folder, 'big.iso');
      await writeFile(path, iso.bytes);
      await truncate(path, iso.size); // a hole: no disk is used
      const image = await openIso(memoryReader(iso.bytes, iso.size));
      const found: string[] = [];
      for await (const entry of image.walk()) found.push(asListed(entry));
      assert.deepEqual(found.sort(), (await listed(path)).sort());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('refuses to load a file that is larger than expected, before it reads it', async () => {
    const reader = memoryReader(iso.bytes, iso.size);
    const image = await openIso(reader);
    const entry = await image.find('payload/big.bin');
    assert.ok(entry);
    await assert.rejects(image.readFile(entry, 1e6), { code: 'package-file-too-large' });
    assert.ok(reader.bytes < 20_000);
  });
});
