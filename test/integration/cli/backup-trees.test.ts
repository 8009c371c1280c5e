import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { acmePackage } from '../../lab/acme';
import { resticProgram } from '../../lab/restic';
import { blocks, census, oddTree, ruin } from '../backup/places';
import { type BackupScene, backupScene, createPoint, pointsOf, readyLocation, withRestic } from './backup-scene';
import { needsLab, outcomes, run } from './scene';

/** `/opt/link` is a symlink, `/srv/later` is not there when the point is made. */
const PATHS = ['/opt/odd', '/opt/link', '/srv/later'];

describe('what a backup keeps, from the command line', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  let whole: string;
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}], { backup: { paths: PATHS, exclude: ['*.tmp', '/opt/odd/cache'] } });
    const node = scene.lab.node('n1');
    await oddTree(at('/opt/odd'), '2G');
    await node.must('ln -s odd /opt/link && touch -h -d "2002-02-02 02:02:02.5" /opt/link');
    whole = await census(at('/opt/odd'));
  });
  after(() => scene.lab.stop());

  const at = (path: string): string => join(scene.lab.node('n1').root, path);

  for (const location of ['files', 'vault', 'restic']) {
    it(`${location}: all kinds of files come back as they were, what came later is gone, also while one changes`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      const node = scene.lab.node('n1');
      await readyLocation(scene, location);
      const link = await node.must('stat -c "%N %y" /opt/link');
      // Left out of the point, so gone afterwards; and one that never stands still.
      await node.must(
        'cd /opt/odd && mkdir cache && echo x > cache/file && echo x > any.tmp && mkdir busy && touch -r sub busy && touch -d "2010-01-01 00:00:00.5" .',
      );
      await node.must(
        '(while [ -d /opt/odd/busy ]; do head -c 300000 /dev/urandom > /opt/odd/busy/now; : > /opt/odd/busy/now; done) >/dev/null 2>&1 &',
      );
      const id = await createPoint(scene, location);
      // Moved first: what writes there would put a file into a directory that is being removed.
      await node.must('mv /opt/odd/busy /opt/busy && rm -rf /opt/busy /opt/odd/cache /opt/odd/any.tmp');
      await ruin(at('/opt/odd'));
      await node.must(
        'rm /opt/link; mkdir /opt/link; echo x > /opt/link/x; mkdir -p /srv/later/deep; echo x > /srv/later/deep/x',
      );
      const result = await run(scene.lab, ['backup', 'restore', id, '--yes'], 0, withRestic);
      assert.deepEqual(outcomes(result), { n1: 'restored' });
      assert.ok(await node.exists('/opt/odd/busy/now'));
      assert.ok(!(await node.exists('/opt/odd/cache')) && !(await node.exists('/opt/odd/any.tmp')));
      await node.must('cd /opt/odd && rm -rf busy && touch -d "2010-01-01 00:00:00.5" .');
      assert.equal(await census(at('/opt/odd')), whole);
      assert.ok((await blocks(at('/opt/odd/sparse'))) < 8192, 'the sparse file takes its size now');
      assert.equal(await node.must('stat -c "%N %y" /opt/link'), link);
      assert.ok(!(await node.exists('/srv/later')));
      assert.equal(await node.must('ls -A /srv /opt | grep clusterlift || :'), '');
    });
  }

  it("the cluster's own paths beat those of the package", async () => {
    const { path } = await acmePackage('2.0');
    await run(scene.lab, ['upgrade', path, 'backup', 'files'], 0);
    const point = (await pointsOf(scene, 'files')).at(-1);
    assert.deepEqual([point?.state, point?.nodes['n1']?.paths, point?.reason], ['verified', PATHS, 'upgrade']);
  });
});
