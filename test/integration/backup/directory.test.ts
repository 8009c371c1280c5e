import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { mkdir, open, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part, Point } from '../../../src/backup/points/point';
import type { PartRequest } from '../../../src/backup/points/store';
import { DirectoryStore } from '../../../src/backup/stores/directory';
import { linkLost } from '../../../src/ssh/errors';
import { samplePoint } from '../../unit/backup/sample';
import { busyboxPath, oddTree, Place, textOf, whyNotRoot, withCode } from './places';

const ID = '20261122T201755Z-staging-4f2a9c';

function store(path: string): DirectoryStore {
  const location = parseLocation({ name: 'nightly', uri: `file://${path}` });
  assert.equal(location.kind, 'directory');
  return new DirectoryStore(location);
}

function request(place: Place, changes: Partial<PartRequest> = {}): PartRequest {
  return {
    point: ID,
    node: place.node,
    cluster: 'staging',
    run: undefined,
    version: '24.1',
    paths: [place.root],
    exclude: [],
    leaveOut: [],
    quiet: undefined,
    runTask: place.run,
    ...changes,
  };
}

function pointOf(part: Part): Point {
  return samplePoint([], { nodes: { [part.node]: part } });
}

for (const kind of ['GNU tar under dash', 'busybox only'] as const) {
  describe(`an archive in a directory (${kind})`, () => {
    let place: Place;
    let base: string;
    before(function () {
      if (whyNotRoot() !== undefined) this.skip();
    });
    beforeEach(async () => {
      place = await Place.make(
        'n1',
        kind === 'busybox only' ? { shell: ['busybox', 'sh'], path: await busyboxPath() } : { shell: ['dash'] },
      );
      base = join(place.dir, 'backups');
    });
    afterEach(() => place.remove());

    async function tree(): Promise<void> {
      if (kind === 'busybox only') {
        await mkdir(join(place.root, 'sub dir'));
        await writeFile(join(place.root, 'sub dir', 'file'), 'content');
        await writeFile(join(place.root, 'skip.log'), 'log');
        await symlink('/nowhere', join(place.root, 'a -> b'));
      } else {
        await oddTree(place.root);
        await writeFile(join(place.root, 'skip.log'), 'log');
      }
    }

    it('is complete with its digest, and verified by reading it back', async () => {
      await tree();
      const part = await store(base).createPart(request(place, kind === 'busybox only' ? {} : { exclude: ['*.log'] }));
      assert.ok(part.data.kind === 'archive' && part.data.tar === (kind === 'busybox only' ? 'busybox' : 'gnu'));
      assert.deepEqual(part.paths, [{ path: place.root, state: 'present', link: false }]);
      assert.deepEqual((await readdir(join(base, ID))).sort(), ['n1.listing.gz', 'n1.result', part.data.file].sort());
      assert.equal((await stat(join(base, ID, part.data.file))).mode & 0o777, 0o600);
      assert.equal((await stat(join(base, ID))).mode & 0o777, 0o700);
      const point = pointOf(part);
      await store(base).finishPoint(point, [place.node]);
      assert.deepEqual(await store(base).verifyPart({ point, part, node: place.node }), { result: 'verified' });
      const listed = await store(base).listPoints([place.node]);
      assert.deepEqual(
        listed.map((each) => [each.id, each.state.kind, each.bytes]),
        [[ID, 'complete', part.data.bytes]],
      );
    });

    it('is broken after one flipped bit, after a cut, and when it is gone', async () => {
      await tree();
      const part = await store(base).createPart(request(place));
      assert.ok(part.data.kind === 'archive');
      const file = join(base, ID, part.data.file);
      const handle = await open(file, 'r+');
      const middle = Math.floor(part.data.bytes / 2);
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, middle);
      await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, middle);
      const context = { point: pointOf(part), part, node: place.node };
      assert.match((await store(base).verifyPart(context)).reason ?? '', /another digest/);
      await handle.truncate(part.data.bytes - 1);
      await handle.close();
      assert.match((await store(base).verifyPart(context)).reason ?? '', /another digest/);
      await store(base).finishPoint(context.point, [place.node]);
      const [listed] = await store(base).listPoints([place.node]);
      assert.equal(listed?.state.kind, 'broken');
      await writeFile(join(base, ID, 'n1.moved'), '');
      await store(base).removePoint(ID, [place.node]);
      assert.match((await store(base).verifyPart(context)).reason ?? '', /is missing/);
    });

    it('is broken when its listing is not the recorded one, although the digest is right', async () => {
      await tree();
      const part = await store(base).createPart(request(place));
      const changed = { ...part, listing: { ...part.listing, sha256: '0'.repeat(64) } };
      const verdict = await store(base).verifyPart({ point: pointOf(part), part: changed, node: place.node });
      assert.match(verdict.reason ?? '', /listed differently/);
    });

    it('records absent paths and links as such, also when nothing at all is there', async () => {
      await writeFile(join(place.root, 'file'), 'x');
      await symlink('/somewhere', join(place.dir, 'link'));
      const part = await store(base).createPart(
        request(place, { paths: [join(place.dir, 'no'), join(place.dir, 'link'), place.root] }),
      );
      assert.deepEqual(
        part.paths.map((each) => [each.state, each.link]),
        [
          ['absent', false],
          ['present', true],
          ['present', false],
        ],
      );
      assert.deepEqual(await store(base).verifyPart({ point: pointOf(part), part, node: place.node }), {
        result: 'verified',
      });
      const none = await store(base).createPart(request(place, { paths: [join(place.dir, 'no')] }));
      assert.equal(none.listing.count, 0);
      assert.deepEqual(await store(base).verifyPart({ point: pointOf(none), part: none, node: place.node }), {
        result: 'verified',
      });
    });

    it('stops and starts a quiet application, and starts it again when the backup fails', async () => {
      await tree();
      const log = join(place.dir, 'log');
      const quiet = { stop: `echo stop >> ${log}`, start: `echo start >> ${log}` };
      await store(base).createPart(request(place, { quiet }));
      assert.equal(await textOf(log), 'stop\nstart\n');
      await assert.rejects(
        store(base).createPart(request(place, { quiet: { ...quiet, stop: `echo stop >> ${log}; exit 3` } })),
        withCode('quiet-stop'),
      );
      assert.equal(await textOf(log), 'stop\nstart\nstop\nstart\n');
      await assert.rejects(
        store(base).createPart(request(place, { quiet: { ...quiet, start: 'exit 1' } })),
        withCode('quiet-start'),
      );
    });

    it('leaves nothing that looks usable when the disk is full', async () => {
      const full: Place = await Place.make('n1', {
        ...(kind === 'busybox only' ? { shell: ['busybox', 'sh'], path: await busyboxPath() } : {}),
        before: 'tee() { cat >/dev/null; echo "tee: No space left on device" >&2; return 1; }',
      });
      try {
        await writeFile(join(full.root, 'file'), 'x');
        await assert.rejects(store(base).createPart(request(full)), withCode('backup-full'));
        assert.deepEqual(await readdir(join(base, ID)), []);
        assert.deepEqual(
          (await store(base).listPoints([full.node])).map((each) => each.state.kind),
          ['creating'],
        );
      } finally {
        await full.remove();
      }
    });

    it('leaves out the location that lies inside the paths, or says that it cannot', async () => {
      await tree();
      const inside = join(place.root, 'back*ups');
      await mkdir(inside);
      if (kind === 'busybox only') {
        await assert.rejects(store(base).createPart(request(place, { leaveOut: [inside] })), withCode('tar-exclude'));
        return;
      }
      await store(inside).createPart(request(place, { leaveOut: [inside] }));
      const part = await store(inside).createPart(request(place, { leaveOut: [inside] }));
      const other = await store(base).createPart(request(place, { leaveOut: [inside] }));
      assert.equal(part.listing.count, other.listing.count);
    });
  });
}

