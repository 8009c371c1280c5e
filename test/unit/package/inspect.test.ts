import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { contentOf, inspectPackage, openPackage } from '../../../src/package/inspect';
import { manifestOf } from '../../../src/package/manifest';
import { makePackage, type PackageSpec } from '../../lab/images';
import { memoryReader, type CountingReader } from '../../lab/readers';

const SCRIPTS = { version: 'cat /etc/acme-version', upgrade: 'true' };

async function readerOf(spec: Partial<PackageSpec> = {}): Promise<CountingReader> {
  const made = await makePackage({ version: '24.2.0', scripts: SCRIPTS, flavour: 'builtin', ...spec });
  return memoryReader(await readFile(made.path));
}

describe('inspecting a package', () => {
  it('tells product, version and what guards it, after a few small reads', async () => {
    const reader = await readerOf({ sums: true, padBytes: 5_000_000 });
    const info = await inspectPackage(reader, { name: 'acme.iso' });
    assert.deepEqual(
      [info.product, info.version, info.hasSums, info.hasSignature],
      ['acme-voice', '24.2.0', true, false],
    );
    assert.equal(info.imageSize, reader.size);
    assert.deepEqual(manifestOf(info.manifestValue), info.manifest);
    assert.ok(
      reader.reads <= 13 && reader.bytes < 30_000,
      `${String(reader.reads)} reads, ${String(reader.bytes)} bytes`,
    );
  });

  it('counts files and bytes when asked', async () => {
    const { image } = await openPackage(await readerOf({ files: { 'a/b': '12345' } }));
    const { files, bytes } = await contentOf(image);
    assert.equal(files, 4);
    assert.ok(bytes > 100);
  });

  it('refuses an image without a manifest, and says what else would do', async () => {
    await assert.rejects(
      readerOf({ manifestText: null }).then((reader) => inspectPackage(reader, { name: 'x.iso' })),
      {
        code: 'no-manifest',
        exit: 3,
        message: /^x\.iso has no upgrade\.json/,
        hint: /recipe/,
      },
    );
  });

  it('names file, line and column of an invalid manifest', async () => {
    const reader = await readerOf({ manifestText: '{\n  "schema": 7\n}' });
    await assert.rejects(inspectPackage(reader, { name: 'x.iso' }), {
      code: 'manifest-invalid',
      at: { file: 'x.iso/upgrade.json', line: 2, column: 13 },
    });
  });

  it('refuses a manifest that names a script which is not there', async () => {
    const reader = await readerOf({ manifest: { scripts: { version: 'bin/version', upgrade: 'bin/gone' } } });
    await assert.rejects(inspectPackage(reader), { code: 'manifest-script-missing', message: /bin\/gone/ });
  });

  it('takes an image without a manifest where the cluster has a recipe', async () => {
    const recipe = { run: 'sh ./install.sh --silent', version: 'cat /etc/acme-release' };
    const info = await inspectPackage(await readerOf({ manifestText: null }), {
      name: '/media/acme-voice-24.2.0-PB1.iso',
      recipe,
    });
    assert.deepEqual([info.product, info.version], ['acme-voice', '24.2.0-PB1']);
    assert.deepEqual(
      info.extraFiles.map((each) => [each.path, each.content]),
      [
        [info.manifest.scripts.version, '#!/bin/sh\ncat /etc/acme-release\n'],
        [info.manifest.scripts.upgrade, '#!/bin/sh\nsh ./install.sh --silent\n'],
      ],
    );
    assert.deepEqual(manifestOf(info.manifestValue), info.manifest, 'a plan can keep it, commands included');
    assert.deepEqual(info.manifest.recipe, recipe);
    const byVolume = await inspectPackage(await readerOf({ manifestText: null, version: '9.1' }), {
      name: 'image.iso',
      recipe,
    });
    assert.deepEqual([byVolume.product, byVolume.version], ['acme-voice', '9.1']);
    const nameless = await readerOf({ manifestText: null, product: 'x', version: 'y' });
    await assert.rejects(inspectPackage(nameless, { name: 'image.iso', recipe }), { code: 'no-package-version' });
    const own = await inspectPackage(await readerOf(), { name: 'other-1.0.iso', recipe });
    assert.deepEqual([own.version, own.extraFiles.length], ['24.2.0', 0], 'a manifest beats the recipe');
  });
});
