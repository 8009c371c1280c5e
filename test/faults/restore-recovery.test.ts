import { strict as assert } from 'node:assert';
import { acmePackage, clearKnob, executions, setKnob } from '../lab/acme';
import { type CliRun, said } from '../lab/cli';
import { held, hold, release } from '../lab/hold';
import { censusOf } from '../integration/cli/backup-scene';
import { begun, outcomes, start } from '../integration/cli/scene';
import { both, isBack, reinstall, spoil, useBackups } from './backups';
import { FAULTS, type Fault, linkDies, powerLoss, underWayOn, until } from './faults';

/** The row `restore swap` of the recovery table (docs/guarantees.md), through real runs, and what else a way back has that an upgrade has not. */
describe('recovery of a restore', function () {
  this.timeout(300_000);
  const scene = useBackups({
    scripts: { restore: '#!/bin/sh\nwhile [ -e /var/acme-knobs/restore.wait ]; do sleep 0.1; done\n' },
  });
  beforeEach(() => spoil(scene()));

  const restore = (): CliRun => start(scene().lab, ['backup', 'restore', scene().point, '--yes', '--give-up', '60s']);

  async function endsWell(command: CliRun): Promise<void> {
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    both(result, 'restored');
    await isBack(scene());
  }

  // Of a swap: the old one is aside, and the new one is not in yet.
  for (const [step, nth] of [
    ['unpack', 1],
    ['swap', 4],
  ] as const) {
    for (const fault of Object.keys(FAULTS) as Fault[]) {
      it(`${step}: ${fault}, and the same run ends with what the point holds`, async () => {
        await hold(scene().n2, step, nth);
        const command = restore();
        await held(scene().n2);
        await FAULTS[fault](scene().n2);
        await endsWell(command);
      });
    }
  }

  it('swap: we die, and resume ends with what the point holds', async () => {
    await hold(scene().n2, 'swap', 4);
    const command = restore();
    await held(scene().n2);
    command.kill();
    await command.done;
    await release(scene().n2);
    await endsWell(start(scene().lab, ['resume']));
  });

  it('swap: an application that came up with its node is stopped again before the swap goes on', async () => {
    const { n2 } = scene();
    await hold(n2, 'swap', 4);
    const command = restore();
    await held(n2);
    await powerLoss(n2, async () => {
      await release(n2);
      await n2.must(': > /var/lib/acme/running');
    });
    await endsWell(command);
    assert.deepEqual(
      (await executions([n2], 'stop')).map(({ exit }) => exit),
      [0, 0],
    );
  });

  it('stage: the link to the backup server dies, and the same run ends with what the point holds', async () => {
    const { vault } = scene();
    await vault.slow(8000);
    const command = restore();
    await command.waitFor(
      (event) => event.type === 'progress' && event['step'] === 'stage' && Number(event['done']) > 0,
    );
    await linkDies(vault);
    await vault.slow();
    await endsWell(command);
  });

  it('start: the node dies, and it is repeated', async () => {
    const { n2 } = scene();
    await setKnob(n2, 'start', 'wait');
    const command = restore();
    await underWayOn(n2, 'start');
    await powerLoss(n2, () => clearKnob(n2, 'start', 'wait'));
    await endsWell(command);
  });

  it('provision: the primary dies, and no node is proven until a person decides', async () => {
    const { lab, n1, n2 } = scene();
    await setKnob(n2, 'start', 'ask', 'provision=required');
    await setKnob(n1, 'provision', 'wait');
    const command = restore();
    await underWayOn(n1, 'provision');
    await powerLoss(n1, () => clearKnob(n1, 'provision', 'wait'));
    const result = await command.done;
    assert.equal(result.status, 4, said(result));
    both(result, 'unknown');
    await endsWell(start(lab, ['resume', '--decide', 'n1=retry']));
  });

  it('restore script: the node dies, and a person decides', async () => {
    const { lab, n2 } = scene();
    await setKnob(n2, 'restore' as 'stop', 'wait');
    const command = restore();
    await command.waitFor(begun('n2', 'restore-script'));
    await until(async () => (await n2.run('pgrep -f "[b]in/restore"')).code === 0);
    await powerLoss(n2, () => clearKnob(n2, 'restore' as 'stop', 'wait'));
    const result = await command.done;
    assert.equal(result.status, 4, said(result));
    assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'unknown' });
    await endsWell(start(lab, ['resume', '--decide', 'n2=retry']));
  });
});

describe('recovery of a rollback', function () {
  this.timeout(300_000);
  const scene = useBackups();
  let before: string[] = [];
  beforeEach(() => reinstall(scene()));

  async function upgrade(): Promise<CliRun> {
    const { path } = await acmePackage('2.0');
    const { lab, n2, nodes } = scene();
    before = await censusOf(nodes);
    await setKnob(n2, 'upgrade', 'fail', 7);
    return start(lab, ['upgrade', path, 'backup', 'files', '--on-failure', 'rollback', '--give-up', '60s']);
  }

  async function endsWell(command: CliRun): Promise<void> {
    const result = await command.done;
    assert.equal(result.status, 1, said(result));
    assert.equal(result.finished?.outcome, 'rolled-back');
    both(result, 'rolled-back');
    await isBack(scene(), before);
  }

  for (const fault of Object.keys(FAULTS) as Fault[]) {
    it(`swap: ${fault}, and the same run ends with what was there`, async () => {
      const { n2 } = scene();
      await hold(n2, 'swap', 4);
      const command = await upgrade();
      await held(n2);
      await FAULTS[fault](n2);
      await endsWell(command);
    });
  }

  it('start: the node dies, and it is repeated', async () => {
    const { n2 } = scene();
    await setKnob(n2, 'start', 'wait');
    const command = await upgrade();
    await underWayOn(n2, 'start');
    await powerLoss(n2, () => clearKnob(n2, 'start', 'wait'));
    await endsWell(command);
  });
});
