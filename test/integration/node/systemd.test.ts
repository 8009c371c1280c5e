import { strict as assert } from 'node:assert';
import { sleep } from '../../../src/base/async';
import { self } from '../../../src/base/process';
import { gatherFacts } from '../../../src/engine/node/facts';
import { takeLock } from '../../../src/engine/node/lock';
import type { NodeConnection } from '../../../src/ssh/connection';
import { followJob, jobStatus, runJob, startJob, type JobSpec } from '../../../src/ssh/exec/jobs';
import { LocalConnection } from '../../../src/ssh/reach/local';
import { Secrets } from '../../../src/ssh/secrets';
import { SystemdMachine, whyNoSystemd } from '../../lab/systemd';

describe('jobs where systemd is PID 1', function () {
  let machine: SystemdMachine;
  let node: NodeConnection;
  let path: string | undefined;
  let jobs = 0;

  before(async function () {
    if (whyNoSystemd() !== undefined) this.skip();
    machine = await SystemdMachine.start();
    path = process.env['PATH'];
    process.env['PATH'] = `${await machine.shim()}:${path ?? ''}`;
    const asker = { ask: () => Promise.resolve(undefined) };
    node = new LocalConnection({ node: { name: 'n1', become: 'none' }, asker, secrets: new Secrets() });
    for (const stateDir of ['/root/state dir', '/root/100% $HOME']) {
      await takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'u', command: 'c' });
    }
  });
  after(async () => {
    process.env['PATH'] = path;
    await machine.stop();
  });

  const job = (text: string, more: Partial<JobSpec> = {}): JobSpec => ({
    id: `r1.n1.job.${String(++jobs)}`,
    stateDir: '/root/state dir',
    fence: { run: 'r1', epoch: 1 },
    command: { kind: 'text', text: `echo ran >> "/root/$1"\n${text}`, args: [`ran${String(jobs)}`] },
    ...more,
  });
  /** The file in which a job says that it runs. */
  const ran = ({ id }: JobSpec): string => `/root/ran${id.split('.').at(-1) ?? ''}`;
  const inside = async (script: string): Promise<string> =>
    (await machine.run('/bin/sh', ['-c', script])).stdout.trim();

  it('run as a unit of their own, once, with a plain environment', async () => {
    assert.equal((await gatherFacts(node, { stateDir: undefined })).systemd, true);
    const spec = job('printf "%s " "$HOME" "$PATH" "$PWD" $(umask); cat /proc/self/cgroup; exit 6');
    let log = '';
    const [end] = await Promise.all([
      runJob(node, spec, { onOutput: (chunk) => void (log += chunk) }),
      runJob(node, spec),
      runJob(node, spec),
    ]);

    assert.equal(end.state === 'done' && end.rc, 6);
    assert.ok(log.startsWith('/root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin / 0022 '), log);
    assert.match(log, /\/system\.slice\/clusterlift-\d+-r1\.n1\.job\.1\.service/);
    assert.equal(await inside('cat /root/ran1'), 'ran');
  });

  it('leave what they started running, as a start script wants it', async () => {
    const end = await runJob(node, job('sleep 300 >/dev/null 2>&1 & echo $! > /root/daemon'));
    assert.equal(end.state, 'done');
    assert.equal(await inside('kill -0 $(cat /root/daemon) && echo alive'), 'alive');
  });

  it('are known to be alive by their unit, and unknown once they were killed', async () => {
    const spec = job('sleep 60');
    assert.equal((await startJob(node, spec)).state, 'running');
    const unit = await inside(`cat '/root/state dir/jobs/${spec.id}/unit'`);
    assert.equal(await inside(`systemctl is-active ${unit}`), 'active');
    // Before it has begun its script it would not be seen below that it ran once.
    while ((await inside(`cat ${ran(spec)}`)) === '') await sleep(50);
    await inside(`systemctl kill --kill-who=all --signal=KILL ${unit}`);
    assert.deepEqual(await followJob(node, spec), { state: 'unknown', reason: 'dead' });
    assert.deepEqual(await runJob(node, spec), { state: 'unknown', reason: 'dead' });
    assert.equal(await inside(`cat ${ran(spec)}`), 'ran');
  });

  it('get their secrets without any property of the unit telling them', async () => {
    const spec = job('[ "$TOKEN" = "planted 4711" ] || exit 1; sleep 1', { secrets: { TOKEN: 'planted 4711' } });
    await startJob(node, spec);
    const unit = await inside(`cat '/root/state dir/jobs/${spec.id}/unit'`);
    const shown = await inside(`systemctl show ${unit}; systemctl cat ${unit}`);
    assert.match(shown, /ExecStart=.*job/);
    assert.doesNotMatch(shown, /planted/);
    const end = await followJob(node, spec);
    assert.equal(end.state === 'done' && end.rc, 0);
  });

  it('run beside systemd where it would expand a part of the path', async () => {
    const spec = job('true', { stateDir: '/root/100% $HOME' });
    const end = await runJob(node, spec);
    assert.equal(end.state === 'done' && end.rc, 0);
  });

  it('go on when whoever started them is gone', async () => {
    const spec = job('sleep 1; echo late');
    await startJob(node, spec);
    await sleep(100);
    assert.equal((await jobStatus(node, spec)).state, 'running');
    assert.equal((await followJob(node, spec)).state, 'done');
  });
});
