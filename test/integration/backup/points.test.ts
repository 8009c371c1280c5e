import { strict as assert } from 'node:assert';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../../../src/backup/points/canonical';
import { parseLocation } from '../../../src/backup/points/location';
import { addLocation, listLocations } from '../../../src/backup/locations';
import { cleanLocation, dropAnnouncements } from '../../../src/backup/clean';
import { openStore } from '../../../src/backup/open';
import { encode, newPointId, type Part, type Point } from '../../../src/backup/points/point';
import { assemblePoint, checkBackup, completePoint, keepScripts, verifyPoint } from '../../../src/backup/lifecycle';
import { checkRestore, restoreNode, restoreState, finishRestore, undoRestore } from '../../../src/backup/restore';
import type { Store } from '../../../src/backup/points/store';
import { forgetTrust, trustOn } from '../../../src/backup/points/trust';
import { linkLost } from '../../../src/ssh/errors';
import { succeed } from '../../lab/tools';
import { Sshd, whyNoSshd } from '../ssh/sshd';
import { census, Place, textOf, withCode } from './places';

const CHECK = { how: 'write', purpose: 'backup' } as const;
const by = { by: 'me@here', now: new Date('2026-11-22T21:00:00Z') };

describe('restore points of a cluster', function () {
  this.timeout(300_000);
  let sshd: Sshd;
  let places: Place[];
  let shared: string;
  let store: Store;
  let close: () => Promise<void>;

  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start({ config: ['ForceCommand internal-sftp'] });
    await writeFile(join(sshd.dir, 'home', '.ssh', 'config'), `Host *\n  IdentityFile ${sshd.keyFile}\n`);
  });
  after(() => sshd.stop());
  beforeEach(async () => {
    places = [await Place.make('n1'), await Place.make('n2')];
    for (const each of places) {
      await mkdir(join(each.root, 'app'));
      await writeFile(join(each.root, 'app', 'data'), each.node.name);
    }
    shared = join(places[0]?.dir ?? '', 'server');
    const connector = sshd.connector();
    close = () => connector.closeAll();
    const location = parseLocation({ name: 'vault', uri: `sftp://root@127.0.0.1:${String(sshd.port)}${shared}` });
    store = openStore(location, {
      server: (...args) => connector.server(...args),
      resticPassword: () => Promise.resolve(''),
    });
  });
  afterEach(async () => {
    await close();
    for (const each of places) await each.remove();
  });

  const nodes = () => places.map((each) => each.node);
  const files = async (): Promise<string> =>
    (await Promise.all(places.map((each) => census(join(each.root, 'app'))))).join();

  async function parts(id: string, where = store): Promise<Part[]> {
    return Promise.all(
      places.map((place) =>
        where.createPart({
          point: id,
          node: place.node,
          cluster: 'staging',
          run: 'r1',
          version: '24.1',
          paths: [join(place.root, 'app')],
          exclude: [],
          leaveOut: [],
          quiet: undefined,
          runTask: place.run,
        }),
      ),
    );
  }
  async function make(time = '2026-11-22T20:00:00Z', where = store): Promise<Point> {
    const id = newPointId('staging', new Date(time));
    const header = {
      id,
      cluster: 'staging',
      created: new Date(time).toISOString(),
      reason: 'upgrade' as const,
      run: `run-of-${id}`,
      package: null,
      manifest: '{}',
      scripts: keepScripts({ version: Buffer.from('echo 24.1\n') }),
      exclude: [],
      quiet: false,
    };
    const point = assemblePoint(header, await parts(id, where));
    await completePoint(where, point, nodes());
    return point;
  }
  async function restore(point: Point, trusted = true): Promise<void> {
    for (const place of places)
      await restoreNode({ store, point, node: place.node, tag: 'r2', trusted, runTask: place.run });
  }

  it('are made, verified, judged, restored, undone and settled', async () => {
    const point = await make();
    assert.deepEqual(
      (await store.listPoints(nodes())).map((each) => each.state.kind),
      ['complete'],
    );
    const verified = await verifyPoint(store, point.id, nodes(), by);
    assert.deepEqual([verified.state.kind, verified.unknown], ['verified', []]);
    const was = await files();
    for (const each of places) await writeFile(join(each.root, 'app', 'late'), 'late');
    const later = await files();
    const report = await checkRestore(store, await store.readPoint(point.id, nodes()), nodes(), undefined);
    assert.deepEqual(
      report.findings.filter((each) => each.level === 'block'),
      [],
    );
    assert.deepEqual(report.trust, { kind: 'known', foreign: [], removing: [] });
    assert.deepEqual(
      report.nodes.map((each) => [each.node, each.to, each.paths.map((path) => path.now)]),
      [
        ['n1', '24.1', ['present']],
        ['n2', '24.1', ['present']],
      ],
    );
    await restore(point);
    assert.equal(await textOf(join(places[0]?.root ?? '', 'app', 'data')), 'n1');
    await Promise.all(places.map((place) => undoRestore({ node: place.node, tag: 'r2', runTask: place.run })));
    for (const place of places) {
      assert.equal((await restoreState({ node: place.node, tag: 'r2' })).phase, 'back');
      await finishRestore({ store, point, node: place.node, tag: 'r2' });
    }
    assert.equal(await files(), later);
    await restore(point);
    for (const place of places) await finishRestore({ store, point, node: place.node, tag: 'r2' });
    assert.equal(await files(), was);
  });

  it('are incomplete, never broken, while a node is away, and keep the verdicts of the others', async () => {
    const local = openStore(parseLocation({ name: 'near', uri: `file://${join(places[0]?.dir ?? '', 'b')}` }), {
      server: () => () => Promise.reject(new Error('not used')),
      resticPassword: () => Promise.resolve(''),
    });
    const point = await make(undefined, local);
    const away = {
      ...nodes()[1],
      name: 'n2',
      stateDir: '/x',
      connection: Object.assign(Object.create(places[1]?.connection ?? null) as never, {
        exec: () => Promise.reject(linkLost('n2', 'a command')),
      }),
    };
    const some = [...nodes().slice(0, 1), away] as ReturnType<typeof nodes>;
    const result = await verifyPoint(local, point.id, some, by);
    assert.deepEqual(result.state, { kind: 'incomplete', nodes: ['n2'] });
    assert.deepEqual(result.verdicts, { n1: { result: 'verified' } });
    const [listed] = await local.listPoints(some);
    assert.deepEqual(listed?.state, { kind: 'incomplete', nodes: ['n2'] });
    const whole = await verifyPoint(local, point.id, nodes(), by);
    assert.equal(whole.state.kind, 'verified');
  });

  it('are verified node by node, where only those are named', async () => {
    const point = await make();
    const some = await verifyPoint(store, point.id, nodes(), { ...by, only: ['n2'] });
    assert.deepEqual([some.verdicts, some.unknown, some.state.kind], [{ n2: { result: 'verified' } }, [], 'complete']);
    const rest = await verifyPoint(store, point.id, nodes(), { ...by, only: ['n1'] });
    assert.deepEqual([Object.keys(rest.verdicts), rest.state.kind], [['n1'], 'verified']);
    await assert.rejects(verifyPoint(store, point.id, nodes(), { ...by, only: ['n3'] }), withCode('point-node'));
  });

  it('are cleaned away, but not the last verified one', async () => {
    const first = await make('2026-11-20T00:00:00Z');
    const second = await make('2026-11-21T00:00:00Z');
    const third = await make('2026-11-22T00:00:00Z');
    await verifyPoint(store, first.id, nodes(), by);
    const options = {
      cluster: 'staging',
      keep: 1,
      inUse: () => Promise.resolve({ used: new Set<string>(), runs: new Set<string>() }),
      now: new Date('2026-11-22T20:00:00Z'),
    };
    const dry = await cleanLocation(store, nodes(), { ...options, dryRun: true });
    assert.deepEqual(
      dry.remove.map((each) => each.id),
      [second.id],
    );
    assert.equal((await readdir(shared)).length, 3);
    await cleanLocation(store, nodes(), { ...options, dryRun: false });
    assert.deepEqual((await readdir(shared)).sort(), [first.id, third.id]);
    const digests = await readdir(join(nodes()[0]?.stateDir ?? '', 'points'));
    assert.deepEqual(digests.sort(), [`${first.id}.sha256`, `${third.id}.sha256`]);
  });

  describe('while somebody cleans', () => {
    const NONE = { used: new Set<string>(), runs: new Set<string>() };
    const options = { cluster: 'staging', keep: 1, dryRun: false, now: new Date('2026-11-22T20:00:00Z') };
    const announced = async (): Promise<string[]> =>
      (await readdir(join(nodes()[1]?.stateDir ?? '', 'points'))).filter((each) => each.includes('.removing.'));
    const stands = async (point: Point): Promise<boolean> => (await readdir(shared)).includes(point.id);

    it('are kept when a run begins to use them after they were chosen', async () => {
      const [first] = [await make('2026-11-20T00:00:00Z'), await make('2026-11-22T00:00:00Z')];
      const answers = [NONE, { ...NONE, used: new Set([first.id]) }];
      const inUse = (): Promise<typeof NONE> => Promise.resolve(answers.shift() ?? NONE);
      const plan = await cleanLocation(store, nodes(), { ...options, inUse });
      assert.deepEqual(
        plan.keep.map(({ point, why }) => [point.id, why]).find(([id]) => id === first.id),
        [first.id, 'an open run refers to it'],
      );
      assert.deepEqual([plan.remove, answers, await stands(first)], [[], [], true]);
      assert.deepEqual(await announced(), [], 'nothing is announced any more');
    });

    it('are kept when the run that made them is open, whatever it names', async () => {
      const [first] = [await make('2026-11-20T00:00:00Z'), await make('2026-11-22T00:00:00Z')];
      const inUse = (): Promise<typeof NONE> => Promise.resolve({ ...NONE, runs: new Set([`run-of-${first.id}`]) });
      assert.deepEqual((await cleanLocation(store, nodes(), { ...options, inUse })).remove, []);
      assert.ok(await stands(first));
    });

    it('show on every node that they are about to go, before it is asked for the last time who uses them', async () => {
      const [first] = [await make('2026-11-20T00:00:00Z'), await make('2026-11-22T00:00:00Z')];
      const seen: unknown[] = [];
      const inUse = async (): Promise<typeof NONE> => {
        const { findings } = await checkRestore(store, await store.readPoint(first.id, nodes()), nodes(), undefined);
        seen.push(
          findings.filter(({ code }) => code === 'removal-begun').map(({ node, level }) => `${String(node)} ${level}`),
        );
        return NONE;
      };
      await cleanLocation(store, nodes(), { ...options, inUse });
      assert.deepEqual(seen, [[], ['n1 block', 'n2 block']]);
      assert.deepEqual([await stands(first), await announced()], [false, []]);
    });

    it('stay when who uses them cannot be found out, or a node cannot be told', async () => {
      const [first] = [await make('2026-11-20T00:00:00Z'), await make('2026-11-22T00:00:00Z')];
      let asked = 0;
      const inUse = (): Promise<typeof NONE> =>
        asked++ === 0 ? Promise.resolve(NONE) : Promise.reject(linkLost('n2', 'a test'));
      await assert.rejects(cleanLocation(store, nodes(), { ...options, inUse }), withCode('link-lost'));
      assert.deepEqual([await stands(first), await announced()], [true, []]);
      const [n1, n2] = nodes();
      assert.ok(n1 && n2);
      const deaf = {
        ...n2,
        connection: { ...n2.connection, exec: () => Promise.reject(linkLost('n2', 'a test')) },
      };
      const free = { ...options, inUse: () => Promise.resolve(NONE) };
      await assert.rejects(cleanLocation(store, [n1, deaf], free), withCode('link-lost'));
      assert.ok(await stands(first));
    });

    it('are free again when a person says that an interrupted clean runs no more', async () => {
      const point = await make();
      const [n1] = nodes();
      assert.ok(n1);
      await writeFile(join(n1.stateDir, 'points', `${point.id}.removing.0123456789abcdef`), '');
      assert.deepEqual((await trustOn(point.id, n1)).removing, true);
      await dropAnnouncements(point.id, n1);
      assert.deepEqual(await trustOn(point.id, n1), { digest: encode(point).sha256, removing: false });
    });
  });

  it('are judged before they are made: system paths, space, a location that is away', async () => {
    await mkdir(shared);
    const good = await checkBackup(store, nodes().slice(0, 1), () => [join(places[0]?.root ?? '', 'app')], CHECK);
    assert.deepEqual(
      good.findings.map((each) => each.code),
      [],
    );
    const bad = await checkBackup(
      store,
      nodes().slice(0, 1),
      () => ['/usr', '/proc/1', '/etc/ssh/x', 'relative'],
      CHECK,
    );
    assert.deepEqual(
      bad.findings.map((each) => each.code),
      ['path-system', 'path-system', 'path-sshd', 'path-relative'],
    );
    await rm(shared, { recursive: true });
    const away = await checkBackup(store, nodes(), () => [join(places[0]?.root ?? '', 'app')], CHECK);
    assert.deepEqual(
      away.findings.map((each) => [each.code, each.level]),
      [['server-missing', 'block']],
    );
  });

  it('lie in locations that are added only when they can be written, and listed with what they hold', async () => {
    const site = {
      server: () => () => Promise.reject(new Error('not used')),
      resticPassword: () => Promise.resolve(''),
    };
    const near = { name: 'near', uri: `file://${join(places[0]?.dir ?? '', 'b')}` };
    const added = await addLocation(near, site, nodes());
    assert.deepEqual(
      added.map((each) => each.node),
      ['n1', 'n2'],
    );
    await assert.rejects(addLocation({ name: 'None', uri: near.uri }, site, nodes()), withCode('location-name'));
    await assert.rejects(
      addLocation({ name: 'x', uri: 'file:///proc/clusterlift' }, site, nodes()),
      withCode('backup-write'),
    );
    await make(undefined, openStore(parseLocation(near), site));
    const listed = await listLocations([near, { name: 'gone', uri: 'file:///nonexistent/x' }], site, nodes());
    assert.deepEqual(
      listed.map((each) => [each.name, each.problems.length, each.points]),
      [
        ['localbackup', 0, 0],
        ['near', 0, 1],
        ['gone', 2, 0],
      ],
    );
    assert.ok((listed[0]?.free ?? 0) > 0);
  });

  describe('on a backup server that was taken over', () => {
    let point: Point;
    let before: string;
    beforeEach(async () => {
      point = await make();
      before = await files();
    });

    /** What a good attacker does: the archive, and every digest that belongs to it. */
    async function forge(make: (dir: string, tar: string) => string): Promise<Point> {
      const work = join(places[0]?.dir ?? '', 'evil');
      await rm(work, { recursive: true, force: true });
      await mkdir(work);
      const dir = join(shared, point.id);
      await succeed('sh', [
        '-ceu',
        make(work, join(work, 'a.tar')),
        'sh',
        work,
        join(places[0]?.root ?? '', 'app').slice(1),
      ]);
      await succeed('gzip', ['-n', join(work, 'a.tar')]);
      const bytes = await readFile(join(work, 'a.tar.gz'));
      await writeFile(join(dir, 'n1.tar.gz'), bytes);
      const part = point.nodes['n1'];
      assert.ok(part?.data.kind === 'archive');
      const data = {
        ...part.data,
        file: 'n1.tar.gz',
        compression: 'gzip' as const,
        bytes: bytes.length,
        sha256: sha256Hex(bytes),
      };
      const forged: Point = { ...point, nodes: { ...point.nodes, n1: { ...part, data } } };
      await writeFile(join(dir, 'point.json'), encode(forged).text);
      return forged;
    }

    it('a changed point.json is refused by every node that knows better, and no override helps', async () => {
      const text = await textOf(join(shared, point.id, 'point.json'));
      const script = Buffer.from('rm -rf /\n');
      const changed: Point = { ...point, scripts: keepScripts({ version: script }) };
      await writeFile(join(shared, point.id, 'point.json'), encode(changed).text);
      await assert.rejects(
        checkRestore(store, await store.readPoint(point.id, nodes()), nodes(), undefined),
        withCode('point-changed'),
      );
      await assert.rejects(verifyPoint(store, point.id, nodes(), by), withCode('point-changed'));
      await writeFile(join(shared, point.id, 'point.json'), text);
      assert.equal(
        (await checkRestore(store, await store.readPoint(point.id, nodes()), nodes(), encode(point).sha256)).trust.kind,
        'known',
      );
      await assert.rejects(
        checkRestore(store, await store.readPoint(point.id, nodes()), nodes(), '0'.repeat(64)),
        withCode('point-changed'),
      );
    });

    it('the journal of a run does not vouch alone for what no node knows', async () => {
      await forgetTrust(point.id, nodes());
      const read = await store.readPoint(point.id, nodes());
      const report = await checkRestore(store, read, nodes(), encode(point).sha256);
      assert.equal(report.trust.kind, 'foreign');
      assert.equal((await verifyPoint(store, point.id, nodes(), by)).trust.kind, 'foreign');
    });

    it('a node that does not know a point vouches for nothing, and is told the digests of its scripts', async () => {
      const [n1] = nodes();
      assert.ok(n1);
      await forgetTrust(point.id, [n1]);
      const read = await store.readPoint(point.id, nodes());
      const report = await checkRestore(store, read, nodes(), undefined);
      assert.deepEqual(report.trust, { kind: 'foreign', foreign: ['n1'], removing: [] });
      const found = report.findings.filter((each) => each.code === 'foreign-point');
      assert.deepEqual(
        found.map((each) => each.node),
        ['n1'],
      );
      assert.match(found[0]?.message ?? '', new RegExp(sha256Hex('echo 24.1\n')));
      assert.match(found[0]?.fix ?? '', /`--override foreign-point=n1`$/);
      assert.deepEqual((await checkRestore(store, read, nodes().slice(1), undefined)).trust.foreign, []);
      assert.deepEqual((await verifyPoint(store, point.id, nodes(), by)).trust.foreign, ['n1']);
    });

    const evil: [string, string][] = [
      [
        'members with ../',
        'cd "$1"; mkdir -p "$2"; echo x > evil; tar -c -P --transform "s,^evil$,./$2/../../evil," -f a.tar "./$2" evil',
      ],
      [
        'absolute members',
        'cd "$1"; mkdir -p "$2"; echo x > evil; tar -c -P --transform "s,^evil$,/tmp/clusterlift-evil," -f a.tar "./$2" evil',
      ],
      [
        'members through a symlink',
        'cd "$1"; mkdir -p "$2"; ln -s /tmp "$2/out"; echo x > evil; tar -c -P --transform "s,^evil$,./$2/out/clusterlift-evil," -f a.tar "./$2" evil',
      ],
      [
        'hard links to elsewhere',
        'cd "$1"; mkdir -p "$2"; echo x > shadow; ln shadow "$2/link"; tar -c -P --transform "s,^shadow$,/etc/shadow,h" -f a.tar shadow "./$2"; tar --delete -f a.tar shadow 2>/dev/null || :',
      ],
      ['devices', 'cd "$1"; mkdir -p "$2"; mknod "$2/disk" b 8 0; tar -c -f a.tar "./$2"'],
    ];
    for (const [what, script] of evil) {
      it(`${what} are refused even when a person took the point on, and nothing is written`, async () => {
        const forged = await forge(() => script);
        const [place] = places;
        assert.ok(place);
        await assert.rejects(
          restoreNode({ store, point: forged, node: place.node, tag: 'r2', trusted: false, runTask: place.run }),
          withCode('restore-members'),
        );
        assert.equal(await files(), before);
        await forgetTrust(point.id, nodes());
        const { verdicts } = await verifyPoint(store, point.id, nodes(), by);
        assert.equal(verdicts['n1']?.result, 'broken');
      });
    }

    it('an archive with another digest than in a point that is known is refused', async () => {
      const file = (await readdir(join(shared, point.id))).find((each) => each.startsWith('n1.tar')) ?? '';
      const bytes = await readFile(join(shared, point.id, file));
      bytes[20] = (bytes[20] ?? 0) ^ 1;
      await writeFile(join(shared, point.id, file), bytes);
      await assert.rejects(restore(point), withCode('restore-digest'));
      assert.equal(await files(), before);
    });
  });
});
