import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, setKnob } from '../lab/acme';
import { type CliRun, said } from '../lab/cli';
import { held, hold, type Hold, release } from '../lab/hold';
import { censusOf, pointsOf } from '../integration/cli/backup-scene';
import { run, start } from '../integration/cli/scene';
import { type Backups, both, isBack, oneMore, reinstall, runs, type Scenes, spoil, useBackups } from './backups';
import { nothingLeft, until } from './faults';

/** The command, until n2 stands still in it. */
async function heldIn(scene: Scenes, args: readonly string[], at: Hold, nth = 1): Promise<CliRun> {
  const { lab, n2 } = scene();
  await hold(n2, at, nth);
  const command = start(lab, args);
  await held(n2);
  return command;
}

/** As by the first Ctrl-C. */
async function stop(command: CliRun): Promise<void> {
  command.kill('SIGINT');
  await command.waitFor('stop.requested');
}

describe('stop, and others that come meanwhile', function () {
  this.timeout(300_000);

  describe('during a backup', () => {
    const scene = useBackups();
    beforeEach(() => reinstall(scene()));

    it('the parts that were begun are finished, nothing further begins, and resume completes the point', async () => {
      const { lab, n2 } = scene();
      const had = (await pointsOf(scene(), 'files')).length;
      const command = await heldIn(scene, ['backup', 'create', 'files'], 'backup');
      await stop(command);
      await release(n2);
      const result = await command.done;
      assert.equal(result.finished?.outcome, 'stopped', said(result));
      assert.equal(result.status, 1);
      both(result, 'not-started');
      assert.ok(!result.events.some((event) => event['step'] === 'verify-backup'), said(result));
      assert.notEqual((await pointsOf(scene(), 'files'))[had]?.state, 'verified');
      both(await run(lab, ['resume'], 0), 'backed-up');
      await oneMore(scene(), 'files', had);
    });

    it('of an upgrade: no node is changed, and resume upgrades with a verified point', async () => {
      const { lab, n2, nodes } = scene();
      const had = (await pointsOf(scene(), 'files')).length;
      const { path } = await acmePackage('2.0');
      const before = await censusOf(nodes);
      const command = await heldIn(scene, ['upgrade', path, 'backup', 'files'], 'backup');
      await run(lab, ['stop'], 0);
      await command.waitFor('stop.requested');
      await release(n2);
      const result = await command.done;
      assert.equal(result.finished?.outcome, 'stopped', said(result));
      both(result, 'not-started');
      assert.deepEqual(await censusOf(nodes), before);
      await nothingLeft(nodes);
      both(await run(lab, ['resume'], 0), 'upgraded');
      await runs(nodes, '2.0');
      // The application ran while the run was stopped, so each node was backed up once more before its own stop.
      const states = (await pointsOf(scene(), 'files')).map(({ state }) => state);
      assert.deepEqual(
        states,
        Array.from({ length: had + 3 }, () => 'verified'),
      );
      await nothingLeft(nodes);
    });

    for (const location of ['files', 'vault']) {
      it(`${location}: suspended and taken over, it completes no point when it wakes up`, async () => {
        const { lab, n2, nodes } = scene();
        const had = (await pointsOf(scene(), location)).length;
        const command = await heldIn(scene, ['backup', 'create', location], 'backup');
        command.suspend();
        await release(n2);
        await until(async () => (await n2.must('ps ax | grep -c "[c]lusterlift/jobs" || :')) === '0\n');
        await goStale(scene());
        const elsewhere = { env: { XDG_STATE_HOME: `${lab.home}/other-state` } };
        const words = ['backup', 'create', location, '--override', 'stale-lock'];
        both(await run(lab, words, 0, elsewhere), 'backed-up');
        command.wake();
        const woken = await command.done;
        assert.equal(woken.status, 5, said(woken));
        const states = (await pointsOf(scene(), location)).slice(had).map(({ state }) => state);
        assert.deepEqual(states, ['creating', 'verified']);
        await nothingLeft(nodes);
        await runs(nodes, '1.0');
      });
    }
  });

  describe('during a restore', () => {
    const scene = useBackups({});
    beforeEach(() => spoil(scene()));
    const words = (): string[] => ['backup', 'restore', scene().point, '--yes'];

    it('before the first node is stopped: nothing is changed, and resume restores', async () => {
      const { lab, nodes, vault } = scene();
      const before = await censusOf(nodes);
      await vault.slow(8000);
      const command = start(lab, words());
      await command.waitFor((event) => event.type === 'progress' && event['step'] === 'stage');
      await stop(command);
      await vault.slow();
      const result = await command.done;
      assert.equal(result.finished?.outcome, 'stopped', said(result));
      both(result, 'not-started');
      assert.deepEqual(await censusOf(nodes), before);
      both(await run(lab, ['resume'], 0), 'restored');
      await isBack(scene());
    });

    it('in the middle of a swap: it runs to its end; a second run is refused meanwhile, status 5', async () => {
      const { lab, n2 } = scene();
      const command = await heldIn(scene, words(), 'swap', 4);
      const { run: id } = await command.waitFor('run.started');
      const second = await run(lab, words(), 5);
      assert.ok(second.stderr.includes(String(id)), said(second));
      await run(lab, ['backup', 'create', 'files'], 5);
      await stop(command);
      await release(n2);
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      both(result, 'restored');
      await isBack(scene());
    });
  });

  describe('during a rollback', () => {
    const scene = useBackups();
    beforeEach(() => reinstall(scene()));

    it('it runs to its end', async () => {
      const { n2, nodes } = scene();
      const { path } = await acmePackage('2.0');
      const before = await censusOf(nodes);
      await setKnob(n2, 'upgrade', 'fail', 7);
      const upgrade = ['upgrade', path, 'backup', 'files', '--on-failure', 'rollback'];
      const command = await heldIn(scene, upgrade, 'swap', 4);
      await stop(command);
      await release(n2);
      const result = await command.done;
      assert.equal(result.finished?.outcome, 'rolled-back', said(result));
      assert.equal(result.status, 1);
      both(result, 'rolled-back');
      await isBack(scene(), before);
      assert.equal(await acmeVersion(n2), '1.0');
    });
  });
});

/** As if two minutes had gone by since the last heartbeat. */
async function goStale({ nodes }: Backups): Promise<void> {
  for (const node of nodes) {
    await node.must(
      `for b in /var/lib/clusterlift/lock/e*/beat; do read -r id up wall < "$b"; echo "$id $((up - 500)) $((wall - 500))" > "$b"; done`,
    );
  }
}
