import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part, Point } from '../../../src/backup/points/point';
import type { PartRequest } from '../../../src/backup/points/store';
import { ResticStore } from '../../../src/backup/stores/restic';
import { forwardTask, removeReplaced } from '../../../src/backup/swap';
import { checkEnd } from '../../../src/backup/points/task';
import { samplePoint } from '../../unit/backup/sample';
import { resticProgram } from '../../lab/restic';
import { output, succeed } from '../../lab/tools';
import { census, oddTree, Place, ruin, runTask, ShellConnection, textOf, whyNotRoot, withCode } from './places';

const ID = '20261122T201755Z-staging-4f2a9c';
const SECRET = `it's a "secret" $(date) \\n`;

describe('backups with restic', function () {
  this.timeout(300_000);
  let restic: string;
  let place: Place;
  let repository: string;

  before(function () {
    const found = whyNotRoot() === undefined ? resticProgram() : undefined;
    if (found === undefined) this.skip();
    restic = found;
  });
  beforeEach(async () => {
    place = await Place.make();
    repository = join(place.dir, 'repository');
    await mkdir(place.node.stateDir);
    await writeFile(
      join(place.node.stateDir, 'restic.env'),
      `PATH=${join(restic, '..')}:/usr/bin:/bin:/usr/sbin:/sbin\n`,
    );
  });
  afterEach(() => place.remove());

  function store(password = SECRET, path = repository): ResticStore {
    const location = parseLocation({ name: 'vault', uri: `restic:${path}` });
    assert.equal(location.kind, 'restic');
    return new ResticStore(location, () => Promise.resolve(password));
  }
  async function ready(): Promise<void> {
    const [made] = await store().check([place.node], 'create');
    assert.ok(made?.status === 'fulfilled', String(made?.status === 'rejected' && made.reason));
    assert.equal(made.value.created, true);
  }
  function request(changes: Partial<PartRequest> = {}): PartRequest {
    return {
      point: ID,
      node: place.node,
      cluster: 'staging',
      run: 'run-1',
      version: '24.1, PB2',
      paths: [join(place.root, 'app')],
      exclude: ['*.log'],
      leaveOut: [],
      quiet: undefined,
      runTask: place.run,
      ...changes,
    };
  }
  const pointOf = (part: Part): Point => samplePoint([], { nodes: { [part.node]: part } });

  it('takes the odd tree, verifies it, lists it, and restores it exactly', async () => {
    await ready();
    const app = join(place.root, 'app');
    await oddTree(app);
    const was = await census(app);
    await writeFile(join(app, 'x.log'), 'left out');
    await succeed('touch', ['-d', '2010-01-01 00:00:00.5', app]);
    const part = await store().createPart(request({ paths: [app, join(place.root, 'absent')] }));
    const point = pointOf(part);
    await store().finishPoint(point, [place.node]);
    assert.deepEqual(await store().verifyPart({ point, part, node: place.node }), { result: 'verified' });
    const { sha256 } = await store().readPoint(ID, [place.node]);
    await store().putStatus(
      {
        schema: 1,
        id: ID,
        point: sha256,
        nodes: { n1: { result: 'verified', at: '2026-11-22T21:00:00.000Z', by: 'me' } },
      },
      [place.node],
    );
    const [listed] = await store().listPoints([place.node]);
    assert.deepEqual([listed?.id, listed?.state.kind, listed?.point], [ID, 'verified', point]);
    await ruin(app);
    await writeFile(join(place.root, 'absent'), 'came later');
    const source = await store().prepareRestore({ point, part, node: place.node });
    checkEnd('n1', await runTask(place.connection, forwardTask(place.node, 'run1', source, part.paths)));
    assert.equal(await census(app), was);
    assert.deepEqual(await readdir(place.root), ['.clusterlift-run1.0', 'app']);
    await removeReplaced(place.node, 'run1');
    assert.deepEqual(await readdir(place.root), ['app']);
    await store().removePoint(ID, [place.node]);
    assert.deepEqual(await store().listPoints([place.node]), []);
  });

  it('never shows the password in an argument, a file or the environment of restic', async () => {
    await ready();
    await mkdir(join(place.root, 'app'));
    const spy = join(place.dir, 'spy');
    await mkdir(spy);
    const seen = join(place.dir, 'seen');
    await writeFile(
      join(spy, 'restic'),
      `#!/bin/sh\n{ tr '\\0' '\\n' </proc/$$/cmdline; tr '\\0' '\\n' </proc/$$/environ; } >>${seen}\nexec ${restic} "$@"\n`,
      { mode: 0o755 },
    );
    await writeFile(join(place.node.stateDir, 'restic.env'), `PATH=${spy}:/usr/bin:/bin:/usr/sbin:/sbin\n`);
    const part = await store().createPart(request());
    await store().finishPoint(pointOf(part), [place.node]);
    await store().verifyPart({ point: pointOf(part), part, node: place.node });
    assert.match(await textOf(seen), /--tag/);
    assert.ok(!(await textOf(seen)).includes('secret'));
    const found = await output('grep', ['-rl', 'a "secret"', place.dir]);
    assert.equal(found.stdout, '');
  });

  it('tells a wrong password, no repository, no restic and one that is too old apart', async () => {
    await ready();
    const codeOf = async (tried: ResticStore): Promise<string> => {
      const [result] = await tried.check([place.node], 'write');
      assert.ok(result?.status === 'rejected');
      return (result.reason as { code: string }).code;
    };
    assert.equal(await codeOf(store('wrong')), 'restic-password');
    assert.equal(await codeOf(store(SECRET, join(place.dir, 'nowhere'))), 'restic-no-repository');
    await mkdir(join(place.root, 'app'));
    await assert.rejects(store('wrong').createPart(request()), withCode('restic-password'));
    const old = join(place.dir, 'old');
    await mkdir(old);
    await writeFile(join(old, 'restic'), '#!/bin/sh\necho "restic 0.14.0 compiled with go1.19.8 on linux/amd64"\n', {
      mode: 0o755,
    });
    await writeFile(join(place.node.stateDir, 'restic.env'), `PATH=${old}:/usr/bin:/bin\n`);
    assert.equal(await codeOf(store()), 'restic-too-old');
    await writeFile(join(place.node.stateDir, 'restic.env'), 'PATH=/nowhere:/usr/sbin:/sbin:/bin\n');
    const without = new ShellConnection('n1', { before: 'restic() { return 127; }' });
    const [missing] = await store().check([{ ...place.node, connection: without }], 'write');
    assert.ok(missing?.status === 'rejected' && withCode('restic-missing')(missing.reason));
  });

  it('finds a byte that flipped in the repository, and a snapshot that is gone', async () => {
    await ready();
    const app = join(place.root, 'app');
    await mkdir(app);
    await succeed('sh', ['-c', 'head -c 3000000 /dev/urandom > "$1/data"', 'sh', app]);
    const part = await store().createPart(request());
    const packs = (await succeed('find', [join(repository, 'data'), '-type', 'f', '-size', '+100k']))
      .split('\n')
      .filter((each) => each !== '');
    const [pack = ''] = packs;
    const bytes = await readFile(pack);
    bytes[50_000] = (bytes[50_000] ?? 0) ^ 1;
    await succeed('chmod', ['u+w', pack]);
    await writeFile(pack, bytes);
    const verdict = await store().verifyPart({ point: pointOf(part), part, node: place.node });
    assert.equal(verdict.result, 'broken');
    assert.match(verdict.reason ?? '', /cannot be read/);
    await rm(join(repository, 'snapshots'), { recursive: true });
    await mkdir(join(repository, 'snapshots'));
    assert.equal((await store().verifyPart({ point: pointOf(part), part, node: place.node })).result, 'broken');
  });

  it('removes the lock of a backup that was killed, and is not blocked by it', async () => {
    await ready();
    const app = join(place.root, 'app');
    await mkdir(app);
    await writeFile(join(app, 'file'), 'x');
    const part = await store().createPart(request());
    const env = { PATH: '/usr/bin:/bin', RESTIC_PASSWORD: SECRET, HOME: place.dir };
    const killed = spawn(restic, ['-r', repository, 'backup', '--stdin-from-command', 'sleep', '30'], {
      env,
      stdio: 'ignore',
    });
    // restic writes a lock beside its name first; a kill may leave that behind, and it locks nothing.
    const locks = async (): Promise<string[]> =>
      (await readdir(join(repository, 'locks'))).filter((name) => !name.includes('-tmp-'));
    while ((await locks()).length === 0) await sleep(20);
    killed.kill('SIGKILL');
    await once(killed, 'close');
    assert.equal((await locks()).length, 1);
    assert.deepEqual(await store().verifyPart({ point: pointOf(part), part, node: place.node }), {
      result: 'verified',
    });
    assert.deepEqual(await locks(), []);
  });

  it('keeps a point of a node on which nothing was there', async () => {
    await ready();
    const part = await store().createPart(request());
    assert.deepEqual(
      part.paths.map((each) => each.state),
      ['absent'],
    );
    assert.deepEqual(await store().verifyPart({ point: pointOf(part), part, node: place.node }), {
      result: 'verified',
    });
    await writeFile(join(place.root, 'app'), 'came later');
    const source = await store().prepareRestore({ point: pointOf(part), part, node: place.node });
    checkEnd('n1', await runTask(place.connection, forwardTask(place.node, 'run1', source, part.paths)));
    await removeReplaced(place.node, 'run1');
    assert.deepEqual(await readdir(place.root), []);
  });
});
