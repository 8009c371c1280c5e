import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { Lab, type LabNode, whyNoLab } from '../../lab/nodes';
import { sleep, within } from '../../../src/base/async';
import { type Output, answers as answersAt, output } from '../../lab/tools';

const answers = (host: string, ms: number): Promise<boolean> => answersAt(host, 22, ms);

describe('a lab of real nodes', function () {
  let lab: Lab;
  before(async function () {
    if (whyNoLab() !== undefined) this.skip();
    lab = await Lab.start({
      nodes: [
        {
          users: [
            { name: 'platform', password: 'open sesame', sudo: 'password' },
            { name: 'guest', key: false },
          ],
        },
        { tools: 'busybox', users: [{ name: 'ops', sudo: 'nopasswd' }] },
        { tools: 'dash', without: ['openssl'], stateDirTmpfsMb: 3 },
        { jumpOnly: true },
      ],
    });
  });
  after(() => lab.stop());

  const ssh = (node: LabNode, command: string, user = 'root', options: readonly string[] = []): Promise<Output> =>
    output('ssh', [
      ...options,
      '-F',
      'none',
      '-i',
      node.keyFile,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${lab.home}/.ssh/known_hosts`,
      '-o',
      'ConnectTimeout=5',
      `${user}@${node.host}`,
      command,
    ]);

  it('lets a known key in by SSH, with a verified host key', async () => {
    const result = await ssh(lab.node('n1'), 'id -un; hostname', 'platform');
    assert.deepEqual(result, { code: 0, stdout: 'platform\nn1\n', stderr: '' });
  });

  it('keeps the key out where an account does not list it', async () => {
    assert.equal((await ssh(lab.node('n1'), 'true', 'guest')).code, 255);
  });

  it('asks for the sudo password only where it should', async () => {
    assert.notEqual((await ssh(lab.node('n1'), 'sudo -n id -u', 'platform')).code, 0);
    assert.equal((await ssh(lab.node('n1'), "echo 'open sesame' | sudo -S -p '' id -u", 'platform')).stdout, '0\n');
    assert.equal((await ssh(lab.node('n2'), 'sudo -n id -u', 'ops')).stdout, '0\n');
  });

  it('gives a node the tools it asked for', async () => {
    assert.match(
      (await ssh(lab.node('n2'), 'for each in /bin/sh /bin/tar /usr/bin/sha256sum; do readlink -f $each; done')).stdout,
      /^(\/usr\/bin\/busybox\n){3}$/,
    );
    assert.match((await ssh(lab.node('n3'), 'readlink -f /bin/sh')).stdout, /dash/);
    assert.notEqual((await lab.node('n3').run('command -v openssl')).code, 0);
  });

  it('limits the space of a state directory', async () => {
    const result = await lab.node('n3').run('head -c 5000000 /dev/zero > /var/lib/clusterlift/big');
    assert.notEqual(result.code, 0);
    await lab.node('n3').must('rm /var/lib/clusterlift/big');
  });

  it('hides the files of this machine and keeps nodes apart', async () => {
    await lab.node('n1').writeFile('/opt/app/name', 'first');
    assert.equal(await lab.node('n1').readFile('/opt/app/name'), 'first');
    assert.equal(await lab.node('n2').exists('/opt/app/name'), false);
    assert.equal(existsSync('/opt/app/name'), false);
  });

  it('reaches a node behind the others only through them', async () => {
    assert.equal(await answers(lab.node('n4').host, 500), false);
    assert.equal((await lab.node('n1').run(`ssh-keyscan -T 2 ${lab.node('n4').host} 2>/dev/null | grep -c .`)).code, 0);
  });

  it('comes back from a reboot that the node asked for, with a new boot id and the same files', async () => {
    for (const [name, command] of [
      ['n1', 'systemctl reboot'],
      ['n2', 'reboot'],
      ['n3', 'shutdown -r now'],
    ] as const) {
      const node = lab.node(name);
      await node.writeFile('/var/tmp/kept', 'kept');
      const before = await node.readFile('/proc/sys/kernel/random/boot_id');
      const boots = node.boots;
      assert.equal((await ssh(node, command)).code, 0, command);
      await until(() => node.boots > boots, `${name} boots again`);
      assert.notEqual(await node.readFile('/proc/sys/kernel/random/boot_id'), before);
      assert.equal(await node.readFile('/var/tmp/kept'), 'kept');
      assert.equal((await ssh(node, 'true')).code, 0);
    }
  });

  it('stays away when a reboot is told to fail', async () => {
    const node = lab.node('n2');
    node.backAfter = undefined;
    await ssh(node, 'sudo reboot', 'ops');
    await until(() => !node.running, 'n2 is off');
    assert.equal(await answers(node.host, 300), false);
    node.backAfter = 300;
    await node.boot();
    assert.equal((await ssh(node, 'true')).code, 0);
  });

  it('only lets root reboot', async () => {
    const { boots } = lab.node('n1');
    assert.notEqual((await ssh(lab.node('n1'), 'reboot', 'platform')).code, 0);
    assert.equal(lab.node('n1').boots, boots);
  });

  it('loses power without a goodbye', async () => {
    const node = lab.node('n3');
    const socket = connect(22, node.host);
    await once(socket, 'data');
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => undefined);
    await node.crash();
    assert.equal(node.processes().length, 0);
    assert.equal(await node.readFile('/etc/hostname'), 'n3\n');
    await node.boot();
    assert.equal(closed, false);
    socket.destroy();
    assert.equal((await ssh(node, 'true')).code, 0);
  });

  it('cuts, restores and slows the cable', async () => {
    const node = lab.node('n1');
    await node.cutLink();
    assert.equal(await answers(node.host, 300), false);
    await node.restoreLink();
    assert.equal(await answers(node.host, 5000), true);
    await node.slow(4000);
    const started = Date.now();
    await ssh(node, 'head -c 500000 /dev/urandom');
    assert.ok(Date.now() - started > 500, '500 kB at 4 Mbit/s cannot come faster');
    await node.slow();
  });

  it('stops answering while sshd stands still, and goes on after', async () => {
    const node = lab.node('n1');
    node.suspendSshd();
    assert.equal((await ssh(node, 'true', 'root', ['-o', 'ConnectTimeout=1'])).code, 255);
    node.resumeSshd();
    assert.equal((await ssh(node, 'true')).code, 0);
  });

  it('ends the sessions with sshd, but not what left its session', async () => {
    const node = lab.node('n1');
    await ssh(node, 'setsid sh -c "sleep 0.7; echo done > /var/tmp/outlived" >/dev/null 2>&1 </dev/null &');
    const session = ssh(node, 'sleep 60');
    await until(() => node.processes().some(({ argv }) => argv.join(' ') === 'sleep 60'), 'the session runs');
    await node.restartSshd();
    assert.equal((await session).code, 255);
    for (let tries = 0; !(await node.exists('/var/tmp/outlived')); tries++) {
      assert.ok(tries < 100, 'the job died with the session');
      await sleep(100);
    }
  });

  it('changes host keys, and SSH notices', async () => {
    const node = lab.node('n3');
    await node.rekeyHost();
    assert.match(
      (await ssh(node, 'true')).stderr,
      /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed/,
    );
    await lab.trustHostKeys();
    assert.equal((await ssh(node, 'true')).code, 0);
  });

  it('lets the clock of a node be wrong', async () => {
    for (const name of ['n1', 'n2']) {
      await lab.node(name).setClockSkew(-3600);
      const there = Number((await ssh(lab.node(name), 'date +%s')).stdout);
      assert.ok(Math.abs(Date.now() / 1000 - 3600 - there) < 30, `${name} says ${String(there)}`);
    }
  });

  it('shows what every process of a node was called with', async () => {
    const node = lab.node('n1');
    const running = node.run('sleep 31; true');
    await until(() => node.processes().some(({ argv }) => argv.join(' ') === 'sleep 31'), 'sleep is seen');
    await node.must('kill $(pidof sleep)');
    await running;
    assert.equal(
      lab
        .node('n2')
        .processes()
        .some(({ argv }) => argv.includes('31')),
      false,
    );
  });

  it('leaves nothing behind, and several labs live side by side', async () => {
    const other = await Lab.start({ nodes: [{}] });
    assert.notEqual(other.address, lab.address);
    const [node] = other.nodes;
    assert.equal(await answers(node?.host ?? '', 3000), true);
    await other.stop();
    assert.equal(existsSync(other.home), false);
    assert.equal((await output('ip', ['-o', 'addr'])).stdout.includes(`${other.address}/`), false);
    assert.equal(await answers(lab.node('n1').host, 3000), true);
  });

  it('removes what a killed owner left, at the next start', async function () {
    this.timeout(300_000);
    const script = `require('${require.resolve('../../lab/nodes')}').Lab.start({ nodes: [{}] }).then((lab) => console.log(lab.home))`;
    const child = spawn(process.execPath, ['-r', 'tsx/cjs', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [home] = (await within(60_000, once(child.stdout, 'data'), () => new Error('no lab'))) as [Buffer];
    const dir = home.toString().trim();
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.equal(existsSync(dir), true);
    await (await Lab.start({ nodes: [] })).stop();
    await until(() => !existsSync(dir), 'it is gone'); // a lab of another suite may be the one that removes it
  });
});

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await sleep(20);
  }
}
