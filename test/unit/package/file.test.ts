import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openIso } from '../../../src/package/iso/image';
import { openFileReader, sha256OfFile } from '../../../src/package/sources/file';
import { makePackage } from '../../lab/images';

describe('a package in a file of this machine', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clusterlift-file-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('is read at any offset, and not past its end', async () => {
    const path = join(folder, 'x');
    await writeFile(path, 'hello world');
    const reader = await openFileReader(path);
    try {
      assert.equal(reader.size, 11);
      assert.equal(Buffer.from(await reader.read(6, 5)).toString(), 'world');
      assert.equal(Buffer.from(await reader.read(6, 50)).toString(), 'world');
      assert.equal((await reader.read(11, 5)).length, 0);
      await truncate(path, 8);
      assert.equal(Buffer.from(await reader.read(6, 5)).toString(), 'wo');
    } finally {
      await reader.close();
    }
  });

  it('is hashed with progress, and stops when it is told to', async () => {
    const path = join(folder, 'x');
    const bytes = Buffer.alloc(2_500_000, 'abc');
    await writeFile(path, bytes);
    const seen: number[] = [];
    const digest = await sha256OfFile(path, { onProgress: (done) => seen.push(done) });
    assert.equal(digest, createHash('sha256').update(bytes).digest('hex'));
    assert.equal(seen.at(-1), bytes.length);
    await assert.rejects(sha256OfFile(path, { signal: AbortSignal.abort(new Error('enough')) }), /enough/);
  });

  it('that is not there, or is no file, says so', async () => {
    await assert.rejects(openFileReader(join(folder, 'gone.iso')), { code: 'package-not-found', exit: 3 });
    await assert.rejects(openFileReader(folder), { code: 'package-unreadable', exit: 3 });
  });
});

describe('packages made for tests', () => {
  it('are the same file for the same content, also when two ask at once', async () => {
    const spec = {
      version: '1.0',
      scripts: { version: 'true', upgrade: 'true' },
      files: { unique: String(process.pid) },
    };
    const [one, two] = await Promise.all([makePackage(spec), makePackage(spec)]);
    assert.deepEqual(one, two);
    assert.equal(one.sha256, await sha256OfFile(one.path));
    const other = await makePackage({ ...spec, version: '1.1' });
    assert.notEqual(other.path, one.path);
    for (const { path } of [one, other]) await rm(path);
  });

  it('have the same files whoever writes them', async () => {
    const spec = { version: '1.0', scripts: { version: 'true', upgrade: 'true' }, files: { 'a b/ü': 'x' }, sums: true };
    const listing = async (flavour: 'rockridge' | 'genisoimage' | 'builtin'): Promise<string[]> => {
      const reader = await openFileReader((await makePackage({ ...spec, flavour })).path);
      const found: string[] = [];
      for await (const { path, kind, mode, size, mtime } of (await openIso(reader)).walk()) {
        found.push(
          `${kind} ${mode.toString(8)} ${String(size)} ${kind === 'file' ? (mtime?.toISOString() ?? '') : ''} ${path}`,
        );
      }
      await reader.close();
      return found.sort();
    };
    const builtin = await listing('builtin');
    assert.deepEqual(await listing('rockridge'), builtin);
    assert.deepEqual(await listing('genisoimage'), builtin);
    assert.ok(builtin.includes('file 755 15 2024-01-02T03:04:05.000Z bin/upgrade'));
  });
});
