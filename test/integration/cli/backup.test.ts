import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions, setKnob } from '../../lab/acme';
import { said } from '../../lab/cli';
import { resticProgram } from '../../lab/restic';
import {
  type BackupScene,
  backupScene,
  censusOf,
  createPoint,
  LOCATIONS,
  pointsOf,
  readyLocation,
  withRestic,
} from './backup-scene';
import { needsLab, outcomes, run } from './scene';

describe('backups from the command line', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  before(function () {
    needsLab(this);
  });
  afterEach(() => scene.lab.stop());

  for (const location of LOCATIONS) {
    it(`${location}: a restore point is made, verified, listed and restored exactly, without any package`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      scene = await backupScene([{}, {}], { backup: { paths: ['/etc/acme', '/opt/acme'] } });
      await readyLocation(scene, location);
      const before = await censusOf(scene.nodes);
      const id = await createPoint(scene, location);
      for (const node of scene.nodes) {
        await node.must(
          'cd /opt/acme && echo changed > program && rm -rf "a dir" && mkdir late && echo 3.0 > /etc/acme/release',
        );
      }
      const plan = await run(scene.lab, ['backup', 'restore', id, '--dry-run'], 0, withRestic);
      assert.equal(plan.events[0]?.type, 'plan');
      const result = await run(scene.lab, ['backup', 'restore', id, '--yes'], 0, withRestic);
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'restored' });
      assert.deepEqual(await censusOf(scene.nodes), before);
    });

    it(`${location}: an upgrade that fails on one node is rolled back everywhere`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      scene = await backupScene();
      await readyLocation(scene, location);
      const { path } = await acmePackage('2.0');
      const before = await censusOf(scene.nodes);
      await setKnob(scene.lab.node('n2'), 'upgrade', 'fail', 7);
      const result = await run(
        scene.lab,
        ['upgrade', path, 'backup', location, '--on-failure', 'rollback'],
        1,
        withRestic,
      );
      assert.equal(result.finished?.outcome, 'rolled-back', said(result));
      assert.deepEqual(outcomes(result), { n1: 'rolled-back', n2: 'rolled-back', n3: 'rolled-back' });
      assert.deepEqual(await censusOf(scene.nodes), before);
      for (const node of scene.nodes) {
        assert.equal(await acmeVersion(node), '1.0');
        assert.equal((await executions([node], 'health')).at(-1)?.exit, 0);
        assert.ok(await node.exists('/var/lib/acme/running'));
      }
      assert.deepEqual(
        (await pointsOf(scene, location)).map(({ state }) => state),
        ['verified'],
      );
      const status = await run(scene.lab, ['status'], 0);
      assert.deepEqual(
        status.events.map((event) => [event['version'], event['health']]),
        [1, 2, 3].map(() => ['1.0', 'healthy']),
      );
    });
  }
});
