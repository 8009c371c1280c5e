import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part, Point } from '../../../src/backup/points/point';
import { SftpServer } from '../../../src/backup/stores/sftp-client';
import type { PartRequest } from '../../../src/backup/points/store';
import { SftpStore } from '../../../src/backup/stores/sftp';
import { backTask, forwardTask, removeReplaced } from '../../../src/backup/swap';
import { checkEnd } from '../../../src/backup/points/task';
import type { Connector } from '../../../src/ssh/reach/connector';
import { samplePoint } from '../../unit/backup/sample';
import { output, succeed } from '../../lab/tools';
import { Sshd, whyNoSshd } from '../ssh/sshd';
import { census, oddTree, Place, ruin, runTask, textOf, withCode } from './places';

const ID = '20261122T201755Z-staging-4f2a9c';

describe('backups on an SFTP server', function () {
  this.timeout(300_000);
  let sshd: Sshd;
  let place: Place;
  let connector: Connector;
  let base: string;
  let connectors: Connector[];

  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    // No shell, no commands: what a careful administrator gives.
    sshd = await Sshd.start({ config: ['ForceCommand internal-sftp'] });
    await writeFile(join(sshd.dir, 'home', '.ssh', 'config'), `Host *\n  IdentityFile ${sshd.keyFile}\n`);
  });
  after(() => sshd.stop());
  beforeEach(async () => {
    place = await Place.make();
    base = join(place.dir, 'server');
    connectors = [];
    connector = newConnector();
  });
  afterEach(async () => {
    await Promise.all(connectors.map((each) => each.closeAll()));
    await place.remove();
  });

  function newConnector(): Connector {
    const made = sshd.connector();
    connectors.push(made);
    return made;
  }

  function store(options: { path?: string; port?: number } = {}): SftpStore {
    const location = parseLocation({
      name: 'vault',
      uri: `sftp://root@127.0.0.1:${String(options.port ?? sshd.port)}${options.path ?? base}`,
    });
    assert.equal(location.kind, 'sftp');
    const connectTo = connector.server(location.host, location.port, location.user);
    return new SftpStore(location, new SftpServer('vault', connectTo));
  }

  function request(changes: Partial<PartRequest> = {}): PartRequest {
    return {
      point: ID,
      node: place.node,
      cluster: 'staging',
      run: undefined,
      version: '24.1',
      paths: [join(place.root, 'app')],
      exclude: [],
      leaveOut: [],
      quiet: undefined,
      runTask: place.run,
      ...changes,
    };
  }

  const pointOf = (part: Part): Point => samplePoint([], { nodes: { [part.node]: part } });

  async function restore(from: SftpStore, part: Part): Promise<void> {
    const context = { point: pointOf(part), part, node: place.node };
    const source = await from.prepareRestore(context, true);
    checkEnd('n1', await runTask(place.connection, forwardTask(place.node, 'run1', source, part.paths)));
    await from.endRestore(context);
  }

  it('takes the odd tree, verifies it, lists it elsewhere, and restores it exactly', async () => {
    const app = join(place.root, 'app');
    await oddTree(app);
    const was = await census(app);
    const part = await store().createPart(request());
    const point = pointOf(part);
    await store().finishPoint(point, [place.node]);
    assert.deepEqual(await store().verifyPart({ point, part, node: place.node }), { result: 'verified' });
    await store().putStatus({
      schema: 1,
      id: ID,
      point: (await store().readPoint(ID, [])).sha256,
      nodes: { n1: { result: 'verified', at: '2026-11-22T21:00:00.000Z', by: 'me' } },
    });
    connector = newConnector();
    const [listed] = await store().listPoints([]);
    assert.deepEqual([listed?.id, listed?.state.kind], [ID, 'verified']);
    assert.deepEqual(listed?.point, point);
    assert.ok(part.data.kind === 'archive');
    assert.deepEqual((await readdir(join(base, ID))).sort(), [part.data.file, 'point.json', 'status.json'].sort());
    assert.equal((await stat(join(base, ID, part.data.file))).mode & 0o777, 0o600);
    await ruin(app);
    await restore(store(), part);
    assert.equal(await census(app), was);
    await removeReplaced(place.node, 'run1');
    assert.equal(await succeed('find', [place.dir, '-name', '*.part', '-o', '-name', '.clusterlift-*']), '');
    await store().removePoint(ID);
    assert.deepEqual(await readdir(base), []);
  });

  it('lets a quiet application stand still only while its node packs, and cleans up behind it', async () => {
    const app = join(place.root, 'app');
    await oddTree(app);
    const was = await census(app);
    const log = join(place.dir, 'log');
    const part = await store().createPart(
      request({ quiet: { stop: `echo stop >> ${log}`, start: `echo start >> ${log}` } }),
    );
    assert.equal(await textOf(log), 'stop\nstart\n');
    await store().finishPoint(pointOf(part), [place.node]);
    assert.deepEqual(await readdir(join(place.node.stateDir, 'spool')), []);
    assert.deepEqual(await store().verifyPart({ point: pointOf(part), part, node: place.node }), {
      result: 'verified',
    });
    await ruin(app);
    await restore(store(), part);
    assert.equal(await census(app), was);
  });

  it('finds a bit that flipped at rest, an archive that was cut, and one that is gone', async () => {
    await oddTree(join(place.root, 'app'));
    const part = await store().createPart(request());
    assert.ok(part.data.kind === 'archive');
    const file = join(base, ID, part.data.file);
    const verify = async (): Promise<string> => {
      const verdict = await store().verifyPart({ point: pointOf(part), part, node: place.node });
      assert.equal(verdict.result, 'broken');
      return verdict.reason ?? '';
    };
    const handle = await open(file, 'r+');
    const at = Math.floor(part.data.bytes * 0.7);
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 4]), 0, 1, at);
    await handle.close();
    assert.match(await verify(), /not valid|another digest/);
    await assert.rejects(restore(store(), part), withCode('restore-digest'));
    await truncate(file, 1000);
    assert.match(await verify(), /not valid/);
    await rm(file);
    assert.match(await verify(), /missing/);
  });

  it('has clear words for a server that is full, read-only, away, or holds torn points', async () => {
    await mkdir(join(place.root, 'app'));
    await succeed('sh', ['-c', 'head -c 6000000 /dev/urandom > "$1"', 'sh', join(place.root, 'app', 'random')]);
    const small = join(place.dir, 'small');
    await mkdir(small);
    await succeed('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small]);
    try {
      await assert.rejects(store({ path: small }).createPart(request()), withCode('backup-full'));
      assert.deepEqual(await readdir(join(small, ID)), []);
      await succeed('mount', ['-o', 'remount,ro', small]);
      const [refused] = await store({ path: small }).check([], 'create');
      assert.ok(refused?.status === 'rejected' && withCode('server-refused')(refused.reason));
    } finally {
      await output('umount', [small]);
    }
    await assert.rejects(store({ port: 1 }).listPoints([]), withCode('host-unreachable'));
    const part = await store().createPart(request());
    await store().finishPoint(pointOf(part), []);
    await writeFile(join(base, ID, 'point.json'), (await textOf(join(base, ID, 'point.json'))).slice(0, 100));
    assert.equal((await store().listPoints([]))[0]?.state.kind, 'broken');
    await assert.rejects(store().readPoint(ID, []), withCode('point-torn'));
    await assert.rejects(store().readPoint('../../etc', []), withCode('point-unknown'));
    await chmod(join(base, ID), 0o700);
  });

  it('starts again cleanly when the connection was cut in the middle', async () => {
    await mkdir(join(place.root, 'app'));
    await succeed('sh', ['-c', 'head -c 20000000 /dev/urandom > "$1"', 'sh', join(place.root, 'app', 'random')]);
    const wire = await cutAfter(sshd.port, 4_000_000);
    try {
      const name = `[127.0.0.1]:${String(wire.port)}`;
      await sshd.trust(undefined, name);
      connector = newConnector();
      await assert.rejects(store({ port: wire.port }).createPart(request()), withCode('link-lost'));
    } finally {
      wire.server.close();
      await sshd.trust();
    }
    assert.deepEqual(
      (await store().listPoints([])).map((each) => each.state.kind),
      ['creating'],
    );
    const part = await store().createPart(request());
    await store().finishPoint(pointOf(part), []);
    assert.deepEqual(await store().verifyPart({ point: pointOf(part), part, node: place.node }), {
      result: 'verified',
    });
    assert.deepEqual(
      (await readdir(join(base, ID))).filter((each) => each.endsWith('.part')),
      [],
    );
  });

  it('goes on where bringing a part to its node was cut', async () => {
    await oddTree(join(place.root, 'app'));
    const part = await store().createPart(request());
    assert.ok(part.data.kind === 'archive');
    const fetched = join(place.node.stateDir, 'restore', `${ID}.part`);
    await mkdir(join(place.node.stateDir, 'restore'), { recursive: true });
    const archive = await readFile(join(base, ID, part.data.file));
    await writeFile(fetched, archive.subarray(0, 100_000));
    const context = { point: pointOf(part), part, node: place.node };
    await store().prepareRestore(context, true);
    assert.ok((await readFile(fetched)).equals(archive));
    await store().prepareRestore(context, true);
    assert.ok((await readFile(fetched)).equals(archive));
    checkEnd('n1', await runTask(place.connection, backTask(place.node, 'run1')));
  });

  it('moves 1 GiB in under 150 MB of memory', async function () {
    this.timeout(600_000);
    const script = join(__dirname, 'sftp-memory.ts');
    await mkdir(join(place.root, 'app'));
    // Half of it does not compress.
    await succeed('sh', [
      '-c',
      'cd "$1" && head -c 67108864 /dev/urandom > r && for n in 1 2 3 4 5 6 7 8; do cat r; head -c 67108864 /dev/zero; done > big && rm r',
      'sh',
      join(place.root, 'app'),
    ]);
    const env = { ...process.env, TEST_DIR: place.dir, TEST_SSHD: sshd.dir, TEST_PORT: String(sshd.port) };
    const child = spawn(process.execPath, ['--require', 'tsx/cjs', '--require', './test/setup.cjs', script], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (data: Buffer) => (said += data.toString()));
    const code = await new Promise((done) => child.once('close', done));
    assert.equal(code, 0);
    const { before: baseline, peak, bytes } = JSON.parse(said) as { before: number; peak: number; bytes: number };
    assert.ok(bytes > 500_000_000, String(bytes));
    // tsx compiles in the same process, which alone takes as much as the bundle never does: what counts is what comes on top.
    assert.ok(
      peak - baseline < 150e6,
      `${String(Math.round(baseline / 1e6))} MB before, ${String(Math.round(peak / 1e6))} MB at most`,
    );
  });
});

/** A wire that is cut after so many bytes towards the server. */
async function cutAfter(port: number, bytes: number): Promise<{ server: Server; port: number }> {
  const server = createServer((client: Socket) => {
    const up = connect(port, '127.0.0.1');
    let passed = 0;
    client.on('data', (data) => {
      passed += data.length;
      if (passed > bytes) {
        client.destroy();
        up.destroy();
      }
    });
    client.on('error', () => up.destroy());
    up.on('error', () => client.destroy());
    client.pipe(up).pipe(client);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  await sleep(0);
  const address = server.address();
  return { server, port: typeof address === 'object' && address ? address.port : 0 };
}
