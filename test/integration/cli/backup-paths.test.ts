import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../../lab/acme';
import { said } from '../../lab/cli';
import { census } from '../backup/places';
import { assertUnlocked, type BackupScene, backupScene, createPoint, pointsOf } from './backup-scene';
import { needsLab, outcomes, run } from './scene';

/** In the lower layer of the node's overlay: the kernel does not rename such a directory. */
const LOWER = '/usr/share/common-licenses';
const STATE = '/srv/state/clusterlift';

/** Never swapped (docs/backups.md). */
const REFUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['/etc', '/usr', '/var', '/home', '/root', '/boot', '/opt', '/proc/1', '/dev/shm/x'].map((path) => [
      path,
      'path-system',
    ]),
  ),
  '/home/platform': 'path-home',
  '/home/platform/.ssh': 'path-sshd',
  '/etc/ssh': 'path-sshd',
  '/etc/ssh/sshd_config': 'path-sshd',
  '/usr/sbin/sshd': 'path-sshd',
  '/opt/alias/ssh': 'path-sshd',
  '/data': 'path-mount',
  '/srv/outer': 'path-mount',
  '/srv/state': 'path-state',
  [STATE]: 'path-state',
  [`${STATE}/runs`]: 'path-state',
  '/var/backups/acme': 'path-location',
  '/var/backups/acme/x': 'path-location',
  '/opt/acme/sub': 'path-nested',
  '/srv/loose/link/acme': 'path-unsafe',
};

