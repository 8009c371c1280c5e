import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions } from '../../lab/acme';
import { type CliResult, said } from '../../lab/cli';
import { sha256Hex } from '../../../src/backup/points/canonical';
import { encode, type Point } from '../../../src/backup/points/point';
import { assertUnlocked, type BackupScene, backupScene, censusOf, pointsOf, VAULT } from './backup-scene';
import { needsLab, outcomes, run, writtenFiles } from './scene';

/** Whoever has the backup server may write there what they like, and must not become root on the nodes. */
describe('a backup server that was taken over', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  let id: string;
  let original: string;
  let was: string[];
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}]);
    const { path } = await acmePackage('2.0');
    await run(scene.lab, ['upgrade', path, 'backup', 'vault'], 0);
    id = (await pointsOf(scene, 'vault'))[0]?.id ?? '';
    original = await scene.vault.readFile(`${VAULT}/${id}/point.json`);
    await scene.vault.must(`cp -a ${VAULT}/${id} /srv/original`);
    was = await censusOf(scene.nodes);
  });
  after(() => scene.lab.stop());
  beforeEach(() => scene.vault.must(`rm -rf ${VAULT}/* && cp -a /srv/original ${VAULT}/${id}`));

  const written = (): Promise<string[]> => Promise.all(scene.nodes.map(writtenFiles));
  const apartFromState = (texts: readonly string[]): string[] =>
    texts.map((text) =>
      text
        .split('\n')
        .filter((each) => !each.startsWith('./var/lib/clusterlift/'))
        .join('\n'),
    );

  /** Refused, and no script ran; a plan that is refused leaves not even a trace in the state directory. */
  async function refused(
    args: readonly string[],
    words: RegExp,
    when: 'planned' | 'started' = 'planned',
  ): Promise<CliResult> {
    const [files, scripts] = [await written(), await executions(scene.nodes)];
    const result = await run(scene.lab, ['backup', 'restore', ...args, '--yes'], 3);
    assert.match(result.stderr, words, said(result));
    const now = await written();
    if (when === 'planned') assert.deepEqual(now, files);
    assert.deepEqual(apartFromState(now), apartFromState(files));
    assert.deepEqual(await executions(scene.nodes), scripts);
    assert.deepEqual(await censusOf(scene.nodes), was);
    for (const node of scene.nodes)
      assert.equal(await node.must('ls /var/lib/clusterlift/restore 2>/dev/null || :'), '');
    await assertUnlocked(scene.nodes);
    return result;
  }

  function put(point: Point): Promise<void> {
    return scene.vault.writeFile(`${VAULT}/${point.id}/point.json`, encode(point).text, 0o600);
  }

  /** The same under another id: nobody knows it. */
  async function foreign(change: (point: Point) => Point = (point) => point): Promise<string> {
    const other = id.replace(/[0-9a-f]{6}$/, 'abcdef');
    await scene.vault.must(`mv ${VAULT}/${id} ${VAULT}/${other} && rm -f ${VAULT}/${other}/status.json`);
    const point = change({ ...(JSON.parse(original) as Point), id: other });
    await put(point);
    // It says of itself what suits it.
    const nodes = Object.fromEntries(
      Object.keys(point.nodes).map((name) => [name, { result: 'verified' as const, at: point.created, by: 'me' }]),
    );
    await scene.vault.writeFile(
      `${VAULT}/${other}/status.json`,
      encode({ schema: 1, id: other, point: encode(point).sha256, nodes }).text,
    );
    return other;
  }

  /** Makes the archive of n1 anew, and gives the point every digest that belongs to it. */
  async function forge(point: Point, script: string): Promise<Point> {
    const dir = `${VAULT}/${point.id}`;
    await scene.vault.must(
      `rm -rf /srv/evil ${dir}/n1.tar.*; mkdir /srv/evil; cd /srv/evil; ${script}; gzip -n a.tar; cp a.tar.gz ${dir}/n1.tar.gz`,
    );
    const [sha256 = '', bytes = ''] = (
      await scene.vault.must('cd /srv/evil; openssl dgst -sha256 -r a.tar.gz | cut -c 1-64; wc -c < a.tar.gz')
    )
      .trim()
      .split('\n');
    const part = point.nodes['n1'];
    assert.ok(part?.data.kind === 'archive');
    const data = { ...part.data, file: 'n1.tar.gz', compression: 'gzip' as const, bytes: Number(bytes), sha256 };
    return { ...point, nodes: { ...point.nodes, n1: { ...part, data } } };
  }

  it('a changed point.json is refused, and no override helps', async () => {
    const script = Buffer.from('#!/bin/sh\ntouch /root/owned\n');
    const point = JSON.parse(original) as Point;
    const scripts = { ...point.scripts, 'bin/stop': { content: script.toString('base64'), sha256: sha256Hex(script) } };
    await put({ ...point, scripts });
    await refused([id], /point-changed/);
    await refused([id, '--override', 'foreign-point', '--override', 'point-changed'], /point-changed/);
  });

  it('a changed archive with all digests that belong to it is refused', async () => {
    const point = JSON.parse(original) as Point;
    await put(
      await forge(
        point,
        'mkdir -p opt/acme etc/acme; echo evil > opt/acme/program; tar -cf a.tar ./etc/acme ./opt/acme',
      ),
    );
    await refused([id], /point-changed/);
  });

  it('a changed archive alone is refused before anything is stopped', async () => {
    await scene.vault.must(
      `f=$(echo ${VAULT}/${id}/n1.tar.*); printf x | dd of=$f bs=1 seek=20 conv=notrunc 2>/dev/null`,
    );
    await refused([id], /restore-digest/, 'started');
  });

  const EVIL: readonly (readonly [string, string])[] = [
    [
      'with ../',
      'mkdir -p opt/acme etc/acme; echo x > evil; tar -c -P --transform "s,^evil$,./opt/acme/../../root/owned," -f a.tar ./etc/acme ./opt/acme evil',
    ],
    [
      'with absolute names',
      'mkdir -p opt/acme etc/acme; echo x > evil; tar -c -P --transform "s,^evil$,/root/owned," -f a.tar ./etc/acme ./opt/acme evil',
    ],
    [
      'through a symlink',
      'mkdir -p opt/acme etc/acme; ln -s /root opt/acme/out; echo x > evil; tar -c -P --transform "s,^evil$,./opt/acme/out/owned," -f a.tar ./etc/acme ./opt/acme evil',
    ],
    ['that are devices', 'mkdir -p opt/acme etc/acme; mknod opt/acme/disk b 8 0; tar -cf a.tar ./etc/acme ./opt/acme'],
  ];
  for (const [what, script] of EVIL) {
    it(`members ${what} are refused even from a point that a person took on`, async () => {
      const other = await foreign();
      const point = await forge({ ...(JSON.parse(original) as Point), id: other }, script);
      await put(point);
      const nodes = Object.fromEntries(
        ['n1', 'n2'].map((name) => [name, { result: 'verified' as const, at: point.created, by: 'me' }]),
      );
      await scene.vault.writeFile(
        `${VAULT}/${other}/status.json`,
        encode({ schema: 1, id: other, point: encode(point).sha256, nodes }).text,
      );
      await refused([other], /foreign-point/);
      await refused([other, '--override', 'foreign-point'], /restore-members/, 'started');
      for (const node of scene.nodes) assert.ok(!(await node.exists('/root/owned')));
    });
  }

  it('a foreign point is refused with the digests of its scripts, and goes when a person takes it on', async () => {
    const other = await foreign();
    const result = await refused([other], /foreign-point/);
    const words = result.stderr.replace(/\s+/g, '');
    for (const { sha256 } of Object.values((JSON.parse(original) as Point).scripts))
      assert.ok(words.includes(sha256), sha256);
    const restored = await run(scene.lab, ['backup', 'restore', other, '--override', 'foreign-point', '--yes'], 0);
    assert.deepEqual(outcomes(restored), { n1: 'restored', n2: 'restored' });
    assert.equal(await acmeVersion(scene.lab.node('n1')), '1.0');
  });
});
