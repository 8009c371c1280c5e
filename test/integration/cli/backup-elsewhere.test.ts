import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { resticProgram } from '../../lab/restic';
import {
  type BackupScene,
  backupScene,
  censusOf,
  createPoint,
  elsewhere,
  LOCATIONS,
  pointsOf,
  readyLocation,
  withRestic,
} from './backup-scene';
import { needsLab, outcomes, run } from './scene';

/** The location of this suite that all nodes share through restic. */
const SHARED = 'shared';

describe('restore points of another machine', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  let was: string[];
  before(async function () {
    needsLab(this);
    scene = await backupScene(
      [{}, {}],
      { backup: { paths: ['/etc/acme', '/opt/acme'] } },
      {
        locations: ({ host }) => ({ [SHARED]: `restic:sftp:root@${host}:/srv/restic` }),
      },
    );
    for (const node of scene.nodes) {
      await node.writeFile('/root/.ssh/id_ed25519', await readFile(scene.lab.keyFile), 0o600);
      await node.writeFile('/root/.ssh/known_hosts', (await scene.vault.hostKeys()).join('\n') + '\n');
    }
    was = await censusOf(scene.nodes);
  });
  after(() => scene.lab.stop());

  for (const location of [...LOCATIONS, SHARED]) {
    it(`${location}: are listed and restored without anything that the first one kept`, async function () {
      const restic = location === 'restic' || location === SHARED;
      if (restic && resticProgram() === undefined) this.skip();
      if (location === SHARED)
        await run(
          scene.lab,
          ['backup', 'add', 'again', `restic:sftp:root@${scene.vault.host}:/srv/restic`],
          0,
          withRestic,
        );
      else await readyLocation(scene, location);
      if (restic) for (const node of scene.nodes) await node.must(COUNTED);
      const id = await createPoint(scene, location);
      // Check, backup, list it, keep it, list, read and check it, keep the verdict; then list and read both files. In one repository
      // a node may have to wait for the lock of another one.
      if (restic) await assertStarts(location === SHARED ? 15 : 11);
      const other = await elsewhere(scene);
      assert.deepEqual(await pointsOf(scene, location, other), await pointsOf(scene, location));
      for (const node of scene.nodes)
        await node.must('rm -rf /opt/acme && echo 9 > /etc/acme/release && touch /etc/acme/late');
      await assertStarts(9);
      const result = await run(scene.lab, ['backup', 'restore', id, '--location', location, '--yes'], 0, other);
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'restored' });
      // Beside what the restore itself needs: the point of what it replaces.
      if (restic) await assertStarts(3 + (location === SHARED ? 15 : 11));
      assert.deepEqual(await censusOf(scene.nodes), was);
    });
  }

  it('are restored node by node, where only those are named', async () => {
    const id = await createPoint(scene, 'files');
    for (const node of scene.nodes) await node.must('echo later > /opt/acme/program');
    const result = await run(
      scene.lab,
      ['backup', 'restore', id, '--nodes', 'n2', '--yes'],
      0,
      await elsewhere(scene, {}),
    );
    assert.deepEqual(outcomes(result), { n2: 'restored' });
    const now = await censusOf(scene.nodes);
    assert.equal(now[1], was[1]);
    assert.notEqual(now[0], was[0]);
  });

  /** Since the last look; without what asks for its version only. */
  async function assertStarts(most: number): Promise<void> {
    for (const node of scene.nodes) {
      if (!(await node.exists('/root/restic.log'))) continue;
      const starts = await node.must('cat /root/restic.log; : > /root/restic.log');
      assert.ok(
        starts.split('\n').length - 1 <= most,
        `more than ${String(most)} starts of restic on ${node.name}:\n${starts}`,
      );
    }
  }
});

/** A restic that notes its starts: each derives the key of the repository, which takes long on purpose. */
const COUNTED = `cd /usr/bin && : > /root/restic.log && if [ ! -e restic.real ]; then mv restic restic.real; fi && cat > restic <<'END' && chmod 755 restic
#!/bin/sh
[ "$1" = version ] || echo "$*" >> /root/restic.log
exec /usr/bin/restic.real "$@"
END`;