describe('paths of backups and restores, from the command line', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  before(async function () {
    needsLab(this);
    scene = await backupScene(
      [{ users: [{ name: 'platform', sudo: 'nopasswd' }] }],
      { user: 'platform', become: 'sudo', stateDir: STATE },
      {
        locations: () => ({ inside: 'file:///srv/app/points', linked: 'file:///opt/there' }),
      },
    );
    await node().must(
      'ln -s /etc /opt/alias; ln -s /srv/app/points /opt/there; mkdir -p /data /srv/outer/inner /srv/state /srv/app/points; for m in /data /srv/outer/inner; do mount -t tmpfs -o size=10m tmpfs $m; done; mkdir /data/app; echo 1 > /data/app/file; echo 1 > /srv/app/file; mkdir /srv/loose; ln -s /var/lib /srv/loose/link; chown -hR platform /srv/loose',
    );
  });
  after(() => scene.lab.stop());

  const node = () => scene.lab.node('n1');
  const paths = (...of: string[]): Promise<void> => scene.edit((cluster) => (cluster['backup'] = { paths: of }));
  interface Check {
    code: string;
    path: string;
    overridden: boolean;
    message: string;
  }
  async function checks(args: readonly string[], status: number): Promise<Check[]> {
    const result = await run(scene.lab, [...args, '--dry-run'], status);
    return (result.events.find((each) => 'checks' in each)?.['checks'] ?? []) as Check[];
  }

  it('each that would take the system, the login or ourselves away is refused when the run is planned, and no override helps', async () => {
    await paths(...Object.keys(REFUSED), '/opt/acme');
    const overrides = [...new Set(Object.values(REFUSED))].flatMap((code) => ['--override', code]);
    for (const more of [[], overrides]) {
      const found = await checks(['backup', 'create', 'files', ...more], 3);
      for (const [path, code] of Object.entries(REFUSED)) {
        const fits = found.filter((each) => each.path === path && each.code === code && !each.overridden);
        assert.equal(fits.length, 1, `${path}: ${JSON.stringify(found.filter((each) => each.path === path))}`);
      }
      assert.ok(!found.some((each) => each.path === '/opt/acme' && each.code !== 'path-nested'));
    }
    assert.deepEqual(await pointsOf(scene, 'files'), []);
    await paths('/');
    assert.match((await run(scene.lab, ['backup', 'create', 'files'], 2)).stderr, /config-bad-value/);
  });

  it('none at all is told as such', async () => {
    await scene.edit((cluster) => delete cluster['backup']);
    const result = await run(scene.lab, ['backup', 'create', 'files'], 3);
    assert.match(result.stderr, /no paths are named.*path-none/s);
  });

  for (const [location, how] of [
    ['inside', 'inside'],
    ['linked', 'that a link leads inside'],
  ] as const) {
    it(`a location ${how} is left out of the backup with a warning, and such a point is not restored over it`, async () => {
      await paths('/srv/app');
      assert.deepEqual(
        (await checks(['backup', 'create', location], 0)).map(({ code }) => code),
        ['location-inside'],
      );
      const id = await createPoint(scene, location);
      const members = (await node().must(`tar -tf /srv/app/points/${id}/n1.tar.*`)).trim().split('\n');
      assert.ok(members.includes('./srv/app/file'), members.join(' '));
      assert.deepEqual(
        members.filter((each) => each.includes(id)),
        [],
      );
      const found = await checks(['backup', 'restore', id, '--override', 'path-location'], 3);
      assert.ok(found.some(({ code, overridden }) => code === 'path-location' && !overridden));
    });
  }

  it('an upgrade that may roll back by itself is refused when its point would lie inside what it swaps', async () => {
    await paths('/srv/app');
    const { path } = await acmePackage('2.0');
    for (const location of ['inside', 'linked']) {
      const codes = async (args: readonly string[], status: number): Promise<string[]> =>
        (await checks(['upgrade', path, 'backup', location, ...args], status)).map(({ code }) => code);
      assert.ok((await codes([], 0)).includes('location-inside'));
      assert.ok(
        (await codes(['--on-failure', 'rollback', '--override', 'path-location'], 3)).includes('path-location'),
      );
    }
  });

  it('an upgrade that may roll back by itself is refused when somebody could lead its restore elsewhere', async () => {
    const { path } = await acmePackage('2.0');
    const codes = async (): Promise<string[]> =>
      (await checks(['upgrade', path, 'backup', 'files', '--on-failure', 'rollback'], 3)).map(({ code }) => code);
    await paths('/srv/loose/link/acme');
    assert.ok((await codes()).includes('path-unsafe'));
    // On a file system of its own, which belongs to the user, the state directory has to hold old and new.
    await node().must(
      'mkdir /srv/own && mount -t tmpfs -o size=400m tmpfs /srv/own && mkdir /srv/own/app && chown -R platform /srv/own && mount -t tmpfs -o size=20m tmpfs /srv/state && head -c 15000000 /dev/zero > /srv/own/app/file',
    );
    await paths('/srv/own/app');
    assert.ok((await codes()).includes('restore-space'));
    await node().must('umount /srv/own /srv/state && rmdir /srv/own');
  });

  it('what became a mount point since is not swapped away', async () => {
    await paths('/opt/acme');
    const id = await createPoint(scene, 'files');
    await node().must('mkdir -p /opt/acme/volume && mount -t tmpfs tmpfs /opt/acme/volume');
    const result = await run(scene.lab, ['backup', 'restore', id, '--yes', '--override', 'path-mount'], 3);
    assert.match(result.stderr, /path-mount/);
    await node().must('umount /opt/acme/volume && rmdir /opt/acme/volume');
    await assertUnlocked([]);
  });

  it('where the kernel renames nothing they are restored in place; a restore that fails brings back the copy that was kept', async function () {
    if (!(await node().exists(LOWER))) this.skip();
    const renamed = await node().run(`perl -e 'exit(rename($ARGV[0], "$ARGV[0].new") ? 0 : 1)' ${LOWER}`);
    assert.notEqual(renamed.code, 0, 'this file system renames it');
    const all = [LOWER, '/data/app', '/etc/acme', '/opt/acme'];
    // Size and links of a directory say on which layers of the overlay it lies.
    const now = (): Promise<string[]> =>
      Promise.all(
        all
          .filter((path) => path !== '/data/app')
          .map(async (path) =>
            (await census(join(node().root, path))).replace(/^"d (\d+ \S+) \d+ (\S+) \d+ /gm, '"d $1 $2 '),
          ),
      );
    const inside = (): Promise<string> =>
      node().must(`cd /data/app && find . -printf '%p %m %T@\\n' | sort && cat file`);
    await paths(...all);
    const [was, data] = [await now(), await inside()];
    const { path } = await acmePackage('2.0', { manifest: { timeouts: { health: '1s' } } });
    await run(scene.lab, ['upgrade', path, 'backup', 'files'], 0);
    const id = (await pointsOf(scene, 'files')).at(-1)?.id ?? '';
    await node().must(`cd ${LOWER} && rm GPL-2 && echo changed > GPL-3 && mkdir late && echo 2 > /data/app/file`);
    const [later, laterData] = [await now(), await inside()];

    await setKnob(node(), 'health', 'fail', 1);
    const failed = await run(scene.lab, ['backup', 'restore', id, '--yes'], 1);
    assert.deepEqual(outcomes(failed), { n1: 'failed' }, said(failed));
    assert.deepEqual([await now(), await inside(), await acmeVersion(node())], [later, laterData, '2.0']);
    await clearKnob(node(), 'health', 'fail');

    const restored = await run(scene.lab, ['backup', 'restore', id, '--yes'], 0);
    assert.deepEqual(outcomes(restored), { n1: 'restored' });
    assert.deepEqual([await now(), await inside(), await acmeVersion(node())], [was, data, '1.0']);
    assert.equal(await node().must('ls -A /usr/share /data /opt /etc | grep clusterlift || :'), '');
  });
});
