import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import { type CliResult, type CliRun, said } from '../lab/cli';
import { assertUnlocked, censusOf, codes, pointsOf } from '../integration/cli/backup-scene';
import { outcomes, run, start } from '../integration/cli/scene';
import { reinstall, useBackups } from './backups';
import { powerLoss, underWayOn } from './faults';

/** Written by the application after its node was backed up. */
const LATE = '/opt/acme/orders-of-today';

describe('how old a part of a backup may be', function () {
  this.timeout(300_000);
  const scene = useBackups();
  beforeEach(async () => {
    await reinstall(scene());
    for (const node of scene().nodes) await node.must(`rm -rf ${LATE} /var/backups/acme/*`);
    await maxAge(undefined);
  });

  async function maxAge(backupMaxAge: string | undefined): Promise<void> {
    await scene().edit((cluster) => {
      cluster['upgrade'] = backupMaxAge === undefined ? {} : { backupMaxAge };
    });
  }

  async function upgrade(location = 'files'): Promise<CliRun> {
    const { path } = await acmePackage('2.0');
    return start(scene().lab, ['upgrade', path, 'serial', 'backup', location, '--on-failure', 'rollback']);
  }

  const write = (): Promise<string[]> => Promise.all(scene().nodes.map((node) => node.must(`echo orders > ${LATE}`)));
  const kept = (): Promise<boolean[]> => Promise.all(scene().nodes.map((node) => node.exists(LATE)));

  /** A run that was stopped after n1; then the application wrote something, and n2 is going to fail. */
  async function stoppedAfterN1(): Promise<void> {
    const { lab, n1, n2 } = scene();
    await setKnob(n1, 'upgrade', 'wait');
    const command = await upgrade();
    await underWayOn(n1, 'upgrade');
    await run(lab, ['stop'], 0);
    await clearKnob(n1, 'upgrade', 'wait');
    const result = await command.done;
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'not-started' }, said(result));
    await write();
    await setKnob(n2, 'upgrade', 'fail', 7);
  }

  for (const location of ['files', 'vault', 'localbackup']) {
    it(`${location}: in one run, the node whose turn comes late gets a part of its own, and goes back to that`, async () => {
      const { lab, n1, n2 } = scene();
      await maxAge('1s');
      await setKnob(n1, 'upgrade', 'wait');
      await setKnob(n2, 'upgrade', 'fail', 7);
      const command = await upgrade(location);
      await underWayOn(n1, 'upgrade');
      await n2.must(`sleep 2; echo orders > ${LATE}`);
      await clearKnob(n1, 'upgrade', 'wait');
      const result = await command.done;
      assert.equal(result.status, 1, said(result));
      assert.deepEqual(outcomes(result), { n1: 'rolled-back', n2: 'rolled-back' }, said(result));
      assert.ok(await n2.exists(LATE), 'n2 goes back to the moment before its stop');
      const fresh = (await pointsOf(scene(), location)).filter(({ nodes }) => Object.keys(nodes).join() === 'n2');
      assert.equal(fresh.at(-1)?.state, 'verified');
      // Before and after: how old, and what was written since.
      assert.match(result.stderr, /warning: n1: goes back to its backup of .* ago; written since.*\[rollback-loses\]/);
      assert.match(result.stderr.replace(/\s+/g, ' '), /Restored; .* n1: as of .* old at that time/);
      await assertUnlocked([n1, n2]);
      await run(lab, ['backup', 'restore', fresh.at(-1)?.id ?? '', '--dry-run'], 0);
    });
  }

  it('young enough, it is not taken again', async () => {
    const result = await (await upgrade()).done;
    assert.equal(result.status, 0, said(result));
    assert.equal((await pointsOf(scene(), 'files')).length, 1);
  });

  it('stopped, and resumed with nobody there: what was written since is lost on no node, status 4', async () => {
    await stoppedAfterN1();
    const { lab, n1, n2, nodes } = scene();
    const [before] = await censusOf([n1]);
    const result = await run(lab, ['resume', '--yes'], 4);
    assert.deepEqual(outcomes(result), { n1: 'unknown', n2: 'rolled-back' }, said(result));
    assert.ok(codes(result).includes('old-backup'), result.stderr);
    assert.deepEqual(await kept(), [true, true]);
    assert.equal((await censusOf([n1]))[0], before, 'n1 is untouched');
    assert.equal((await executions([n1], 'stop')).length, 1);
    for (const node of nodes) assert.ok(await node.exists('/var/lib/acme/running'));
    assert.equal(await acmeVersion(n2), '1.0');
    // Again, and still nobody.
    assert.equal(outcomes(await run(lab, ['resume'], 4))['n1'], 'unknown');
    // A person says so.
    const back = await run(lab, ['resume', '--override', 'old-backup=n1'], 1);
    assert.deepEqual(outcomes(back), { n1: 'rolled-back', n2: 'rolled-back' }, said(back));
    assert.equal(await acmeVersion(n1), '1.0');
    await assertUnlocked(nodes);
  });

  describe('other ways to the same wrong end', () => {
    /** Killed while n2 is upgraded; n1 is done. */
    async function killedInN2(): Promise<void> {
      const { n2 } = scene();
      await setKnob(n2, 'upgrade', 'wait');
      await setKnob(n2, 'upgrade', 'fail', 7);
      const command = await upgrade();
      await underWayOn(n2, 'upgrade');
      command.kill();
      await command.done;
      await clearKnob(n2, 'upgrade', 'wait');
    }

    async function untouched(result: CliResult, names: readonly string[]): Promise<void> {
      for (const name of names) assert.equal(outcomes(result)[name], 'unknown', said(result));
      for (const name of names) assert.ok(await scene().lab.node(name).exists(LATE), name);
      for (const node of scene().nodes) assert.ok(await node.exists('/var/lib/acme/running'), `${node.name} runs`);
      // A person takes it on, for all nodes.
      const back = await run(scene().lab, ['resume', '--override', 'old-backup'], 1);
      assert.deepEqual(outcomes(back), { n1: 'rolled-back', n2: 'rolled-back' }, said(back));
    }

    it('killed, and resumed at once: the parts are young, and the rollback needs nobody', async () => {
      await killedInN2();
      const result = await run(scene().lab, ['resume'], 1);
      assert.deepEqual(outcomes(result), { n1: 'rolled-back', n2: 'rolled-back' }, said(result));
    });

    it('killed, and resumed later than a part may be old: nobody goes back unasked', async () => {
      await maxAge('3s');
      await killedInN2();
      await write();
      await scene().n1.must('sleep 4');
      await untouched(await run(scene().lab, ['resume'], 4), ['n1', 'n2']);
    });

    it('killed, and a node was started again since: its age is not known, which is too old', async () => {
      await killedInN2();
      await write();
      await powerLoss(scene().n1);
      await scene().n1.must(': > /var/lib/acme/running');
      await untouched(await run(scene().lab, ['resume'], 4), ['n1']);
    });

    it('and a new part that cannot be made: the node is not begun, and a resume goes on', async () => {
      await maxAge('1s');
      const { lab, n1, n2 } = scene();
      await setKnob(n1, 'upgrade', 'wait');
      const command = await upgrade();
      await underWayOn(n1, 'upgrade');
      await n2.must('sleep 2; mount -t tmpfs -o size=4k,ro tmpfs /var/backups/acme');
      await clearKnob(n1, 'upgrade', 'wait');
      const result = await command.done;
      await n2.must('umount /var/backups/acme');
      assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'not-started' }, said(result));
      assert.equal(result.status, 1);
      assert.equal((await executions([n2], 'stop')).length, 0);
      assert.deepEqual(outcomes(await run(lab, ['resume'], 0)), { n1: 'upgraded', n2: 'upgraded' });
    });
  });
});
