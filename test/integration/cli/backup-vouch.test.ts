import { strict as assert } from 'node:assert';
import { sha256Hex } from '../../../src/backup/points/canonical';
import { encode, type Point } from '../../../src/backup/points/point';
import { acmePackage, acmeVersion, executions } from '../../lab/acme';
import { said } from '../../lab/cli';
import type { LabNode } from '../../lab/nodes';
import { type BackupScene, backupScene, codes, createPoint, VAULT } from './backup-scene';
import { needsLab, outcomes, run } from './scene';

const STATE = '/var/lib/clusterlift';
const KEPT = `${STATE}/installed/acme-voice`;
/** A script that tells on whose word it ran, and where. */
const evil = (by: string): string => `#!/bin/sh\necho ran >> /root/owned-by-${by}\ncat /etc/acme/release\n`;

/** One node's state has authority over that node only: whoever is root on one must not become root on the others. */
describe('a node vouches for itself', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  let n1: LabNode;
  let n2: LabNode;
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}]);
    [n1, n2] = [scene.lab.node('n1'), scene.lab.node('n2')];
    const { path } = await acmePackage('2.0');
    await run(scene.lab, ['upgrade', path], 0);
    for (const node of scene.nodes) await node.must(`cp -a ${KEPT} /root/kept`);
  });
  after(() => scene.lab.stop());
  beforeEach(async () => {
    for (const node of scene.nodes)
      await node.must(`rm -rf ${KEPT} /root/owned-*; cp -a /root/kept ${KEPT}; echo 2.0 >/etc/acme/release`);
  });

  const owned = (node: LabNode): Promise<string> => node.must('cat /root/owned-* 2>/dev/null || :');
  const pointOf = async (id: string): Promise<Point> =>
    JSON.parse(await scene.vault.readFile(`${VAULT}/${id}/point.json`)) as Point;

  /** Puts a point into the location that says of itself what suits it. */
  async function plant(point: Point, from: string): Promise<string> {
    const { text, sha256 } = encode(point);
    if (point.id !== from) await scene.vault.must(`cp -a ${VAULT}/${from} ${VAULT}/${point.id}`);
    const nodes = Object.fromEntries(
      Object.keys(point.nodes).map((name) => [name, { result: 'verified' as const, at: point.created, by: 'me' }]),
    );
    await scene.vault.writeFile(`${VAULT}/${point.id}/point.json`, text, 0o600);
    await scene.vault.writeFile(
      `${VAULT}/${point.id}/status.json`,
      encode({ schema: 1, id: point.id, point: sha256, nodes }).text,
      0o600,
    );
    return sha256;
  }

  function knows(node: LabNode, id: string, sha256: string): Promise<string> {
    return node.must(`mkdir -p ${STATE}/points && echo ${sha256} > ${STATE}/points/${id}.sha256`);
  }

  /** As an earlier version made it: the scripts of one node, for all. */
  function earlier(point: Point, id: string, version: string): Point {
    const { files = {}, ...rest } = point;
    const own = point.nodes['n1']?.package;
    assert.ok(own, 'the part of n1 has its package');
    const scripts = Object.entries(own.scripts).map(([path, digest]) => {
      const content = path === 'bin/version' ? Buffer.from(version).toString('base64') : (files[digest] ?? '');
      return [path, { content, sha256: sha256Hex(Buffer.from(content, 'base64')) }] as const;
    });
    const nodes = Object.entries(point.nodes).map(([name, part]) => {
      const old = { ...part };
      delete old.package;
      return [name, old] as const;
    });
    return {
      ...rest,
      schema: 1,
      id,
      manifest: Buffer.from(files[own.manifest] ?? '', 'base64').toString('utf8'),
      scripts: Object.fromEntries(scripts),
      nodes: Object.fromEntries(nodes),
    };
  }

  it('each part carries the scripts of its own node, which run only there', async () => {
    await n1.writeFile(`${KEPT}/files/bin/version`, evil('n1'), 0o755);
    const id = await createPoint(scene, 'vault');
    const { nodes, scripts, manifest } = await pointOf(id);
    assert.deepEqual([scripts, manifest], [{}, null]);
    const digest = (name: string): string | undefined => nodes[name]?.package?.scripts['bin/version'];
    assert.equal(digest('n1'), sha256Hex(evil('n1')));
    assert.equal(digest('n2'), sha256Hex(await n2.readFile(`${KEPT}/files/bin/version`)));

    const restored = await run(scene.lab, ['backup', 'restore', id, '--yes'], 0);
    assert.deepEqual(outcomes(restored), { n1: 'restored', n2: 'restored' });
    assert.notEqual(await owned(n1), '');
    assert.equal(await owned(n2), '');
    assert.equal(await n2.readFile(`${KEPT}/files/bin/version`), await n2.readFile('/root/kept/files/bin/version'));
  });

  it('what its manifest names, paths and scripts, holds on that node only', async () => {
    const manifest = JSON.parse(await n1.readFile(`${KEPT}/manifest.json`)) as Record<string, unknown>;
    const scripts = manifest['scripts'] as Record<string, string>;
    await n1.writeFile(
      `${KEPT}/manifest.json`,
      JSON.stringify({
        ...manifest,
        scripts: { ...scripts, version: scripts['upgrade'], health: scripts['upgrade'], stop: scripts['upgrade'] },
        quiet: true,
        backup: { paths: ['/srv/of-n1'] },
      }),
    );
    await n1.must('mkdir -p /srv/of-n1 && : > /var/lib/acme/running');
    const before = await executions([n2], 'upgrade');
    await run(scene.lab, ['backup', 'create', 'vault', '--nodes', 'n1,n2'], 3);
    // Its own version script is one that fails: that is its own affair.
    await n1.writeFile(`${KEPT}/files/${scripts['upgrade'] ?? ''}`, '#!/bin/sh\necho 2.0\n', 0o755);
    const made = await run(scene.lab, ['backup', 'create', 'vault'], 0);
    assert.ok(codes(made).includes('backup-differs') || made.stderr.includes('/srv/of-n1'), said(made));
    const id = String(made.events.find((event) => event.type === 'point')?.['id']);
    const { nodes } = await pointOf(id);
    const paths = (name: string): string[] => (nodes[name]?.paths ?? []).map(({ path }) => path);
    assert.deepEqual(paths('n1'), ['/srv/of-n1']);
    assert.deepEqual(paths('n2'), ['/etc/acme', '/opt/acme']);
    // The health of n2 is asked with the script that n2 itself names for it.
    await run(scene.lab, ['provision'], 0);
    assert.deepEqual(await executions([n2], 'upgrade'), before);
  });

  it('a manifest that cannot be used is a finding of its node, and no word about the others', async () => {
    await n2.writeFile(`${KEPT}/manifest.json`, '{ "product": ');
    const result = await run(scene.lab, ['backup', 'create', 'vault', '--dry-run'], 3);
    assert.match(result.stderr + result.stdout, /installed-invalid/);
    const rows = (await run(scene.lab, ['status'], 0)).events;
    assert.deepEqual(
      rows.map((each) => [each['node'], each['version'], each['health']]),
      [
        ['n1', '2.0', 'healthy'],
        ['n2', '2.0', 'not-asked'],
      ],
    );
  });

  it('a point that only one node knows is foreign for the other, and nothing of it runs in a dry run, in `status` or in `backup list`', async () => {
    const honest = await createPoint(scene, 'vault');
    const real = await pointOf(honest);
    const id = honest.replace(/[0-9a-f]{6}$/, 'abcdef');
    // `status` asks the health with the script that each node keeps itself.
    const changing = async (): Promise<unknown> =>
      (await executions(scene.nodes)).filter(({ script }) => script !== 'health');
    const ran = await changing();
    for (const forged of [earlier(real, id, evil('point')), own(real, id)]) {
      const sha256 = await plant(forged, honest);
      await knows(n2, id, sha256);
      const dry = await run(scene.lab, ['backup', 'restore', id, '--dry-run'], 3);
      const told = JSON.stringify(dry.events);
      assert.match(told, /n1 does not know restore point/, said(dry));
      assert.doesNotMatch(told, /n2 does not know/);
      assert.ok(told.includes(sha256Hex(evil('point'))), told);
      // Where one knows it, the bare code is for nobody.
      await run(scene.lab, ['backup', 'restore', id, '--override', 'foreign-point', '--yes'], 3);
      await run(scene.lab, ['backup', 'restore', id, '--override', 'foreign-point=n2', '--yes'], 3);
      await run(scene.lab, ['backup', 'list', 'vault'], 0);
      await run(scene.lab, ['status'], 0);
      await run(scene.lab, ['backup', 'restore', id, '--override', 'foreign-point=n1', '--dry-run'], 0);
      await run(scene.lab, ['backup', 'restore', id, '--nodes', 'n2', '--dry-run'], 0);
      const verified = await run(scene.lab, ['backup', 'verify', id], 0);
      assert.deepEqual(verified.events.at(-1)?.['foreign'], ['n1']);
      for (const node of scene.nodes) assert.equal(await owned(node), '', node.name);
      assert.deepEqual(await changing(), ran);
      await scene.vault.must(`rm -rf ${VAULT}/${id}`);
      await n2.must(`rm -f ${STATE}/points/${id}.*`);
    }

    /** In the form of now: the part of n1 has another script. */
    function own(point: Point, name: string): Point {
      const part = point.nodes['n1'];
      assert.ok(part?.package);
      const digest = sha256Hex(evil('point'));
      const files = { ...point.files, [digest]: Buffer.from(evil('point')).toString('base64') };
      const scripts = { ...part.package.scripts, 'bin/version': digest };
      return {
        ...point,
        id: name,
        files,
        nodes: { ...point.nodes, n1: { ...part, package: { ...part.package, scripts } } },
      };
    }
  });

  it('a node whose word is another than the point refuses it, and no override helps; the other one is restored', async () => {
    const id = await createPoint(scene, 'vault');
    await knows(n1, id, '0'.repeat(64));
    const refused = await run(
      scene.lab,
      ['backup', 'restore', id, '--override', 'foreign-point=n1', '--override', 'point-changed', '--yes'],
      3,
    );
    assert.match(refused.stderr, /point-changed/);
    assert.deepEqual(outcomes(await run(scene.lab, ['backup', 'restore', id, '--nodes', 'n2', '--yes'], 0)), {
      n2: 'restored',
    });
  });

  it('a point of an earlier version that every node knows is restored, and one node that forgot it is named', async () => {
    const made = await createPoint(scene, 'vault');
    const id = made.replace(/[0-9a-f]{6}$/, 'fedcba');
    const sha256 = await plant(earlier(await pointOf(made), id, '#!/bin/sh\ncat /etc/acme/release\n'), made);
    for (const node of scene.nodes) await knows(node, id, sha256);
    for (const node of scene.nodes) await node.must('echo 3.0 >/etc/acme/release');
    await run(scene.lab, ['backup', 'restore', id, '--yes'], 0);
    assert.deepEqual([await acmeVersion(n1), await acmeVersion(n2)], ['2.0', '2.0']);
    await n2.must(`rm ${STATE}/points/${id}.sha256`);
    const refused = await run(scene.lab, ['backup', 'restore', id, '--yes'], 3);
    assert.match(refused.stderr.replace(/\s+/g, ' '), /n2 does not know restore point/);
    const taken = await run(scene.lab, ['backup', 'restore', id, '--override', 'foreign-point=n2', '--yes'], 0);
    assert.deepEqual(outcomes(taken), { n1: 'restored', n2: 'restored' });
  });
});
