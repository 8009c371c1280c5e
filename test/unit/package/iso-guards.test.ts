import { strict as assert } from 'node:assert';
import { openIso, type IsoEntry } from '../../../src/package/iso/image';
import { checkTarget, childPath } from '../../../src/package/iso/path';
import { writeIso } from '../../lab/iso-writer';
import { memoryReader } from '../../lab/readers';

const made = writeIso(
  [
    { path: 'upgrade.json', data: Buffer.from('{}'), mode: 0o644 },
    { path: 'bin/AAAAA', data: Buffer.from('a'), mode: 0o755 },
    { path: 'bin/BBBBB', data: Buffer.from('b'), mode: 0o755 },
  ],
  { volumeId: 'GUARD', time: new Date('2024-01-02T03:04:05Z') },
).bytes;

const BLOCK = 2048;
/** Byte offset of the n-th record of a directory that begins at `start`. */
function recordAt(image: Buffer, start: number, n: number): number {
  let at = start;
  for (let i = 0; i < n; i++) at += image[at] ?? 0;
  return at;
}

const ROOT = made.readUInt32LE(16 * BLOCK + 158) * BLOCK;
const BIN = made.readUInt32LE(recordAt(made, ROOT, 3) + 2) * BLOCK;

async function walkAll(image: Uint8Array): Promise<IsoEntry[]> {
  const entries: IsoEntry[] = [];
  for await (const entry of (await openIso(memoryReader(image))).walk()) entries.push(entry);
  return entries;
}

function changed(edit: (image: Buffer) => void): Buffer {
  const image = Buffer.from(made);
  edit(image);
  return image;
}

const refuses = (image: Uint8Array, code: string): Promise<void> => assert.rejects(walkAll(image), { code, exit: 3 });

