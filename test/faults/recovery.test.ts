import { strict as assert } from 'node:assert';
import { sleep } from '../../src/base/async';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob, type AcmeScript } from '../lab/acme';
import { CliRun, said } from '../lab/cli';
import { release } from '../lab/hold';
import type { Lab, LabNode } from '../lab/nodes';
import {
  acmeCluster,
  begun,
  ended,
  exactlyOnce,
  needsLab,
  outcomes,
  run,
  start,
  writtenFiles,
} from '../integration/cli/scene';
import { linkDies, powerLoss, underWayOn, until } from './faults';
import { haltedIn, letGo, PAD, sentTo, STEPS } from './halted';

/**
 * The recovery table of the design, row by row, for the link and the node; where *we* die is in killed.test.ts, but for the
 * rows that need a reboot, a provision or a look at what was sent. The rows of backups and restores are in
 * backup-recovery.test.ts and restore-recovery.test.ts. n2 is the node that things happen to, n1 the primary that sees
 * nothing of it.
 */
describe('recovery', function () {
  this.timeout(300_000);
  let lab: Lab;
  let n1: LabNode;
  let n2: LabNode;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
    n1 = lab.node('n1');
    n2 = lab.node('n2');
  });
  afterEach(() => lab.stop());

  const upgrade = (iso: string, ...more: string[]): CliRun => start(lab, ['upgrade', iso, '--give-up', '60s', ...more]);
  const counts = async (node: LabNode, script: AcmeScript): Promise<number> =>
    (await executions([node], script)).length;

  async function endsWell(command: CliRun, version = '2.0'): Promise<void> {
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    for (const node of lab.nodes) {
      assert.equal(await acmeVersion(node), version);
      assert.equal(await counts(node, 'upgrade'), 1, `upgrades on ${node.name}`);
      assert.equal(await node.exists('/var/lib/clusterlift/lock/owner.json'), false, `${node.name} is locked`);
    }
  }

  /** What a person reads who follows the run in another terminal. */
  async function follow(): Promise<CliRun> {
    const follower = new CliRun(lab, ['attach']);
    await until(() => Promise.resolve(follower.stdout !== ''));
    return follower;
  }

  const toldAsLost = (follower: CliRun, node: LabNode): Promise<void> =>
    until(() => Promise.resolve(follower.stdout.includes(`${node.name}: connection lost`)));

  describe('the link dies', () => {
    for (const step of STEPS) {
      it(`in ${step}: the same run goes on, each script ran once`, async () => {
        const { path, size } = await acmePackage('2.0', PAD);
        const command = await haltedIn(step, lab, () => upgrade(path));
        const follower = await follow();
        await linkDies(n2);
        await toldAsLost(follower, n2);
        await letGo(n2, step);
        await endsWell(command);
        await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
        if (step === 'stage') assert.ok(sentTo(command, 'n2') < size, 'it began anew');
      });
    }

    it('in a provision: followed on, it ran once', async () => {
      const { path } = await acmePackage('2.0', { manifest: { provision: 'always' } });
      await setKnob(n1, 'provision', 'wait');
      const command = upgrade(path);
      await underWayOn(n1, 'provision');
      const follower = await follow();
      await linkDies(n1);
      await toldAsLost(follower, n1);
      await clearKnob(n1, 'provision', 'wait');
      await endsWell(command);
      assert.equal(await counts(n1, 'provision'), 1);
    });

    it('in a reboot: probed until it is back, one reboot only', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'ask', 'reboot=required');
      n2.backAfter = 2000;
      const command = upgrade(path);
      await command.waitFor(begun('n2', 'reboot'));
      await until(() => Promise.resolve(!n2.running));
      await n2.cutLink();
      await n2.settled();
      await sleep(2000);
      assert.ok(!command.events.some(ended('n2', 'reboot')), 'it is back, and nobody can know');
      await n2.restoreLink();
      await endsWell(command);
      assert.equal(n2.boots, 2);
    });
  });

  describe('the node dies', () => {
    for (const step of ['lock', 'unpack', 'stop', 'start'] as const) {
      it(`in ${step}: the run goes on when it is back`, async () => {
        const { path } = await acmePackage('2.0', PAD);
        const command = await haltedIn(step, lab, () => upgrade(path));
        await powerLoss(n2, () => letGo(n2, step));
        await endsWell(command);
        const { data } = await command.waitFor(ended('n2', 'lock'));
        assert.deepEqual(data, { epoch: 1 }, 'the lock outlived it');
        if (step === 'stop' || step === 'start') assert.equal(await counts(n2, step), 2, `${step} was repeated`);
      });
    }

    for (const [what, spoilt] of [
      ['a part that is as it was: only the rest is sent', false],
      ['a part that was spoilt: all is sent anew', true],
    ] as const) {
      it(`in stage, and keeps ${what}`, async () => {
        const { path, size, sha256 } = await acmePackage('2.0', PAD);
        const part = `/var/lib/clusterlift/packages/${sha256}/image.iso.part`;
        const command = await haltedIn('stage', lab, () => upgrade(path));
        await powerLoss(n2, async () => {
          await letGo(n2, 'stage');
          // An image begins with zeros.
          if (spoilt) await n2.must(`printf x | dd of=${part} bs=1 seek=1000 conv=notrunc`);
        });
        await endsWell(command);
        if (spoilt) assert.equal(sentTo(command, 'n2'), size);
        else assert.ok(sentTo(command, 'n2') < size, 'it began anew');
      });
    }

    it('in the upgrade: unknown, status 4; a person decides, and only then it is tried again', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'wait');
      const command = upgrade(path);
      await underWayOn(n2, 'upgrade');
      await powerLoss(n2);
      const result = await command.done;
      assert.equal(result.status, 4, said(result));
      assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'unknown' });
      assert.equal(await n2.exists('/var/lib/clusterlift/lock/owner.json'), true, 'its lock stays');
      assert.equal((await start(lab, ['resume']).done).status, 4, 'without a decision nothing is repeated');
      assert.equal(await counts(n2, 'upgrade'), 1);
      await clearKnob(n2, 'upgrade', 'wait');
      await n2.must('rm -f /var/lib/acme/running');
      const decided = await run(lab, ['resume', '--decide', 'n2=retry'], 0);
      assert.deepEqual(outcomes(decided), { n1: 'upgraded', n2: 'upgraded' });
      assert.equal(await counts(n2, 'upgrade'), 2);
      assert.equal(await counts(n1, 'upgrade'), 1);
    });

    it('after the script of the upgrade, before its status was written: proven by record, version and health', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'wait');
      const command = upgrade(path);
      await underWayOn(n2, 'upgrade');
      // As if the power went off between the record that the job wrote and its status.
      await n2.must('echo 2.0 > /etc/acme/release; : > /var/lib/acme/running');
      await n2.must(`sed -i 's/^"state":"begun"/"state":"script-ok"/' /var/lib/clusterlift/installed/*/record.json`);
      await powerLoss(n2);
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      assert.equal(await counts(n2, 'upgrade'), 1);
    });

    it('in a reboot: a changed boot id is what counts', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'ask', 'reboot=required');
      n2.backAfter = 3000;
      const command = upgrade(path);
      await command.waitFor(begun('n2', 'reboot'));
      await powerLoss(n2);
      await endsWell(command);
    });

    it('in a reboot and does not come back: unknown after the deadline', async () => {
      const { path } = await acmePackage('2.0', { manifest: { timeouts: { reboot: '2s' } } });
      await setKnob(n2, 'upgrade', 'ask', 'reboot=required');
      n2.backAfter = undefined;
      const result = await start(lab, ['upgrade', path, '--give-up', '5s']).done;
      assert.equal(result.status, 4, said(result));
      assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'unknown' });
    });

    it('in a provision: a person decides', async () => {
      const { path } = await acmePackage('2.0', { manifest: { provision: 'always' } });
      await setKnob(n1, 'provision', 'wait');
      const command = upgrade(path);
      await underWayOn(n1, 'provision');
      await powerLoss(n1);
      const result = await command.done;
      assert.equal(result.status, 4, said(result));
      await clearKnob(n1, 'provision', 'wait');
      const decided = await start(lab, ['resume', '--decide', 'n1=retry']).done;
      assert.equal(decided.status, 0, said(decided));
      assert.equal(await counts(n1, 'provision'), 2);
    });

    it('in a provision that is idempotent: repeated', async () => {
      const { path } = await acmePackage('2.0', { manifest: { provision: 'always', idempotent: true } });
      await setKnob(n1, 'provision', 'wait');
      const command = upgrade(path);
      await underWayOn(n1, 'provision');
      await clearKnob(n1, 'provision', 'wait');
      await powerLoss(n1);
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
    });

    it('after the commit: the run is done; its lock is stale and closed, and the next run frees it', async () => {
      const { path } = await acmePackage('2.0');
      const command = await haltedIn('unlock', lab, () => upgrade(path));
      assert.ok(command.events.some(({ type }) => type === 'committed'));
      await n2.crash();
      await release(n2);
      await n2.must('rm /var/lib/clusterlift/lock/e1/released'); // it was not on the disk yet
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      await n2.boot();
      assert.equal(await n2.exists('/var/lib/clusterlift/lock/owner.json'), true, 'it is locked');
      const next = await acmePackage('3.0');
      const after = await start(lab, ['upgrade', next.path]).done;
      assert.equal(after.status, 0, said(after));
    });
  });

  describe('we die', () => {
    it('in stage: resume goes on from the part that is there', async () => {
      const { path, size } = await acmePackage('2.0', PAD);
      const command = await haltedIn('stage', lab, () => upgrade(path));
      command.kill();
      await command.done;
      await letGo(n2, 'stage');
      const resumed = start(lab, ['resume']);
      await endsWell(resumed);
      const sent = sentTo(resumed, 'n2');
      assert.ok(sent > 0 && sent < size, `${String(sent)} of ${String(size)} bytes were sent again`);
    });

    it('in a reboot: resume finds the new boot id and does not ask again', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'ask', 'reboot=required');
      const killed = await start(lab, ['upgrade', path], { killAt: begun('n2', 'reboot') }).done;
      assert.equal(killed.signal, 'SIGKILL');
      await endsWell(start(lab, ['resume']));
      assert.equal(n2.boots, 2);
    });

    it('in a provision: resume follows it, it ran once', async () => {
      const { path } = await acmePackage('2.0', { manifest: { provision: 'always' } });
      await setKnob(n1, 'provision', 'wait');
      const command = upgrade(path);
      await underWayOn(n1, 'provision');
      command.kill();
      await command.done;
      const resumed = start(lab, ['resume']);
      await resumed.waitFor('run.resumed');
      await clearKnob(n1, 'provision', 'wait');
      await endsWell(resumed);
      assert.equal(await counts(n1, 'provision'), 1);
    });

    it('on another machine: resume --from-nodes goes on from what the nodes keep', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'upgrade', 'wait');
      const command = upgrade(path);
      const { run: id } = await command.waitFor('run.started');
      await underWayOn(n2, 'upgrade');
      await sleep(4000); // until the copies on the nodes have caught up
      command.kill();
      await command.done;
      const elsewhere = { XDG_STATE_HOME: `${lab.home}/other-state` };
      const resumed = start(lab, ['resume', String(id), '--from-nodes', '--yes'], {
        env: elsewhere,
      });
      await resumed.waitFor('run.resumed');
      await clearKnob(n2, 'upgrade', 'wait');
      await endsWell(resumed);
    });

    it('suspended past the time limit and taken over: it changes nothing when it wakes up', async () => {
      const { path } = await acmePackage('2.0');
      await setKnob(n1, 'stop', 'wait');
      const command = upgrade(path, 'serial');
      await underWayOn(n1, 'stop');
      command.suspend();
      await clearKnob(n1, 'stop', 'wait');
      await sleep(1500);
      // As if two minutes had gone by since the last heartbeat.
      for (const node of lab.nodes) {
        await node.must(
          `for b in /var/lib/clusterlift/lock/e*/beat; do read -r id up wall < "$b"; echo "$id $((up - 500)) $((wall - 500))" > "$b"; done`,
        );
      }
      const next = await acmePackage('3.0');
      const taken = await start(lab, ['upgrade', next.path, '--override', 'stale-lock'], {
        env: { XDG_STATE_HOME: `${lab.home}/other-state` },
      }).done;
      assert.equal(taken.status, 0, said(taken));
      // All but its own journal, of which the nodes may get a copy.
      const { run: id } = await command.waitFor('run.started');
      const written = async (): Promise<string[]> => {
        const files = (await Promise.all(lab.nodes.map(writtenFiles))).flatMap((each) => each.split('\n'));
        return files.filter((each) => !each.startsWith(`./var/lib/clusterlift/runs/${String(id)}/`));
      };
      const before = [await executions(lab.nodes), await written()];
      command.wake();
      const woken = await command.done;
      assert.equal(woken.status, 5, said(woken));
      assert.deepEqual([await executions(lab.nodes), await written()], before);
      for (const node of lab.nodes) {
        assert.equal(await acmeVersion(node), '3.0');
        assert.equal(await counts(node, 'upgrade'), 1);
      }
    });
  });
});
