import { strict as assert } from 'node:assert';
import { executions } from '../lab/acme';
import { type CliRun, said } from '../lab/cli';
import { held, hold, type Hold, release } from '../lab/hold';
import { censusOf, codes, pointsOf } from '../integration/cli/backup-scene';
import { run, start } from '../integration/cli/scene';
import { both, oneMore, runs, useBackups } from './backups';
import { FAULTS, type Fault, isMoment, linkDies, nothingLeft, powerLoss, until } from './faults';

/** The rows `backup` and `verify backup` of the recovery table (docs/guarantees.md), through real runs. */
describe('recovery of a backup', function () {
  this.timeout(300_000);
  const scene = useBackups();
  let had = 0;

  /** `backup create`, stopped in the middle of a step on n2. */
  async function create(location: string, at: Hold): Promise<CliRun> {
    const { lab, n2 } = scene();
    had = (await pointsOf(scene(), location)).length;
    await hold(n2, at);
    const command = start(lab, ['backup', 'create', location, '--give-up', '60s']);
    await held(n2);
    return command;
  }

  async function endsWell(command: CliRun, location: string): Promise<void> {
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    both(result, 'backed-up');
    await oneMore(scene(), location, had);
    assert.deepEqual(await censusOf(scene().nodes), scene().before);
  }

  for (const [location, step] of [
    ['files', 'backup'],
    ['files', 'verify'],
    ['vault', 'backup'],
  ] as const) {
    for (const fault of Object.keys(FAULTS) as Fault[]) {
      it(`${location}, ${step}: ${fault}, and the same run ends with a verified point`, async () => {
        const command = await create(location, step);
        await FAULTS[fault](scene().n2);
        await endsWell(command, location);
      });
    }

    it(`${location}, ${step}: we die, and resume ends with a verified point`, async () => {
      const command = await create(location, step);
      command.kill();
      await command.done;
      await release(scene().n2);
      await endsWell(start(scene().lab, ['resume']), location);
    });
  }

  it('files, verify: found broken, and we die before that is over; resume refuses, and the point stays broken', async () => {
    const { lab, n1, n2 } = scene();
    had = (await pointsOf(scene(), 'files')).length;
    await hold(n2, 'backup');
    const killed = start(lab, ['backup', 'create', 'files'], {
      killAt: (event) => isMoment(event, ['point', 'broken']),
    });
    const id = String((await killed.waitFor('point'))['id']);
    await killed.waitFor((event) => isMoment(event, ['step.finished', 'backup']));
    await n1.must(`printf x | dd of=$(echo /var/backups/acme/${id}/n1.tar.*) bs=1 seek=99 conv=notrunc 2>/dev/null`);
    await release(n2);
    assert.equal((await killed.done).signal, 'SIGKILL');
    const result = await start(lab, ['resume']).done;
    assert.equal(result.status, 3, said(result)); // As the run would have ended.
    assert.ok(codes(result).includes('backup-broken'), said(result));
    const points = (await pointsOf(scene(), 'files')).slice(had).map((each) => [each.id, each.state]);
    assert.deepEqual(points, [[id, 'broken']]);
    await nothingLeft(scene().nodes);
    for (const node of scene().nodes) await node.must(`rm -r /var/backups/acme/${id}`);
  });

  for (const step of ['backup', 'verify-backup']) {
    it(`vault, ${step}: the link to the backup server dies, and the same run ends with a verified point`, async () => {
      const { lab, vault, n2 } = scene();
      had = (await pointsOf(scene(), 'vault')).length;
      await n2.must('head -c 3000000 /dev/urandom > /opt/acme/bulk');
      await vault.slow(8000);
      const command = start(lab, ['backup', 'create', 'vault', '--give-up', '60s']);
      await command.waitFor(
        (event) => event.type === 'progress' && event['step'] === step && Number(event['done']) > 0,
      );
      await linkDies(vault);
      await vault.slow();
      const result = await command.done;
      await n2.must('rm /opt/acme/bulk');
      both(result, 'backed-up');
      await oneMore(scene(), 'vault', had);
    });
  }
});

describe('recovery of a backup that stops the application', function () {
  this.timeout(300_000);
  const scene = useBackups({ manifest: { quiet: true } });

  for (const location of ['files', 'vault']) {
    it(`${location}: we die while it is stopped, and the node starts it again without us`, async () => {
      const { lab, nodes, n2 } = scene();
      const had = (await pointsOf(scene(), location)).length;
      await hold(n2, 'backup');
      const command = start(lab, ['backup', 'create', location]);
      await held(n2);
      assert.equal(await n2.exists('/var/lib/acme/running'), false);
      command.kill();
      await command.done;
      await release(n2);
      await until(() => n2.exists('/var/lib/acme/running'));
      both(await run(lab, ['resume'], 0), 'backed-up');
      await oneMore(scene(), location, had);
      await runs(nodes, '2.0');
    });

    it(`${location}: the node dies while it is stopped, and it is started first when the backup is redone`, async () => {
      const { lab, nodes, n2 } = scene();
      const had = (await pointsOf(scene(), location)).length;
      await n2.must('rm -f /var/log/acme.log');
      await hold(n2, 'backup');
      const command = start(lab, ['backup', 'create', location]);
      await held(n2);
      await powerLoss(n2, () => release(n2));
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      const scripts = (await executions([n2])).map(({ script }) => script);
      assert.deepEqual(
        scripts.filter((script) => script !== 'health'),
        ['stop', 'start', 'stop', 'start'],
      );
      await oneMore(scene(), location, had);
      await runs(nodes, '2.0');
    });
  }
});
