import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { contentOf, type Content } from '../../../../src/engine/prepare/content';
import { openPackage } from '../../../../src/package/inspect';
import { verifyContent } from '../../../../src/package/verify';
import { writeIso, type IsoFile } from '../../../lab/iso-writer';
import { memoryReader } from '../../../lab/readers';

const MANIFEST = {
  schema: 1,
  product: 'acme',
  version: '1.0',
  scripts: { version: 'bin/version', upgrade: 'bin/upgrade' },
};
const TEXTS: Readonly<Record<string, string>> = {
  'upgrade.json': JSON.stringify(MANIFEST),
  'bin/version': '#!/bin/sh\necho 1.0\n',
  'bin/upgrade': '#!/usr/bin/python3\nprint("x")\n',
  'bin/helper': '#!/bin/sh\ntrue\n',
  'bin/config': 'key=value\n',
  'lib/tool': '\x7fELF and more',
};

async function contentWith(modes: Readonly<Record<string, number>>, signed: boolean): Promise<Content> {
  const sums = Object.entries(TEXTS).map(
    ([path, text]) => `${createHash('sha256').update(text).digest('hex')}  ${path}\n`,
  );
  const files: IsoFile[] = Object.entries({ ...TEXTS, SHA256SUMS: sums.join('') }).map(([path, text]) => ({
    path,
    data: Buffer.from(text),
    mode: modes[path] ?? 0o644,
  }));
  const { bytes } = writeIso(files, { volumeId: 'ACME', time: new Date(0) });
  const { image, info } = await openPackage(memoryReader(bytes));
  const known = await verifyContent(image, {
    trustedSigners: [],
    revokedSigners: [],
    requireSignature: false,
  });
  return contentOf(image, info, known, signed);
}

const modesOf = ({ unpack }: Content): Record<string, number> =>
  Object.fromEntries(unpack.files.map(({ path, mode }) => [path, mode]));

describe('what a package will be on the nodes', () => {
  it('of a signed package does not depend on who may execute or write what in the image', async () => {
    const mode = fc.integer({ min: 0, max: 0o777 }).map((each) => each | 0o444);
    const modes = fc.record(Object.fromEntries(Object.keys(TEXTS).map((path) => [path, mode])));
    await fc.assert(
      fc.asyncProperty(modes, async (each) => {
        assert.deepEqual(modesOf(await contentWith(each, true)), {
          'upgrade.json': 0o644,
          'bin/version': 0o755,
          'bin/upgrade': 0o755,
          'bin/helper': 0o755,
          'bin/config': 0o644,
          'lib/tool': 0o755,
          SHA256SUMS: 0o644,
        });
      }),
      { numRuns: 30 },
    );
  });

  it('keeps the modes of an unsigned package, but a script with an interpreter is started by it', async () => {
    const content = await contentWith({ 'bin/upgrade': 0o640, 'bin/helper': 0o600, 'bin/config': 0o775 }, false);
    const modes = modesOf(content);
    assert.equal(modes['bin/upgrade'], 0o740);
    assert.equal(modes['bin/helper'], 0o600);
    assert.equal(modes['bin/config'], 0o775);
    assert.equal(content.files.find(({ path }) => path === 'bin/upgrade')?.mode, 0o740);
  });

  it('names the digest of each file that was verified, and of each script that was read', async () => {
    const { unpack } = await contentWith({}, false);
    for (const { path, sha256 } of unpack.files) {
      const text = TEXTS[path];
      const expected = text === undefined ? undefined : createHash('sha256').update(text).digest('hex');
      assert.equal(sha256, expected, path);
    }
  });
});
