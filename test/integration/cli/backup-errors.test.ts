import { strict as assert } from 'node:assert';
import { type CliEvent, type CliOptions, type CliResult, said } from '../../lab/cli';
import { resticProgram } from '../../lab/restic';
import {
  assertUnlocked,
  type BackupScene,
  backupScene,
  censusOf,
  createPoint,
  pointsOf,
  readyLocation,
  VAULT,
  withRestic,
} from './backup-scene';
import { needsLab, outcomes, run, start } from './scene';

const PASSWORD = 'the right one';

describe('a backup location that fails', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  let was: string[];
  before(async function () {
    needsLab(this);
    scene = await backupScene(
      [{}, {}],
      { backup: { paths: ['/etc/acme', '/opt/acme'] } },
      {
        server: { users: [{ name: 'keeper', password: PASSWORD, key: false }] },
        locations: ({ host }) => ({
          away: `sftp://root@10.255.255.1:1${VAULT}`,
          closed: `sftp://root@${host}:1${VAULT}`,
          keeper: `sftp://keeper@${host}/home/keeper/points`,
        }),
      },
    );
    await scene.vault.must(
      `mount -t tmpfs -o size=40m tmpfs ${VAULT}; mkdir -p /home/keeper/points && chown keeper /home/keeper/points`,
    );
    for (const node of scene.nodes)
      await node.must(
        'head -c 8000000 /dev/urandom > /opt/acme/big; mount -t tmpfs -o size=30m,mode=755 tmpfs /var/backups/acme',
      );
    was = await censusOf(scene.nodes);
  });
  after(() => scene.lab.stop());

  /** Refused: as it was, free, closed, and nothing that looks usable. */
  async function assertNothingHappened(location: string, points: readonly string[] = []): Promise<void> {
    assert.deepEqual(await censusOf(scene.nodes), was);
    await assertUnlocked(scene.nodes);
    const runs = await run(scene.lab, ['runs'], 0);
    assert.deepEqual(
      runs.events.filter((each) => each['state'] !== 'finished').map((each) => each['run']),
      [],
    );
    const usable = (await pointsOf(scene, location)).filter(
      ({ state }) => state === 'verified' || state === 'complete',
    );
    assert.deepEqual(
      usable.map(({ id }) => id),
      points,
    );
  }

  async function refused(
    args: readonly string[],
    status: number,
    words: RegExp,
    options: CliOptions = withRestic,
  ): Promise<CliResult> {
    const result = await run(scene.lab, args, status, options);
    assert.match(result.stderr, words, said(result));
    return result;
  }

  const taking = (event: CliEvent): boolean =>
    event.type === 'progress' && event['step'] === 'backup' && Number(event['bytes'] ?? event['done']) > 500_000;

  it('full when the run is planned: refused, with the way to make room', async () => {
    await scene.vault.must(`head -c 38m /dev/zero > ${VAULT}/filler`);
    await refused(['backup', 'create', 'vault'], 3, /backup-space/);
    await scene.vault.must(`rm ${VAULT}/filler`);
    await assertNothingHappened('vault');
  });

  for (const location of ['vault', 'files']) {
    it(`${location}: full in the middle`, async () => {
      for (const node of scene.nodes) await node.slow(16_000);
      const command = start(scene.lab, ['backup', 'create', location]);
      await command.waitFor((event) => event.type === 'step.started' && event['step'] === 'backup');
      const [where, places] =
        location === 'vault' ? ([VAULT, [scene.vault]] as const) : (['/var/backups/acme', scene.nodes] as const);
      for (const place of places) await place.run(`head -c 100m /dev/zero > ${where}/filler`);
      const result = await command.done;
      for (const node of scene.nodes) await node.slow();
      for (const place of places) await place.must(`rm ${where}/filler`);
      assert.equal(result.status, 1, said(result));
      assert.match(result.stderr, /backup-full/);
      await assertNothingHappened(location);
      for (const place of places) assert.equal((await place.must(`ls -A ${where}`)).trim(), '');
    });
  }

  it('cut in the middle and back in time: the run goes on', async () => {
    for (const node of scene.nodes) await node.slow(16_000);
    const command = start(scene.lab, ['backup', 'create', 'vault']);
    await command.waitFor(taking);
    await scene.vault.restartSshd();
    for (const node of scene.nodes) await node.slow();
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'backed-up', n2: 'backed-up' });
    const points = await pointsOf(scene, 'vault');
    assert.deepEqual(
      points.map(({ state }) => state),
      ['verified'],
    );
    assert.equal(await scene.vault.must(`find ${VAULT} -name '*.part'`), '');
    await scene.vault.must(`rm -rf ${VAULT}/*`);
  });

  it('cut in the middle for good: told, and nothing is locked', async () => {
    for (const node of scene.nodes) await node.slow(16_000);
    const command = start(scene.lab, ['backup', 'create', 'vault']);
    await command.waitFor(taking);
    await scene.vault.stopSshd();
    for (const node of scene.nodes) await node.slow();
    const result = await command.done;
    await scene.vault.startSshd();
    assert.equal(result.status, 1, said(result));
    assert.match(result.stderr, /server-lost/);
    await assertNothingHappened('vault');
    await scene.vault.must(`rm -rf ${VAULT}/*`);
  });

  it('with another password: refused; with the right one it is made', async () => {
    const wrong = await refused(['backup', 'create', 'keeper'], 3, /auth-failed/, {
      env: { CLUSTERLIFT_BACKUP_PASSWORD: 'wrong' },
    });
    assert.doesNotMatch(wrong.stdout + wrong.stderr, /the right one|: wrong/);
    await refused(['backup', 'create', 'keeper'], 3, /auth-failed/, {});
    const right = await run(scene.lab, ['backup', 'create', 'keeper'], 0, {
      env: { CLUSTERLIFT_BACKUP_PASSWORD: PASSWORD },
    });
    assert.deepEqual(outcomes(right), { n1: 'backed-up', n2: 'backed-up' });
  });

  it('a repository with another password', async function () {
    if (resticProgram() === undefined) this.skip();
    await refused(['backup', 'create', 'restic'], 3, /restic-no-repository/);
    await readyLocation(scene, 'restic');
    await refused(['backup', 'create', 'restic'], 3, /restic-password/, {
      env: { CLUSTERLIFT_RESTIC_PASSWORD: 'wrong' },
    });
    await refused(['backup', 'create', 'restic'], 3, /restic-password-missing/, {});
    await refused(['backup', 'list', 'restic'], 3, /restic-password/, {
      env: { CLUSTERLIFT_RESTIC_PASSWORD: 'wrong' },
    });
    await assertNothingHappened('restic');
  });

  it('that cannot be reached or written', async () => {
    await refused(['backup', 'create', 'closed'], 3, /host-unreachable/);
    await refused(['backup', 'list', 'closed'], 3, /host-unreachable/);
    await scene.vault.must(`mount -o remount,ro ${VAULT}`);
    await refused(['backup', 'create', 'vault'], 3, /server-/);
    await scene.vault.must(`mount -o remount,rw ${VAULT}`);
    for (const node of scene.nodes) await node.must('mount -o remount,ro /var/backups/acme');
    await refused(['backup', 'create', 'files'], 3, /backup-write/);
    for (const node of scene.nodes) await node.must('mount -o remount,rw /var/backups/acme');
    await assertNothingHappened('vault');
    await assertNothingHappened('files');
  });

  for (const location of ['vault', 'files', 'restic']) {
    it(`${location}: a bit that flipped at rest is found, the verdict is kept, and nothing of it is restored`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      await readyLocation(scene, location).catch(() => undefined);
      const id = await createPoint(scene, location);
      const [place, files] =
        location === 'vault'
          ? ([scene.vault, `${VAULT}/${id}/n1.tar.*`] as const)
          : ([
              scene.lab.node('n1'),
              location === 'files'
                ? `/var/backups/acme/${id}/n1.tar.*`
                : '$(find /var/backups/restic/data -type f -size +1000k)',
            ] as const);
      await place.must(
        `for f in ${files}; do chmod u+w $f; printf '\\377\\377\\377\\377' | dd of=$f bs=1 seek=70000 conv=notrunc 2>/dev/null; done`,
      );
      const verify = await run(scene.lab, ['backup', 'verify', id], 3, withRestic);
      assert.deepEqual(verify.events.map((each) => each['result'] ?? each['state']).sort(), [
        'broken',
        'broken',
        'verified',
      ]);
      const [row] = (await pointsOf(scene, location)).filter((each) => each.id === id);
      assert.equal(row?.state, 'broken');
      await refused(['backup', 'restore', id, '--yes'], 3, /point-broken/);
      await assertNothingHappened(location);
    });
  }

  it('a torn point.json: told as such, never usable', async () => {
    for (const location of ['vault', 'files']) {
      const id = await createPoint(scene, location);
      const places = location === 'vault' ? [scene.vault] : scene.nodes;
      const dir = location === 'vault' ? VAULT : '/var/backups/acme';
      for (const place of places) await place.must(`truncate -s 100 ${dir}/${id}/point.json`);
      const [row] = (await pointsOf(scene, location)).filter((each) => each.id === id);
      assert.equal(row?.state, 'broken');
      await refused(['backup', 'restore', id, '--yes'], 3, /point-torn/);
      await refused(['backup', 'verify', id], 3, /point-torn/);
      await assertNothingHappened(location);
    }
  });
});
