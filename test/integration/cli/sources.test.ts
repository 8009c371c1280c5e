import { strict as assert } from 'node:assert';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, executions } from '../../lab/acme';
import { said } from '../../lab/cli';
import { HttpLab } from '../../lab/http';
import type { Lab } from '../../lab/nodes';
import { ArgvSampler, filesWith } from '../../lab/secrets';
import { acmeCluster, needsLab, outcomes, run, writtenFiles } from './scene';

describe('where the package comes from', function () {
  this.timeout(300_000);
  let lab: Lab;
  let http: HttpLab;
  let written: string[];
  before(async function () {
    needsLab(this);
    http = await HttpLab.start();
  });
  after(() => http.stop());
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}, {}]);
    written = await writes();
  });
  afterEach(() => lab.stop());

  const writes = (): Promise<string[]> => Promise.all(lab.nodes.map(writtenFiles));

  /** Nothing but looking happened: no script that changes, no file that was written. */
  async function untouched(): Promise<void> {
    assert.deepEqual(await writes(), written);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
    const scripts = (await executions(lab.nodes)).map(({ script }) => script);
    assert.deepEqual(
      scripts.filter((each) => each !== 'check' && each !== 'health'),
      [],
    );
  }

  it('a URL whose server cuts the body three times: only the missing bytes are asked again', async () => {
    const made = await acmePackage('2.0', { padBytes: 3_000_000 });
    const url = http.serve('/path/cut.iso', { body: { file: made.path }, cut: { after: 700_000, times: 3 } });
    const result = await run(lab, ['upgrade', url, '--sha256', made.sha256], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    const sent = http.asked('/path/cut.iso').reduce((sum, each) => sum + each.sent, 0);
    // Looking into the image first may have cost some more.
    assert.ok(sent < made.size + 500_000, `${String(sent)} of ${String(made.size)} bytes were sent`);
  });

  it('a wrong --sha256 changes no node', async () => {
    const made = await acmePackage('2.0');
    const url = http.serve('/wrong.iso', { body: { file: made.path } });
    const result = await run(lab, ['upgrade', url, '--sha256', '0'.repeat(64)], 3);
    assert.match(result.stderr, /\[digest-mismatch\]/);
    await untouched();
  });

  it('other content at the second request is caught: no node is changed', async () => {
    const [first, second] = [await acmePackage('2.0'), await acmePackage('2.0', { padBytes: 5000 })];
    const url = http.serve('/changing.iso', { body: [{ file: first.path }, { file: second.path }] });
    const result = await run(lab, ['upgrade', url], 3);
    assert.match(result.stderr, /\[download-changed\]/);
    await untouched();
  });

  it('the newest on the primary: 21.10 beats 21.3 and 9.9, and the reason is told', async () => {
    const node = lab.node('n1');
    await mkdir(join(node.root, 'root/media'));
    for (const version of ['21.3', '21.10', '9.9']) {
      const { path } = await acmePackage(version);
      await copyFile(path, join(node.root, version === '21.3' ? 'root' : 'root/media', `acme-${version}.iso`));
    }
    const result = await run(lab, ['cluster', 'upgrade'], 0);
    assert.equal(result.finished?.nodes['n3']?.to, '21.10');
    assert.match(result.stderr, /21\.10/);
  });

  it('two different images of the newest version on the primary: an error, nothing changed', async () => {
    const [first, second] = [await acmePackage('3.0'), await acmePackage('3.0', { padBytes: 5000 })];
    for (const [index, { path }] of [first, second].entries()) {
      await copyFile(path, join(lab.node('n1').root, `root/acme-${String(index)}.iso`));
    }
    written = await writes();
    const refused = await run(lab, ['upgrade'], 3);
    assert.match(refused.stderr, /\[package-tie\]/);
    assert.match(refused.stderr, /acme-0\.iso/);
    assert.match(refused.stderr, /acme-1\.iso/);
    await untouched();
  });

  it('a file of that name on the primary', async () => {
    const { path } = await acmePackage('2.0');
    await copyFile(path, join(lab.node('n1').root, 'root/there.iso'));
    await run(lab, ['upgrade', 'there.iso'], 0);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
  });

  it('bad packages are refused with a code, the cause and the next step; no node is changed', async () => {
    const good = await acmePackage('2.0');
    const cut = join(lab.dir, 'cut.iso');
    await writeFile(cut, (await readFile(good.path)).subarray(0, -20_480));
    const text = join(lab.dir, 'text.iso');
    await writeFile(text, 'this is no image\n'.repeat(5000));
    const leaving = join(lab.dir, 'leaving.iso');
    const named = await acmePackage('2.0', { flavour: 'builtin', files: { 'QQQevil.sh': 'x' } });
    const climbing = (await readFile(named.path, 'latin1')).replaceAll('QQQevil', '../evil');
    await writeFile(leaving, climbing, 'latin1');
    const sums = `${'0'.repeat(64)}  bin/upgrade\n`;
    const bad: Record<string, string> = {
      'package-unsafe-path': leaving,
      'sums-mismatch': (await acmePackage('2.0', { files: { SHA256SUMS: sums } })).path,
      'package-truncated': cut,
      'package-not-iso': text,
      'no-manifest': (await acmePackage('2.0', { manifestText: null })).path,
      'manifest-invalid': (await acmePackage('2.0', { manifestText: '{ "schema": 1,\n "product": 7 }' })).path,
      architecture: (await acmePackage('2.0', { manifest: { compatible: { arch: ['s390x'] } } })).path,
      downgrade: (await acmePackage('0.9')).path,
    };
    for (const [code, path] of Object.entries(bad)) {
      const result = await run(lab, ['upgrade', path], 3);
      assert.ok(result.stderr.includes(`[${code}]`), said(result));
      assert.match(result.stderr, /Next: |Fix: /);
      if (code === 'manifest-invalid') assert.match(result.stderr, /upgrade\.json:2:\d+/);
      await untouched();
    }
  });

  it('the password of a URL is seen nowhere: no argument of any process, no file, no output', async () => {
    const secret = 'pa55-w0rd-of-the-url';
    const made = await acmePackage('2.0');
    const url = http.serve('/secret.iso', { body: { file: made.path }, auth: `me:${secret}` });
    const sampler = new ArgvSampler(lab);
    const env = { CLUSTERLIFT_URL_AUTH: `me:${secret}` };
    const result = await run(lab, ['upgrade', `${url}?token=t0ken-in-query`, '--sha256', made.sha256], 0, { env });
    const seen = sampler.stop();
    assert.ok(seen.length > 10);
    for (const each of [secret, Buffer.from(`me:${secret}`).toString('base64')]) {
      assert.deepEqual(
        seen.filter((argv) => argv.includes(each)),
        [],
      );
      assert.deepEqual(await filesWith(lab, each), []);
      assert.equal(result.stdout.includes(each) || result.stderr.includes(each), false);
    }
    assert.deepEqual(await filesWith(lab, 't0ken-in-query'), []);
  });
});
