import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { acmePackage, acmeVersion } from '../../lab/acme';
import { type CliEvent, type CliResult, said } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { filesWith } from '../../lab/secrets';
import { acmeCluster, exactlyOnce, needsLab, outcomes, run, start } from './scene';

const ALL = { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' };
const THREE = [{}, {}, {}];

describe('a package that goes from node to node', function () {
  this.timeout(300_000);
  let lab: Lab;
  let image: Awaited<ReturnType<typeof acmePackage>>;
  before(async function () {
    needsLab(this);
    image = await acmePackage('2.0', { padBytes: 24_000_000 });
  });
  afterEach(() => lab.stop());

  const args = (...more: string[]): string[] => ['upgrade', image.path, '--distribution', 'relay', ...more];
  const progress =
    (node: string, bytes: number) =>
    (event: CliEvent): boolean =>
      event.type === 'progress' && event['node'] === node && Number(event['done']) > bytes;
  /** Nodes that told of a broken way from the node before. */
  const broken = (result: CliResult): unknown[] =>
    result.events.filter((event) => event['code'] === 'relay-broken').map((event) => event['node']);

  /** Everything is upgraded once, and nothing of a transfer is left: no process, no part, no key, no directory. */
  async function clean(home = '/root'): Promise<void> {
    await exactlyOnce(lab.nodes);
    for (const node of lab.nodes) {
      assert.equal(await acmeVersion(node), '2.0');
      await gone(node);
      assert.equal(await node.must('find /var/lib/clusterlift -name "*.part*"'), '');
      assert.equal(await node.must(`find ${home}/.cache/clusterlift -type f 2>/dev/null || :`), '');
      assert.equal(await node.must('ls -d /tmp/clusterlift.* /tmp/ssh-* 2>/dev/null || :'), '');
      assert.equal(await node.must(`grep -c . ${home}/.ssh/authorized_keys`), '1\n');
      assert.equal(await node.exists(`${home}/.ssh/known_hosts`), false);
    }
    const [, , middle = ''] = (await readFile(lab.keyFile, 'utf8')).split('\n');
    assert.deepEqual(await filesWith(lab, middle), [], 'the private key lies on a node');
  }

  /** The processes of a transfer end by themselves. */
  async function gone(node: LabNode): Promise<void> {
    for (let looks = 0; ; looks++) {
      const left = node
        .processes()
        .filter(({ argv }) => argv[0] === 'ssh' || argv.join(' ').startsWith('sshd: root@notty'));
      if (left.length === 0) return;
      assert.ok(looks < 100, `${node.name} still has ${JSON.stringify(left)}`);
      await new Promise((done) => setTimeout(done, 200));
    }
  }

  it('leaves here once, and every node proves its digest', async () => {
    lab = await acmeCluster(THREE);
    const before = await lab.sentBytes();
    const result = await run(lab, args(), 0);
    const sent = (await lab.sentBytes()) - before;
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result), []);
    assert.ok(
      sent > image.size && sent < 1.3 * image.size,
      `${String(sent)} bytes left here for ${String(image.size)}`,
    );
    for (const name of ['n2', 'n3']) assert.ok(result.events.some(progress(name, 0)), `${name} told of no progress`);
    await clean();
  });

  it('with sudo, by way of the login user; the primary gives what lies there, and nothing goes by way of here', async () => {
    const user = { name: 'platform', sudo: 'nopasswd' } as const;
    const spec = { users: [user] };
    lab = await acmeCluster([spec, spec, spec], { user: 'platform', become: 'sudo' });
    assert.deepEqual(outcomes(await run(lab, args(), 0)), ALL);
    await clean('/home/platform');
    const next = await acmePackage('3.0', { padBytes: 24_000_000 });
    await lab.node('n1').writeFile('/home/platform/next.iso', await readFile(next.path));
    const before = await lab.sentBytes();
    const result = await run(lab, ['upgrade', 'node:next.iso', '--distribution', 'relay'], 0);
    const sent = (await lab.sentBytes()) - before;
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result), [], said(result));
    assert.ok(sent < next.size / 4, `${String(sent)} bytes left here`);
  });

  it('works with dash and with busybox', async () => {
    lab = await acmeCluster([{ tools: 'busybox' }, { tools: 'busybox' }, { tools: 'dash' }]);
    const result = await run(lab, args(), 0);
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result), [], said(result));
    await clean();
  });

  it('falls back to the way from here, and says so, where nodes cannot log in to each other', async () => {
    lab = await acmeCluster([{}, { sshdConfig: ['AllowAgentForwarding no'] }, { without: ['ssh'] }]);
    const result = await run(lab, args(), 0);
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result).sort(), ['n2', 'n3']);
    await clean();
  });

  it('a node that is reached by a password is served from here', async () => {
    const user = { name: 'platform', password: 'geheim', key: false, sudo: 'nopasswd' } as const;
    lab = await acmeCluster([{}, { users: [user] }, {}], {}, (node) =>
      node.name === 'n2' ? { user: 'platform', become: 'sudo' } : {},
    );
    const env = { CLUSTERLIFT_SSH_PASSWORD: 'geheim' };
    const result = await run(lab, args(), 0, { env });
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result), []);
  });

  it('refuses wrong bytes of a node on the way: they get no further, and the node is served from here', async () => {
    lab = await acmeCluster(THREE);
    // What n2 fetches from n1 is not what n1 has.
    await lab.node('n2').must('mv /usr/bin/ssh /usr/bin/ssh.real');
    await lab.node('n2').writeFile('/usr/bin/ssh', '#!/bin/bash\n/usr/bin/ssh.real "$@" | stdbuf -o0 tr A B\n', 0o755);
    const result = await run(lab, args(), 0);
    assert.deepEqual(outcomes(result), ALL);
    await clean();
  });

  it('a serving node whose sessions die in the middle: the next one goes on from here', async () => {
    lab = await acmeCluster(THREE);
    await lab.uplink(40);
    const upgrade = start(lab, args());
    await upgrade.waitFor(progress('n2', 2_000_000));
    await lab.node('n1').restartSshd();
    const result = await upgrade.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), ALL);
    assert.deepEqual(broken(result), ['n2']);
    await clean();
  });

  it('a serving node that loses power in the middle and comes back: all nodes get there', async () => {
    lab = await acmeCluster(THREE);
    await lab.uplink(40);
    const upgrade = start(lab, args());
    await upgrade.waitFor(progress('n2', 2_000_000));
    await lab.node('n1').crash();
    await lab.node('n1').boot();
    const result = await upgrade.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), ALL);
    await clean();
  });

  it('killed in the middle: nothing runs on between the nodes, and resume brings every node to the target', async () => {
    lab = await acmeCluster(THREE);
    await lab.uplink(40);
    const killed = await start(lab, args(), { killAt: progress('n3', 3_000_000) }).done;
    assert.equal(killed.signal, 'SIGKILL', said(killed));
    for (const node of lab.nodes) await gone(node);
    await lab.uplink();
    const result = await run(lab, ['resume'], 0);
    assert.deepEqual(outcomes(result), ALL);
    await clean();
  });
});
