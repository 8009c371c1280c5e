import { strict as assert } from 'node:assert';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { sleep } from '../../../src/base/async';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { said } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { output, succeed } from '../../lab/tools';
import { underWayOn, until } from '../../faults/faults';
import { acmeCluster, begun, exactlyOnce, needsLab, outcomes, run, start, underWay } from './scene';

const BRACKET = ['stop', 'upgrade', 'start'] as const;

describe('an upgrade that is disturbed', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}, {}]);
  });
  afterEach(() => lab.stop());

  it('killed in mid-upgrade: the scripts finish on their nodes, resume completes, each ran once', async () => {
    const { path } = await acmePackage('2.0');
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await underWay(lab, 'upgrade', 3);
    command.kill();
    assert.equal((await command.done).signal, 'SIGKILL');
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    await until(async () => (await executions([lab.node('n1')], 'upgrade'))[0]?.end !== undefined);
    assert.deepEqual(await executions(lab.nodes, 'start'), [], 'nobody looked');
    const resume = start(lab, ['resume']);
    await resume.waitFor('run.resumed');
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    const result = await resume.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    await exactlyOnce(lab.nodes, BRACKET);
  });

  it('the link to a node is cut: the same run goes on when it is back', async () => {
    const { path } = await acmePackage('2.0');
    const node = lab.node('n2');
    await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await underWayOn(node, 'upgrade');
    await node.cutLink();
    await sleep(20_000);
    await clearKnob(node, 'upgrade', 'wait');
    await node.restoreLink();
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    await exactlyOnce(lab.nodes, BRACKET);
  });

  it('the script itself restarts sshd and ends all sessions: same run, exactly once', async () => {
    const { path } = await acmePackage('2.0');
    const restart = 'kill -9 $(pidof sshd); sleep 1; /usr/sbin/sshd -f /etc/ssh/sshd_lab_config -E /var/log/sshd.log';
    await setKnob(lab.node('n1'), 'upgrade', 'run', restart);
    await run(lab, ['upgrade', path], 0);
    await exactlyOnce(lab.nodes, BRACKET);
  });

  it('a node dies while its script runs: unknown, status 4, and nothing is repeated unasked', async () => {
    const { path } = await acmePackage('2.0');
    const node = lab.node('n3');
    await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path, '--give-up', '20s']);
    await underWay(lab, 'upgrade', 1);
    await node.crash();
    await sleep(1000);
    await node.boot();
    const result = await command.done;
    assert.equal(result.status, 4, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'unknown' });
    assert.equal(await acmeVersion(node), '1.0');
  });

  it('stop: begun nodes are finished, no other begins', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path, 'serial']);
    await command.waitFor(begun('n1'));
    await run(lab, ['stop'], 0);
    await command.waitFor('stop.requested');
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    const result = await command.done;
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'not-started', n3: 'not-started' }, said(result));
    await exactlyOnce([lab.node('n1')], BRACKET);
    const { run: id } = await command.waitFor('run.started');
    const closed = (node: LabNode): Promise<boolean> => node.exists(`/var/lib/clusterlift/runs/${String(id)}/closed`);
    for (const node of lab.nodes) assert.equal(await closed(node), false, 'it can be gone on with');
    await run(lab, ['resume'], 0);
    await exactlyOnce(lab.nodes, BRACKET);
    for (const node of lab.nodes) assert.equal(await closed(node), true);
  });

  it('a second upgrade is refused with the name of the first, status 5', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    const { run: id } = await command.waitFor('run.started');
    await command.waitFor(begun('n1'));
    const second = await run(lab, ['upgrade', path], 5);
    const owner = `${userInfo().username}@${hostname()}, process ${String(command.pid)}`;
    assert.ok(second.stderr.includes(`is locked by run ${String(id)} (${owner}`), said(second));
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    assert.equal((await command.done).status, 0);
    await exactlyOnce(lab.nodes, BRACKET);
  });

  it('a state directory here that cannot be written: refused with the reason, and no node is locked or changed', async () => {
    const { path } = await acmePackage('2.0');
    const state = join(lab.home, 'odd');
    await mkdir(join(state, 'clusterlift'), { recursive: true });
    await writeFile(join(state, 'clusterlift/runs'), 'a file');
    const { stderr } = await run(lab, ['upgrade', path], 3, { env: { XDG_STATE_HOME: state } });
    assert.match(stderr, /cannot\s+be\s+written[^]*\[state-unwritable\]/);
    assert.deepEqual(await executions(lab.nodes, 'stop'), []);
  });

  it('a disk here that becomes full in the middle: status 4 with the nodes that it leaves, and resume ends the run', async () => {
    const { path } = await acmePackage('2.0');
    const state = join(lab.home, 'small');
    await mkdir(state);
    await succeed('mount', ['-t', 'tmpfs', '-o', 'mode=700,size=6m', 'tmpfs', state]);
    try {
      const env = { XDG_STATE_HOME: state };
      for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
      const command = start(lab, ['upgrade', path], { env });
      await underWay(lab, 'upgrade', lab.nodes.length);
      await output('sh', ['-c', 'cat /dev/zero >"$1"', 'sh', join(state, 'fill')]);
      for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
      const result = await command.done;
      assert.equal(result.status, 4, said(result));
      assert.match(result.stderr, /cannot\s+be\s+written/);
      const names = lab.nodes.map(({ name }) => name).join(', ');
      assert.ok(result.stderr.replace(/\s+/g, ' ').includes(`perhaps down: ${names}`), said(result));
      await rm(join(state, 'fill'));
      await run(lab, ['resume'], 0, { env });
      await exactlyOnce(lab.nodes, BRACKET);
    } finally {
      await succeed('umount', ['-l', state]);
    }
  });

  it('a current folder that was removed: a reason and status 2, and the state directory may be removed in the middle', async () => {
    const { path } = await acmePackage('2.0');
    const removed = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"';
    const words = ['-c', removed, 'sh', process.execPath, resolve(__dirname, '../../../dist/cli.js'), 'status'];
    const { code, stderr } = await output('sh', words, { cwd: lab.home, env: lab.env() });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /\[cwd-missing\]/);
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await underWay(lab, 'upgrade', 1);
    await rm(join(lab.home, '.local/state/clusterlift'), { recursive: true });
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    assert.match(result.stderr, /succeeded/);
    await exactlyOnce(lab.nodes, BRACKET);
  });

  it('a node that hangs while it is locked: refused with status 3 as the last line says, and the same command works later', async () => {
    const { path } = await acmePackage('2.0');
    const [n1] = lab.nodes;
    assert.ok(n1);
    const command = start(lab, ['upgrade', path, '--give-up', '3s']);
    await command.waitFor((event) => event.type === 'step.started' && event['step'] === 'lock');
    n1.suspendSshd();
    const result = await command.done;
    n1.resumeSshd();
    assert.equal(result.status, 3, said(result));
    assert.equal(result.events.at(-1)?.['status'], 3);
    assert.match(result.stderr.replace(/\s+/g, ' '), /Bring n1 back, then run the same command again/);
    await run(lab, ['upgrade', path], 0);
    await exactlyOnce(lab.nodes, BRACKET);
  });
});