describe('an image that means harm, or has suffered some', () => {
  it('is fine before it is changed', async () => {
    const paths = (await walkAll(made)).map((each) => each.path);
    assert.deepEqual(paths.sort(), ['bin', 'bin/AAAAA', 'bin/BBBBB', 'upgrade.json']);
  });

  for (const name of ['../AA', '/AAAA', 'AA/AA', 'AA\0AA', 'AA\nAA', 'AA\u007fAA']) {
    it(`is refused for the name ${JSON.stringify(name)}`, async () => {
      await refuses(
        changed((image) => image.write(name, image.indexOf('AAAAA'), 'latin1')),
        'package-unsafe-path',
      );
    });
  }

  it('is refused for the names . and .. given as ordinary names', async () => {
    for (const name of ['.', '..']) {
      const image = changed((bytes) => {
        const at = bytes.indexOf('AAAAA') - 5;
        bytes[at + 2] = 5 + name.length;
        bytes.fill(0, at + 5, at + 10);
        bytes.write(name, at + 5);
      });
      await refuses(image, 'package-unsafe-path');
    }
  });

  it('is refused when two files have the same name', async () => {
    await refuses(
      changed((image) => image.write('BBBBB', image.indexOf('AAAAA'))),
      'package-damaged',
    );
  });

  it('is refused for a name that is not UTF-8', async () => {
    await refuses(
      changed((image) => (image[image.indexOf('AAAAA')] = 0xff)),
      'package-unsupported',
    );
  });

  it('is refused when a directory contains its parent as a child', async () => {
    const image = changed((bytes) => {
      const file = recordAt(bytes, BIN, 2);
      bytes[file + 25] = 2;
      bytes.writeUInt32LE(ROOT / BLOCK, file + 2);
      bytes.writeUInt32LE(BLOCK, file + 10);
    });
    await refuses(image, 'package-damaged');
  });

  it('is refused when a file or a directory lies past the end', async () => {
    await refuses(
      changed((image) => image.writeUInt32LE(0xfffffff0, recordAt(image, BIN, 2) + 2)),
      'package-damaged',
    );
    await refuses(
      changed((image) => image.writeUInt32LE(0xfffffff0, recordAt(image, ROOT, 3) + 2)),
      'package-damaged',
    );
    await refuses(
      changed((image) => image.writeUInt32LE(0xfffffff0, 16 * BLOCK + 158)),
      'package-damaged',
    );
  });

  it('is refused for interleaved files, files on another volume, and devices', async () => {
    const file = recordAt(made, BIN, 2);
    await refuses(
      changed((image) => (image[file + 26] = 1)),
      'package-unsupported',
    );
    await refuses(
      changed((image) => image.writeUInt16LE(2, file + 28)),
      'package-unsupported',
    );
    const px = made.indexOf('PX', file) + 4;
    await refuses(
      changed((image) => image.writeUInt32LE(0o020644, px)),
      'package-unsupported',
    );
  });

  it('is refused for blocks of another size than a sector', async () => {
    await refuses(
      changed((image) => image.writeUInt16LE(512, 16 * BLOCK + 128)),
      'package-unsupported',
    );
  });

  it('is refused for compressed files', async () => {
    await refuses(
      changed((image) => image.write('ZF', image.indexOf('TF', recordAt(image, BIN, 2)))),
      'package-unsupported',
    );
  });

  it('is refused when continuations go round in a circle', async () => {
    const image = changed((bytes) => {
      // The PX field (36 bytes) of a file becomes a CE field (28) that points to itself, and padding.
      const at = bytes.indexOf('PX', recordAt(bytes, BIN, 2));
      bytes.write('CE', at);
      bytes[at + 2] = 28;
      bytes.writeUInt32LE(BIN / BLOCK, at + 4);
      bytes.writeUInt32LE(at - BIN, at + 12);
      bytes.writeUInt32LE(28, at + 20);
      bytes.write('PD', at + 28);
      bytes[at + 30] = 8;
    });
    await refuses(image, 'package-damaged');
  });

  it('is refused when it is no image, or only UDF', async () => {
    await refuses(Buffer.alloc(100), 'package-not-iso');
    await refuses(Buffer.alloc(100_000), 'package-not-iso');
    await refuses(Buffer.from('#!/bin/sh\necho this is no image\n'.repeat(3000)), 'package-not-iso');
    await refuses(
      changed((image) => image.write('BEA01', 16 * BLOCK + 1)),
      'package-unsupported',
    );
  });

  it('is refused when the list of descriptors does not end', async () => {
    await refuses(
      changed((image) => (image[17 * BLOCK] = 2)),
      'package-not-iso',
    );
  });
});

describe('links of an image', () => {
  it('may lead anywhere inside', () => {
    for (const [path, target] of [
      ['a', 'b'],
      ['a/b', '../c'],
      ['a/b/c', '../../d/e'],
      ['a/b', './c/./d'],
      ['a/b', '..'],
      ['node_modules/.bin/tool', '../tool/bin/tool.js'],
    ] as const) {
      checkTarget(path, target);
    }
  });

  it('may not lead out, not even by a way through other links', () => {
    for (const [path, target] of [
      ['a', '/etc/passwd'],
      ['a', '..'],
      ['a', '../b'],
      ['a/b', '../../c'],
      ['a/b', 'c/../../../d'],
      ['a/b/c', 'link/../../..'],
      ['a', ''],
      ['a', 'b\nc'],
      ['a/b', '.././../x'],
    ] as const) {
      assert.throws(
        () => {
          checkTarget(path, target);
        },
        { code: 'package-unsafe-path' },
        `${path} -> ${target}`,
      );
    }
  });

  it('and names have a length and depth that file systems take', () => {
    assert.equal(childPath('', 'x'), 'x');
    assert.throws(() => childPath('', 'x'.repeat(256)), { code: 'package-unsafe-path' });
    assert.throws(() => childPath('a/'.repeat(200) + 'a', 'x'), { code: 'package-unsafe-path' });
  });
});
