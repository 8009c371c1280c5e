import { strict as assert } from 'node:assert';
import { acmePackage, executions, setKnob } from '../lab/acme';
import { type CliEvent, type CliResult, said } from '../lab/cli';
import { censusOf, pointsOf, VAULT } from '../integration/cli/backup-scene';
import { start } from '../integration/cli/scene';
import { type Backups, both, isBack, oneMore, reinstall, runs, type Scenes, spoil, useBackups } from './backups';
import { isMoment, killedAt, killedAtEveryLine, type Moment, nothingLeft } from './faults';

/** A command that is killed, again and again, in the same cluster. */
interface Victim {
  readonly scene: Scenes;
  /** Moments for the short form: one of each kind that a journal has. */
  readonly moments: readonly Moment[];
  /** Makes everything ready; gives the command. */
  readonly ready: (scene: Backups) => Promise<readonly string[]>;
  /** Judges the end that `resume` came to. */
  readonly judge: (scene: Backups, result: CliResult) => Promise<void>;
}

function itSurvives({ scene, moments, ready, judge }: Victim): void {
  const resumed = async (): Promise<void> => judge(scene(), await start(scene().lab, ['resume']).done);
  const kill = async (moment: (event: CliEvent) => boolean): Promise<CliResult> =>
    killedAt(scene().lab, await ready(scene()), moment);

  for (const moment of moments) {
    it(`at ${moment.join(' ')}: resume comes to the right end`, async () => {
      const result = await kill((event) => isMoment(event, moment));
      assert.equal(result.signal, 'SIGKILL', `there was no such moment\n${said(result)}`);
      await resumed();
    });
  }

  if (process.env['LONG'] !== undefined) {
    it('at every single line of the journal', async function () {
      this.timeout(3_600_000);
      const lines = await killedAtEveryLine(
        () => scene().lab,
        kill,
        resumed,
        () => Promise.resolve(),
      );
      assert.ok(lines > moments.length, `${String(lines)} lines`);
    });
  }
}

describe('a backup that is killed', function () {
  this.timeout(300_000);
  let had = 0;
  itSurvives({
    scene: useBackups(),
    moments: [
      ['point', 'creating'],
      ['step.finished', 'backup'],
      ['point', 'complete'],
      ['step.finished', 'verify-backup'],
      ['committed'],
    ],
    ready: async (scene) => {
      had = (await pointsOf(scene, 'vault')).length;
      return ['backup', 'create', 'vault'];
    },
    judge: async (scene, result) => {
      both(result, 'backed-up');
      assert.equal(result.status, 0, said(result));
      await oneMore(scene, 'vault', had);
      assert.deepEqual(await censusOf(scene.nodes), scene.before);
    },
  });
});

describe('an upgrade with a backup that is killed', function () {
  this.timeout(300_000);
  itSurvives({
    scene: useBackups(),
    moments: [
      ['point', 'creating'],
      ['step.finished', 'backup'],
      ['step.started', 'verify-backup'],
      ['point', 'verified'],
    ],
    ready: async (scene) => {
      await anew(scene);
      return ['upgrade', (await acmePackage('2.0')).path, 'backup', 'vault'];
    },
    judge: async (scene, result) => {
      both(result, 'upgraded');
      assert.equal(result.status, 0, said(result));
      await runs(scene.nodes, '2.0');
      await upgradedOnce(scene);
      await oneMore(scene, 'vault', 0);
    },
  });
});

describe('a restore that is killed', function () {
  this.timeout(300_000);
  itSurvives({
    scene: useBackups({}),
    moments: [
      ['step.started', 'stage'],
      ['step.started', 'stop'],
      ['step.started', 'restore'],
      ['step.finished', 'restore'],
      ['node.finished'],
      ['committed'],
    ],
    ready: async (scene) => {
      await spoil(scene);
      return ['backup', 'restore', scene.point, '--yes'];
    },
    judge: async (scene, result) => {
      both(result, 'restored');
      assert.equal(result.status, 0, said(result));
      await isBack(scene);
    },
  });
});

describe('a rollback that is killed', function () {
  this.timeout(300_000);
  let before: readonly string[] = [];
  itSurvives({
    scene: useBackups(),
    moments: [
      ['node.finished'],
      ['phase', 'rollback'],
      ['step.started', 'restore', 'rollback'],
      ['step.finished', 'restore', 'rollback'],
      ['step.finished', 'health', 'rollback'],
      ['phase', 'unlock'],
    ],
    ready: async (scene) => {
      await anew(scene);
      before = await censusOf(scene.nodes);
      await setKnob(scene.n2, 'upgrade', 'fail', 7);
      return ['upgrade', (await acmePackage('2.0')).path, 'backup', 'files', '--on-failure', 'rollback'];
    },
    judge: async (scene, result) => {
      both(result, 'rolled-back');
      assert.equal(result.status, 1, said(result));
      await isBack(scene, before);
      await upgradedOnce(scene);
      await nothingLeft(scene.nodes);
    },
  });
});

/** acme 1.0 is installed as at first, and there is no point. */
async function anew(scene: Backups): Promise<void> {
  await reinstall(scene);
  await scene.vault.must(`rm -rf ${VAULT}/*`);
  for (const node of scene.nodes) await node.must('rm -rf /var/backups/acme/*');
}

async function upgradedOnce({ nodes }: Backups): Promise<void> {
  for (const node of nodes) assert.equal((await executions([node], 'upgrade')).length, 1, `upgrades on ${node.name}`);
}
