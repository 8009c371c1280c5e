import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { parseAddress } from '../../../src/package/sources/address';
import { PackageCache } from '../../../src/package/sources/cache';
import type { DownloadOptions } from '../../../src/package/sources/download';
import { fetchPackage, type FetchedPackage, type FetchOptions } from '../../../src/package/sources/fetch';
import { Meter, type Progress } from '../../../src/package/sources/meter';
import { HttpLab } from '../../lab/http';
import { makePackage } from '../../lab/images';

const run = promisify(execFile);
const CONTENT = Buffer.from(Array.from({ length: 500_000 }, (_, i) => (i * 31 + (i >> 9)) & 0xff));
const OTHER = Buffer.from(CONTENT).fill(1, 400_000);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const FAST: DownloadOptions = {
  proxy: { http: undefined, https: undefined, direct: undefined },
  firstWait: 1,
  giveUp: 5000,
};

describe('a download', () => {
  let lab: HttpLab;
  let folder: string;
  let cache: PackageCache;

  before(async () => {
    lab = await HttpLab.start();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clusterlift-download-'));
    cache = new PackageCache(folder);
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  after(async () => {
    await lab.stop();
  });

  const get = (url: string, options: FetchOptions = {}): Promise<FetchedPackage> =>
    fetchPackage(parseAddress(url), cache, { ...FAST, ...options });
  const sent = (path: string): number => lab.asked(path).reduce((sum, each) => sum + each.sent, 0);
  const left = async (): Promise<string[]> => (await readdir(join(folder, 'downloads'))).sort();

  it('is complete, hashed on the way, and leaves nothing else behind', async () => {
    const got = await get(lab.serve('/plain.iso', { body: CONTENT }));
    assert.deepEqual([got.sha256, got.size, got.fromCache], [sha256(CONTENT), CONTENT.length, false]);
    assert.ok(CONTENT.equals(await readFile(got.path)));
    assert.deepEqual(await left(), []);
  });

  it('over plain http is unvouched, unless its digest was given', async () => {
    const url = lab.serve('/vouched.iso', { body: CONTENT });
    assert.equal((await get(url)).unvouched, true);
    assert.equal((await get(url)).unvouched, true, 'from the cache, too');
    assert.equal((await get(url, { expectedSha256: sha256(CONTENT).toUpperCase() })).unvouched, false);
  });

  it('that is cut three times asks only for what is missing', async () => {
    const retries: string[] = [];
    const url = lab.serve('/cut.iso', { body: CONTENT, cut: { after: 120_000, times: 3 } });
    const got = await get(url, { onRetry: (why) => retries.push(why.code) });
    assert.equal(got.sha256, sha256(CONTENT));
    assert.equal(sent('/cut.iso'), CONTENT.length, 'not one byte twice');
    assert.deepEqual(
      lab.asked('/cut.iso').map((each) => each.headers['range']),
      [undefined, 'bytes=120000-', 'bytes=240000-', 'bytes=360000-'],
    );
    assert.deepEqual(retries, ['url-unavailable', 'url-unavailable', 'url-unavailable']);
  });

  it('goes on after a cut at any byte', async () => {
    let n = 0;
    const small = CONTENT.subarray(0, 3000);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 3 }), async (after, times) => {
        const path = `/any-${String(n++)}.iso`;
        const got = await get(lab.serve(path, { body: small, cut: { after, times } }));
        assert.equal(got.sha256, sha256(small));
        await rm(got.path);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  it('that was stopped is taken up by a later session', async () => {
    const url = lab.serve('/later.iso', { body: CONTENT, rate: 100_000 });
    const stop = new AbortController();
    const onProgress = ({ done }: Progress): void => {
      if (done > 0)
        setTimeout(() => {
          stop.abort(new Error('enough'));
        }, 50);
    };
    await assert.rejects(get(url, { signal: stop.signal, onProgress }), /enough|abort/i);
    assert.equal((await left()).filter((each) => each.endsWith('.part')).length, 1);
    lab.serve('/later.iso', { body: CONTENT });
    const got = await get(url);
    assert.equal(got.sha256, sha256(CONTENT));
    assert.ok(got.resumedAt > 0);
    assert.equal(lab.asked('/later.iso').at(-1)?.headers['range'], `bytes=${String(got.resumedAt)}-`);
  });

  it('starts anew when an earlier session left the beginning of something else', async () => {
    const url = lab.serve('/newer.iso', { body: CONTENT, cut: { after: 300_000, times: 1000 } });
    await assert.rejects(get(url, { giveUp: 0 }), { code: 'url-unavailable', exit: 3 });
    lab.serve('/newer.iso', { body: OTHER });
    assert.equal((await get(url)).sha256, sha256(OTHER));
  });

  it('whose content changes between two connections is refused, and not mixed', async () => {
    for (const etag of ['strong', 'weak', 'none'] as const) {
      const path = `/changes-${etag}.iso`;
      const longer = Buffer.concat([OTHER, Buffer.from('x')]);
      const url = lab.serve(path, { body: [CONTENT, longer], etag, cut: { after: 300_000, times: 1 } });
      await assert.rejects(get(url), { code: 'download-changed', exit: 3 }, etag);
      assert.deepEqual(await left(), []);
      assert.equal((await get(url)).sha256, sha256(longer));
    }
  });

  it('whose content is not the inspected one is refused', async () => {
    const url = lab.serve('/inspected.iso', { body: CONTENT });
    const expected = { etag: '"another"', lastModified: undefined, dateIsStrong: false, length: undefined };
    await assert.rejects(get(url, { expected }), { code: 'download-changed' });
  });

  it('uses an old date where there is no etag, and nothing where there is neither', async () => {
    const cut = { after: 300_000, times: 1 };
    const old = lab.serve('/old.iso', {
      body: CONTENT,
      etag: 'none',
      lastModified: 'Mon, 01 Jan 2024 00:00:00 GMT',
      cut,
    });
    assert.equal((await get(old)).sha256, sha256(CONTENT));
    assert.equal(lab.asked('/old.iso')[1]?.headers['range'], 'bytes=300000-');
    assert.equal(lab.asked('/old.iso')[1]?.headers['if-range'], undefined);
    const fresh = lab.serve('/fresh.iso', { body: CONTENT, etag: 'none', lastModified: new Date().toUTCString(), cut });
    assert.equal((await get(fresh)).sha256, sha256(CONTENT));
    assert.equal(lab.asked('/fresh.iso')[1]?.headers['range'], undefined);
    const weak = lab.serve('/weak.iso', { body: CONTENT, etag: 'weak', cut });
    assert.equal((await get(weak)).sha256, sha256(CONTENT));
    assert.equal(lab.asked('/weak.iso')[1]?.headers['range'], undefined);
  });

  it('starts again where the server knows no ranges or answers another one, but not for ever', async () => {
    const whole = lab.serve('/whole.iso', { body: CONTENT, range: false, cut: { after: 300_000, times: 2 } });
    assert.equal((await get(whole)).sha256, sha256(CONTENT));
    const hopeless = lab.serve('/hopeless.iso', { body: CONTENT, range: false, cut: { after: 300_000, times: 1000 } });
    await assert.rejects(get(hopeless), { code: 'url-refused', message: /only start from the beginning/ });
    const wrong = lab.serve('/wrong.iso', { body: CONTENT, wrongRange: true, cut: { after: 300_000, times: 1 } });
    assert.equal((await get(wrong)).sha256, sha256(CONTENT));
  });

  it('does not begin when a look shows that it is no package', async () => {
    const url = lab.serve('/no-package.iso', { body: CONTENT });
    await assert.rejects(get(url, { inspect: { name: 'no-package.iso' } }), { code: 'package-not-iso' });
    assert.ok(sent('/no-package.iso') <= 65_536);
    assert.deepEqual(await left(), []);
  });

  it('is of what was looked at, or refused', async () => {
    const spec = { scripts: { version: 'true', upgrade: 'true' }, flavour: 'builtin' } as const;
    const [one, two] = await Promise.all(
      ['1.0', '2.0'].map(async (version) =>
        readFile((await makePackage({ ...spec, version, padBytes: 200_000 })).path),
      ),
    );
    assert.ok(one && two);
    const inspect = { name: 'x.iso' };
    const same = lab.serve('/looked.iso', { body: one, cut: { after: 100_000, times: 1 } });
    assert.equal((await get(same, { inspect })).sha256, sha256(one));
    const other = lab.serve('/looked-changed.iso', { body: [one, two] });
    await assert.rejects(get(other, { inspect }), { code: 'download-changed' });
  });

  it('is not believed when it has another digest than was asked for', async () => {
    const url = lab.serve('/forged.iso', { body: OTHER });
    const error = { code: 'digest-mismatch', exit: 3, message: new RegExp(sha256(CONTENT)) };
    await assert.rejects(get(url, { expectedSha256: sha256(CONTENT) }), error);
    assert.deepEqual(await left(), []);
    assert.equal(await cache.find(sha256(OTHER)), undefined);
  });

  it('waits for a server that is busy, and gives up in the end', async () => {
    const busy = lab.serve('/busy.iso', { body: CONTENT, fail: { status: 503, times: 2 } });
    assert.equal((await get(busy)).sha256, sha256(CONTENT));
    const dead = lab.serve('/dead.iso', { body: CONTENT, fail: { status: 503, times: 100_000 } });
    await assert.rejects(get(dead, { giveUp: 100 }), { code: 'url-unavailable', message: /503/ });
  });

  it('that falls silent is asked for again after the idle time', async () => {
    const url = lab.serve('/silent.iso', { body: CONTENT, stall: { after: 200_000, ms: 4000, times: 1 } });
    assert.equal((await get(url, { idleTimeout: 200 })).sha256, sha256(CONTENT));
    assert.equal(lab.asked('/silent.iso').length, 2);
  });

  it('without a length is taken to its end', async () => {
    const url = lab.serve('/chunked.iso', { body: CONTENT, length: false });
    assert.equal((await get(url)).sha256, sha256(CONTENT));
    const cut = lab.serve('/chunked-cut.iso', { body: CONTENT, length: false, cut: { after: 100_000, times: 1 } });
    assert.equal((await get(cut)).sha256, sha256(CONTENT));
  });

  it('that comes compressed is refused: its bytes would not be the package', async () => {
    const url = lab.serve('/gzip.iso', { body: CONTENT, headers: { 'content-encoding': 'gzip' } });
    await assert.rejects(get(url), { code: 'url-refused', message: /compressed/ });
  });

  it('tells how far it is', async () => {
    const seen: Progress[] = [];
    await get(lab.serve('/progress.iso', { body: CONTENT }), { onProgress: (each) => seen.push(each) });
    const last = seen.at(-1);
    assert.deepEqual([last?.done, last?.total, last?.etaMs], [CONTENT.length, CONTENT.length, 0]);
  });

  it('trusts bytes of an earlier session only as far as they are certain', async () => {
    const url = lab.serve('/power.iso', { body: CONTENT, cut: { after: 300_000, times: 1000 } });
    await assert.rejects(get(url, { giveUp: 0 }), { code: 'url-unavailable' });
    const part = join(folder, 'downloads', (await left()).find((each) => each.endsWith('.part')) ?? '');
    // The machine lost its power: another boot, and the file system kept a longer file with zeros at its end.
    const side = JSON.parse(await readFile(`${part}.json`, 'utf8')) as { boot: string; synced: number };
    assert.equal(side.synced, 300_000);
    await writeFile(`${part}.json`, JSON.stringify({ ...side, boot: 'another', synced: 100_000 }));
    await truncate(part, 200_000);
    await appendFile(part, Buffer.alloc(50_000));
    lab.serve('/power.iso', { body: CONTENT });
    const got = await get(url);
    assert.deepEqual([got.sha256, got.resumedAt], [sha256(CONTENT), 100_000]);
  });

  it('begins anew when its side file is torn', async () => {
    const url = lab.serve('/torn.iso', { body: CONTENT, cut: { after: 300_000, times: 1000 } });
    await assert.rejects(get(url, { giveUp: 0 }), { code: 'url-unavailable' });
    const part = join(folder, 'downloads', (await left()).find((each) => each.endsWith('.part')) ?? '');
    await truncate(`${part}.json`, 20);
    lab.serve('/torn.iso', { body: CONTENT });
    assert.equal((await get(url)).resumedAt, 0);
  });

  it('runs twice at the same time without mixing', async () => {
    const url = lab.serve('/twice.iso', { body: CONTENT, rate: 2_000_000 });
    const both = await Promise.all([get(url), get(url)]);
    assert.deepEqual(
      both.map((each) => each.sha256),
      [sha256(CONTENT), sha256(CONTENT)],
    );
    assert.deepEqual(await left(), []);
  });

  it('frees what a dead process had claimed', async () => {
    const url = lab.serve('/claimed.iso', { body: CONTENT, cut: { after: 300_000, times: 1000 } });
    await assert.rejects(get(url, { giveUp: 0 }), { code: 'url-unavailable' });
    const part = (await left()).find((each) => each.endsWith('.part')) ?? '';
    await writeFile(join(folder, 'downloads', part.replace('.part', '.lock')), '4194304');
    lab.serve('/claimed.iso', { body: CONTENT });
    assert.equal((await get(url)).resumedAt, 300_000);
  });

  it('says when the disk is full, and goes on when there is space again', async function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') this.skip();
    const url = lab.serve('/full.iso', { body: CONTENT, rate: 1_000_000 });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
    try {
      await assert.rejects(get(url), { code: 'disk-full', exit: 3, hint: /goes on where it stopped/ });
      await run('mount', ['-o', 'remount,size=4m', folder]);
      const got = await get(url);
      assert.equal(got.sha256, sha256(CONTENT));
      assert.ok(got.resumedAt > 0);
    } finally {
      await run('umount', [folder]);
    }
  });

  it('leaves no secret of its address on the disk', async () => {
    lab.serve('/secret.iso', { body: CONTENT, auth: 'me:s3cret', cut: { after: 300_000, times: 1000 } });
    const url = `${lab.origin.replace('://', '://me:s3cret@')}/secret.iso?token=s3cret`;
    const look = async (): Promise<void> => {
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        assert.ok(!entry.name.includes('s3cret'));
        if (entry.isFile() && entry.name.endsWith('.json')) {
          assert.ok(!(await readFile(join(entry.parentPath, entry.name), 'utf8')).includes('s3cret'));
        }
      }
    };
    await assert.rejects(get(url, { giveUp: 0 }), (error: Error) => !error.message.includes('s3cret'));
    await look();
    lab.serve('/secret.iso', { body: CONTENT, auth: 'me:s3cret' });
    await get(url);
    await look();
  });

  it('is served from the cache when the server says that nothing changed', async () => {
    const url = lab.serve('/cached.iso', { body: CONTENT });
    await get(url);
    const again = await get(url);
    assert.deepEqual([again.fromCache, again.sha256], [true, sha256(CONTENT)]);
    assert.ok(sent('/cached.iso') < CONTENT.length + 10);
    lab.serve('/cached.iso', { body: OTHER });
    assert.deepEqual([(await get(url)).sha256, (await get(url)).fromCache], [sha256(OTHER), true]);
  });

  it('is served from the cache without asking when the digest is given', async () => {
    const first = await get(lab.serve('/digest.iso', { body: CONTENT }));
    const got = await get('http://127.0.0.1:9/gone.iso', { expectedSha256: first.sha256 });
    assert.equal(got.fromCache, true);
  });

  it('is fetched again when the cached file is broken', async () => {
    const url = lab.serve('/broken.iso', { body: CONTENT });
    const first = await get(url);
    const bytes = await readFile(first.path);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await writeFile(first.path, bytes);
    const got = await get(url);
    assert.deepEqual([got.fromCache, got.sha256], [false, sha256(CONTENT)]);
  });

  it('is kept in the cache as long as somebody needs it', async () => {
    const all: FetchedPackage[] = [];
    for (let i = 0; i < 4; i++) {
      const got = await get(lab.serve(`/prune-${String(i)}.iso`, { body: CONTENT.subarray(i) }));
      await utimes(got.path, new Date(1e9 + i * 1e6), new Date(1e9 + i * 1e6));
      all.push(got);
    }
    const freed = await cache.prune({ keep: new Set([all[0]?.sha256 ?? '']), count: 1 });
    assert.equal(freed, (all[1]?.size ?? 0) + (all[2]?.size ?? 0));
    const there = await Promise.all(all.map(async (each) => (await cache.find(each.sha256)) !== undefined));
    assert.deepEqual(there, [true, false, false, true]);
  });
});

describe('the meter of a transfer', () => {
  it('tells rate and time left over the last seconds', () => {
    let now = 0;
    const seen: Progress[] = [];
    const meter = new Meter(
      (each) => seen.push(each),
      () => now,
    );
    for (let done = 0; done <= 10_000; done += 1000) {
      meter.at(done, 20_000);
      now += 1000;
    }
    assert.deepEqual(seen.at(-1), { done: 10_000, total: 20_000, rate: 1000, etaMs: 10_000 });
    now -= 950;
    meter.at(10_001, 20_000);
    assert.equal(seen.length, 11, 'not more often than a person can read');
    meter.at(10_001, undefined, true);
    assert.equal(seen.at(-1)?.etaMs, undefined);
  });
});
