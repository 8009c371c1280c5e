import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions } from '../../lab/acme';
import { type CliEvent, said } from '../../lab/cli';
import { HttpLab } from '../../lab/http';
import type { Lab } from '../../lab/nodes';
import { ArgvSampler, filesWith } from '../../lab/secrets';
import { acmeCluster, exactlyOnce, needsLab, outcomes, run, start } from './scene';

const ALL = { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' };

describe('a URL that the primary downloads itself', function () {
  this.timeout(300_000);
  let lab: Lab;
  let http: HttpLab;
  before(function () {
    needsLab(this);
  });
  afterEach(async () => {
    await http.stop();
    await lab.stop();
  });

  async function cluster(...args: Parameters<typeof acmeCluster>): Promise<void> {
    lab = await acmeCluster(...args);
    http = await HttpLab.start(lab.address);
  }

  const downloading =
    (bytes: number) =>
    (event: CliEvent): boolean =>
      event.type === 'progress' && event['step'] === 'download' && Number(event['done']) > bytes;

  /** Nothing of a download is left on any node. */
  async function nothingLeft(home = '/root'): Promise<void> {
    for (const node of lab.nodes) {
      assert.equal(await node.must(`find ${home}/.cache/clusterlift -type f 2>/dev/null || :`), '', node.name);
      assert.equal(await node.must('ps ax | grep -c "[c]url\\|[w]get" || :'), '0\n', node.name);
    }
  }

  it('asks for every byte once, and only from the primary; no secret is seen anywhere', async () => {
    await cluster([{}, {}, {}]);
    const secret = 'pa55-w0rd-of-the-url';
    const made = await acmePackage('2.0', { padBytes: 3_000_000 });
    http.serve('/acme.iso', {
      body: { file: made.path },
      auth: `me:${secret}`,
      cut: { after: 800_000, times: 2 },
      rate: 3_000_000,
    });
    const url = http.redirect('/moved.iso', `${http.origin}/acme.iso?signature=t0ken-of-a-redirection`);
    const sampler = new ArgvSampler(lab);
    const env = { CLUSTERLIFT_URL_AUTH: `me:${secret}` };
    const args = ['upgrade', `${url}?token=t0ken-in-query`, '--fetch', 'primary', '--sha256', made.sha256];
    const sampled = await start(lab, args, { env }).done;
    const seen = sampler.stop();
    assert.equal(sampled.status, 0, said(sampled));
    assert.deepEqual(outcomes(sampled), ALL);
    assert.ok(
      seen.some((argv) => argv.startsWith('curl ')),
      'curl was not seen at all',
    );
    const sent = http.asked('/acme.iso').reduce((sum, each) => sum + each.sent, 0);
    assert.ok(sent < made.size + 500_000, `${String(sent)} of ${String(made.size)} bytes were sent`);
    assert.ok(http.asked('/acme.iso').every(({ headers }) => String(headers['user-agent']) === 'clusterlift'));
    const secrets = [
      secret,
      Buffer.from(`me:${secret}`).toString('base64'),
      't0ken-in-query',
      't0ken-of-a-redirection',
    ];
    for (const each of secrets) {
      // What a person types stands in the arguments of our own process.
      const argv = seen.filter((line) => line.includes(each) && !line.includes('upgrade'));
      assert.deepEqual(argv, []);
      assert.deepEqual(await filesWith(lab, each), []);
      assert.equal(`${sampled.stdout}${sampled.stderr}`.includes(each), false);
    }
    await nothingLeft();
  });

  it('with sudo: lands in the home of the login user, and only the copy of root is used', async () => {
    const user = { name: 'platform', sudo: 'nopasswd' } as const;
    await cluster([{ users: [user] }, { users: [user] }, { users: [user] }], { user: 'platform', become: 'sudo' });
    const made = await acmePackage('2.0', { padBytes: 300_000 });
    const url = http.serve('/acme.iso', { body: { file: made.path } });
    const result = await run(lab, ['upgrade', url, '--fetch', 'primary'], 0);
    assert.deepEqual(outcomes(result), ALL);
    await nothingLeft('/home/platform');
  });

  it('with wget where there is no curl; refused with the next step where there is neither', async () => {
    await cluster([{ without: ['curl'] }, {}]);
    const made = await acmePackage('2.0', { padBytes: 2_000_000 });
    const answer = { body: { file: made.path }, cut: { after: 800_000, times: 1 }, auth: 'me:s3cret' };
    const url = http.serve('/acme.iso', answer);
    const env = { CLUSTERLIFT_URL_AUTH: 'me:s3cret' };
    const result = await run(lab, ['upgrade', url, '--fetch', 'primary'], 0, { env });
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    const sent = http.asked('/acme.iso').reduce((sum, each) => sum + each.sent, 0);
    assert.ok(sent < made.size + 500_000, `${String(sent)} of ${String(made.size)} bytes were sent`);
    await lab.node('n1').must('rm -f /usr/bin/wget');
    const refused = await run(lab, ['check', url, '--fetch', 'primary'], 3);
    assert.match(refused.stderr, /\[fetch-tools\]/);
    assert.match(refused.stderr, /curl/);
  });

  it('check and --dry-run leave nothing there, and a bad package changes no node', async () => {
    await cluster([{}, {}]);
    const made = await acmePackage('2.0');
    const url = http.serve('/acme.iso', { body: { file: made.path } });
    await run(lab, ['check', url, '--fetch', 'primary'], 0);
    await nothingLeft();
    await run(lab, ['upgrade', url, '--fetch', 'primary', '--dry-run'], 0);
    await nothingLeft();
    const wrong = await run(lab, ['upgrade', url, '--fetch', 'primary', '--sha256', '0'.repeat(64)], 3);
    assert.match(wrong.stderr, /\[digest-mismatch\]/);
    const text = http.serve('/text.iso', { body: Buffer.from('this is no image\n'.repeat(5000)) });
    const none = await run(lab, ['upgrade', text, '--fetch', 'primary'], 3);
    assert.match(none.stderr, /\[package-not-iso\]/);
    await nothingLeft();
    const changing = (await executions(lab.nodes)).filter(({ script }) => script !== 'check' && script !== 'health');
    assert.deepEqual(changing, []);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
  });

  it('a link that is cut in the middle: the same command goes on with the missing bytes', async () => {
    await cluster([{}, {}, {}]);
    const made = await acmePackage('2.0', { padBytes: 6_000_000 });
    const url = http.serve('/acme.iso', { body: { file: made.path }, rate: 1_500_000 });
    const upgrade = start(lab, ['upgrade', url, '--fetch', 'primary']);
    await upgrade.waitFor(downloading(1_000_000));
    await lab.node('n1').restartSshd();
    const result = await upgrade.done;
    assert.equal(result.status, 0, said(result));
    assert.ok(http.asked('/acme.iso').some(({ headers }) => /^bytes=[1-9]/.test(String(headers['range']))));
    await nothingLeft();
  });

  it('killed while it downloads and while it stages: nothing runs on, and the next command goes on', async () => {
    await cluster([{}, {}, {}]);
    const made = await acmePackage('2.0', { padBytes: 6_000_000 });
    const url = http.serve('/acme.iso', { body: { file: made.path }, rate: 2_000_000 });
    const args = ['upgrade', url, '--fetch', 'primary'];
    const first = await start(lab, args, { killAt: downloading(1_000_000) }).done;
    assert.equal(first.signal, 'SIGKILL', said(first));
    const staging = (event: CliEvent): boolean => event.type === 'step.started' && event['step'] === 'stage';
    const second = await start(lab, args, { killAt: staging }).done;
    assert.equal(second.signal, 'SIGKILL', said(second));
    assert.match(String(http.asked('/acme.iso').at(-1)?.headers['range']), /^bytes=[1-9]/);
    const result = await run(lab, ['resume'], 0);
    assert.deepEqual(outcomes(result), ALL);
    await exactlyOnce(lab.nodes);
    await nothingLeft();
  });

  it('refuses when the download is not the planned one any more', async () => {
    await cluster([{}, {}]);
    const made = await acmePackage('2.0', { padBytes: 300_000 });
    const url = http.serve('/acme.iso', { body: { file: made.path } });
    const locking = (event: CliEvent): boolean => event.type === 'phase' && event['phase'] === 'lock';
    const killed = await start(lab, ['upgrade', url, '--fetch', 'primary'], { killAt: locking }).done;
    assert.equal(killed.signal, 'SIGKILL', said(killed));
    const file = (await lab.node('n1').must('ls /root/.cache/clusterlift/incoming/url-*/image.iso')).trim();
    await lab.node('n1').must(`printf x | dd of=${file} bs=1 seek=${String(made.size - 40_000)} conv=notrunc`);
    const result = await run(lab, ['resume'], 3);
    assert.match(result.stderr, /stage-digest|package-/);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
  });
});