describe('an archive in a directory', () => {
  let place: Place;
  before(function () {
    if (whyNotRoot() !== undefined) this.skip();
  });
  beforeEach(async () => {
    place = await Place.make();
  });
  afterEach(() => place.remove());

  it('takes a file that changes while it is read, and says so', async () => {
    await writeFile(join(place.root, 'grows'), Buffer.alloc(30_000_000));
    const writer = spawn('sh', ['-c', 'while :; do printf x >> "$1"; done', 'sh', join(place.root, 'grows')], {
      stdio: 'ignore',
    });
    try {
      const base = join(place.dir, 'backups');
      const part = await store(base).createPart(request(place));
      assert.match(part.warnings.join('\n'), /file changed as we read it/);
      assert.deepEqual(await store(base).verifyPart({ point: pointOf(part), part, node: place.node }), {
        result: 'verified',
      });
    } finally {
      writer.kill('SIGKILL');
    }
  });

  it('keeps the status, merges what nodes saw of it, and calls torn points broken', async () => {
    const base = join(place.dir, 'backups');
    const part = await store(base).createPart(request(place));
    const point = pointOf(part);
    await store(base).finishPoint(point, [place.node]);
    const { sha256 } = await store(base).readPoint(ID, [place.node]);
    const verdict = { result: 'verified', at: '2026-11-22T21:00:00.000Z', by: 'me@here' } as const;
    await store(base).putStatus({ schema: 1, id: ID, point: sha256, nodes: { n1: verdict } }, [place.node]);
    assert.deepEqual(
      (await store(base).listPoints([place.node])).map((each) => each.state.kind),
      ['verified'],
    );
    await writeFile(join(base, ID, 'point.json'), '{"schema":1,');
    const [torn] = await store(base).listPoints([place.node]);
    assert.equal(torn?.state.kind, 'broken');
    await assert.rejects(store(base).readPoint(ID, [place.node]), withCode('point-torn'));
    await assert.rejects(
      store(base).readPoint(ID.replace('4f2a9c', '000000'), [place.node]),
      withCode('point-unknown'),
    );
  });

  it('is not called empty when no node could be asked, only when one could', async () => {
    const place = await Place.make('n1', {});
    const away = {
      ...place.node,
      name: 'n2',
      connection: { ...place.node.connection, exec: () => Promise.reject(linkLost('n2', 'a command')) },
    };
    try {
      await assert.rejects(store(join(place.dir, 'backups')).listPoints([away]), withCode('link-lost'));
      assert.deepEqual(await store(join(place.dir, 'backups')).listPoints([away, place.node]), []);
    } finally {
      await place.remove();
    }
  });

  it('tells a location that is missing or read-only', async () => {
    const missing = store(join(place.dir, 'missing'));
    const [refused] = await missing.check([place.node], 'write');
    assert.ok(refused?.status === 'rejected' && withCode('backup-write')(refused.reason));
    const [made] = await missing.check([place.node], 'create');
    assert.ok(made?.status === 'fulfilled' && (made.value.free ?? 0) > 0);
    const [readOnly] = await store('/proc/clusterlift').check([place.node], 'create');
    assert.ok(readOnly?.status === 'rejected' && withCode('backup-write')(readOnly.reason));
  });
});
