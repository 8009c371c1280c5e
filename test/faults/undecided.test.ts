import { strict as assert } from 'node:assert';
import { sleep } from '../../src/base/async';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import { said } from '../lab/cli';
import type { Lab, LabNode } from '../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, outcomes, run, start } from '../integration/cli/scene';
import { underWayOn } from './faults';

/** Nobody can say yet how a script went: it is neither run a second time, nor told as failed, nor followed by another one. */
describe('a script that still runs', function () {
  this.timeout(300_000);
  let lab: Lab;
  let n2: LabNode;
  before(function () {
    needsLab(this);
  });
  afterEach(() => lab.stop());

  it('is not decided about, however overdue: each decision is refused, and resume follows it to its end', async () => {
    lab = await acmeCluster([{}, {}]);
    n2 = lab.node('n2');
    const { path } = await acmePackage('2.0', { manifest: { timeouts: { upgrade: '1s' } } });
    await setKnob(n2, 'upgrade', 'wait');
    const left = await run(lab, ['upgrade', path, '--give-up', '2s'], 4);
    assert.deepEqual(outcomes(left), { n1: 'upgraded', n2: 'unknown' });
    assert.match(left.stderr, /overdue/);
    for (const choice of ['retry', 'done', 'failed']) {
      const refused = await run(lab, ['resume', '--decide', `n2=${choice}`], 3);
      assert.match(refused.stderr, /still runs on n2.*\[job-running\]/);
    }
    assert.equal((await executions([n2], 'upgrade')).length, 1);
    await clearKnob(n2, 'upgrade', 'wait');
    assert.deepEqual(outcomes(await run(lab, ['resume'], 0)), { n1: 'upgraded', n2: 'upgraded' });
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });

  describe('on a node that no longer lets us become root', () => {
    const away = 'mv /etc/sudoers.d/lab-platform /root/lab-platform';
    const back = 'mv /root/lab-platform /etc/sudoers.d/lab-platform';

    /** The script runs, sudo is taken away, and the link has to be made anew. */
    async function lockedOut(...more: string[]): Promise<ReturnType<typeof start>> {
      const users = [{ name: 'platform', sudo: 'nopasswd' } as const];
      lab = await acmeCluster([{ users }, { users }], { user: 'platform', become: 'sudo' });
      n2 = lab.node('n2');
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'wait');
      const command = start(lab, ['upgrade', path, ...more]);
      await underWayOn(n2, 'upgrade');
      await n2.must(away);
      await n2.restartSshd();
      return command;
    }

    it('is followed on when that was mended', async () => {
      const command = await lockedOut();
      await sleep(3000);
      await clearKnob(n2, 'upgrade', 'wait');
      await n2.must(back);
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
      await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
    });

    it('is unknown otherwise, status 4: nothing comes after it, its lock stays, and resume goes on', async () => {
      const command = await lockedOut('--give-up', '5s');
      const result = await command.done;
      assert.equal(result.status, 4, said(result));
      assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'unknown' });
      assert.deepEqual(await executions([n2], 'start'), []);
      assert.ok(await n2.exists('/var/lib/clusterlift/lock/owner.json'));
      await clearKnob(n2, 'upgrade', 'wait');
      await n2.must(back);
      await run(lab, ['resume'], 0);
      assert.equal(await acmeVersion(n2), '2.0');
      await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
    });
  });
});

/** The state directory of a node is all that it knows of a run: without it, nothing of the run is begun there again. */
describe('a node that loses its state directory', function () {
  this.timeout(400_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  afterEach(() => lab.stop());

  const lose = 'rm -rf /var/lib/clusterlift';

  it('in the middle of its upgrade is unknown, the others finish, and its script runs again only when a person says so', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const [n1, n2, n3] = [lab.node('n1'), lab.node('n2'), lab.node('n3')];
    const { path } = await acmePackage('2.0');
    await setKnob(n1, 'upgrade', 'run', lose);
    for (const node of [n2, n3]) await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await command.waitFor((event) => event.type === 'node.finished' && event['node'] === 'n1');
    // Longer than two heartbeats: they find no lock there, and that is no take-over.
    await sleep(22_000);
    for (const node of [n2, n3]) await clearKnob(node, 'upgrade', 'wait');
    const result = await command.done;
    assert.equal(result.status, 4, said(result));
    assert.deepEqual(outcomes(result), { n1: 'unknown', n2: 'upgraded', n3: 'upgraded' });
    assert.match(result.stderr + result.stdout, /state-lost/);
    await clearKnob(n1, 'upgrade', 'run');

    const resumed = await run(lab, ['resume'], 4);
    assert.deepEqual(outcomes(resumed), { n1: 'unknown', n2: 'upgraded', n3: 'upgraded' });
    assert.equal((await executions([n1], 'upgrade')).length, 1, 'it is not started again');

    const decided = await run(lab, ['resume', '--decide', 'n1=retry'], 0);
    assert.deepEqual(outcomes(decided), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    assert.equal((await executions([n1], 'upgrade')).length, 2, 'now a person wanted it');
    await exactlyOnce([n2, n3], ['stop', 'upgrade', 'start']);
  });

  it('while nobody works on the run is unknown when it is resumed, and the others go on', async () => {
    lab = await acmeCluster([{}, {}]);
    const [n1, n2] = [lab.node('n1'), lab.node('n2')];
    const { path } = await acmePackage('2.0');
    for (const node of [n1, n2]) await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    for (const node of [n1, n2]) await underWayOn(node, 'upgrade');
    command.kill();
    await command.done;
    await n1.must(lose);
    for (const node of [n1, n2]) await clearKnob(node, 'upgrade', 'wait');
    const resumed = await run(lab, ['resume'], 4);
    assert.deepEqual(outcomes(resumed), { n1: 'unknown', n2: 'upgraded' });
    assert.equal((await executions([n1], 'upgrade')).length, 1, 'it is not started again');
    const decided = await run(lab, ['resume', '--decide', 'n1=done'], 0);
    assert.deepEqual(outcomes(decided), { n1: 'upgraded', n2: 'upgraded' });
    assert.equal((await executions([n1], 'upgrade')).length, 1);
  });
});
