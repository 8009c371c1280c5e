import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { type CliOptions, type CliResult, said } from '../../lab/cli';
import { resticProgram } from '../../lab/restic';
import {
  type BackupScene,
  backupScene,
  codes,
  createPoint,
  elsewhere,
  LOCATIONS,
  pointsOf,
  readyLocation,
  withRestic,
} from './backup-scene';
import { ended, needsLab, outcomes, run, start } from './scene';

const STATE = '/var/lib/clusterlift';

/** Another machine, which knows nothing of the run, cleans while a restore is on. */
describe('backup clean beside a restore', function () {
  this.timeout(600_000);
  let scene: BackupScene;
  let away: CliOptions;
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}], { backup: { paths: ['/etc/acme', '/opt/acme'] } });
    const { path } = await acmePackage('2.0');
    await run(scene.lab, ['upgrade', path], 0);
    away = await elsewhere(scene);
  });
  after(() => scene.lab.stop());

  const clean = (location: string): Promise<CliResult> =>
    start(scene.lab, ['backup', 'clean', location, 'keep', '1', '--yes'], away).done;
  const ids = async (location: string): Promise<string[]> => (await pointsOf(scene, location)).map(({ id }) => id);
  async function two(location: string): Promise<readonly [string, string]> {
    return [await createPoint(scene, location), await createPoint(scene, location)];
  }

  for (const location of LOCATIONS) {
    it(`keeps the point of the restore from its first lock on: ${location}`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      await readyLocation(scene, location);
      const [first] = await two(location);
      const restore = start(scene.lab, ['backup', 'restore', first, '--yes'], withRestic);
      await restore.waitFor(ended('n1', 'lock'));
      const results: CliResult[] = [];
      let over = '';
      void restore.done.then(() => (over = 'over'));
      do results.push(await clean(location));
      while (over === '' && results.length < 4);
      const result = await restore.done;
      assert.equal(result.status, 0, said(result));
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'restored' });
      const [earliest] = results;
      assert.ok(earliest);
      assert.ok(
        earliest.status === 0 || (earliest.status === 5 && codes(earliest).includes('clean-locked')),
        said(earliest),
      );
      if (results.length > 1) return;
      assert.ok((await ids(location)).includes(first), 'the one clean beside it removed nothing');
    });
  }

  it('removes nothing while a node is locked by a run whose plan is nowhere to read, and everything once it is free', async () => {
    const [first, second] = await two('vault');
    const before = await ids('vault');
    const n2 = scene.lab.node('n2');
    const claim = `${STATE}/lock/e900`;
    await n2.must(
      `mkdir ${claim} && echo 20991231T000000Z-lab-beef > ${claim}/run && echo t > ${claim}/token && echo '{}' > ${claim}/owner.json && echo 'x 0 0' > ${claim}/beat`,
    );
    const refused = await clean('vault');
    assert.equal(refused.status, 5, said(refused));
    assert.match(refused.stderr.replace(/\s+/g, ' '), /n2 is locked by run 20991231T000000Z-lab-beef/);
    assert.deepEqual(await ids('vault'), before);
    await n2.must(`rm -r ${claim}`);
    const cleaned = await clean('vault');
    assert.equal(cleaned.status, 0, said(cleaned));
    const left = await ids('vault');
    assert.ok(!left.includes(first) && left.includes(second), left.join());
  });

  it('a restore that comes after the last look of a clean stops before anything is changed; a person goes on', async () => {
    const [first] = await two('vault');
    const ran = await executions(scene.nodes);
    const n1 = scene.lab.node('n1');
    const mark = `${STATE}/points/${first}.removing.0123456789abcdef`;
    const planned = await run(scene.lab, ['backup', 'restore', first, '--dry-run'], 0);
    assert.doesNotMatch(said(planned), /removal-begun/);
    await n1.must(`: > ${mark}`);
    const refused = await run(scene.lab, ['backup', 'restore', first, '--yes'], 3);
    assert.ok(codes(refused).includes('removal-begun'), said(refused));

    // Announced after the plan was made: the lock of n2 is waited for meanwhile.
    await n1.must(`rm ${mark}`);
    for (const node of scene.nodes) await node.slow(150);
    const late = start(scene.lab, ['backup', 'restore', first, '--yes']);
    await late.waitFor('run.started');
    await n1.must(`: > ${mark}`);
    for (const node of scene.nodes) await node.slow();
    const result = await late.done;
    assert.equal(result.status, 3, said(result));
    assert.ok(codes(result).includes('removal-begun'), said(result));
    assert.deepEqual(await executions(scene.nodes), ran, 'nothing was stopped');

    const gone = await run(scene.lab, ['backup', 'restore', first, '--override', 'removal-begun=n1', '--yes'], 0);
    assert.deepEqual(outcomes(gone), { n1: 'restored', n2: 'restored' });
    assert.ok(!(await n1.exists(mark)), 'the word of the clean that was interrupted is gone');
    assert.equal(await acmeVersion(n1), '2.0');
  });

  it('keeps the point of an upgrade that may still roll back, from its first lock on', async () => {
    const { path } = await acmePackage('3.0');
    await createPoint(scene, 'vault');
    const [n1] = scene.nodes;
    assert.ok(n1);
    await setKnob(n1, 'stop', 'wait');
    const upgrade = start(scene.lab, ['upgrade', path, 'backup', 'vault', '--on-failure', 'rollback']);
    const made = await upgrade.waitFor((event) => event.type === 'point' && event['state'] === 'verified');
    await createUnverified();
    const cleaned = await clean('vault');
    assert.equal(cleaned.status, 0, said(cleaned));
    const row = cleaned.events.find((event) => event['id'] === made['id']);
    assert.deepEqual([row?.['removed'], row?.['why']], [false, 'an open run refers to it']);
    await clearKnob(n1, 'stop', 'wait');
    const result = await upgrade.done;
    assert.equal(result.status, 0, said(result));
  });

  /** A newer point, so that the number to keep alone does not save the older one. */
  async function createUnverified(): Promise<void> {
    const [newest] = (await ids('vault')).slice(-1);
    const later = String(newest).replace(/^\d{8}T\d{6}Z/, '20991231T000000Z');
    const text = await scene.vault.readFile(`/srv/backups/${String(newest)}/point.json`);
    await scene.vault.must(
      `mkdir /srv/backups/${later}; cp /srv/backups/${String(newest)}/*.tar.* /srv/backups/${later}/`,
    );
    await scene.vault.writeFile(`/srv/backups/${later}/point.json`, text.replaceAll(String(newest), later));
  }
});
