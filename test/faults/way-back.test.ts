import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import { type CliResult, type CliRun, said } from '../lab/cli';
import type { LabNode } from '../lab/nodes';
import { censusOf, codes } from '../integration/cli/backup-scene';
import { outcomes, run, start } from '../integration/cli/scene';
import { both, isBack, reinstall, runs, spoil, useBackups } from './backups';
import { nothingLeft, underWayOn, until } from './faults';

const locked = (node: LabNode): Promise<boolean> => node.exists('/var/lib/clusterlift/lock/owner.json');

describe('a restore that does not come out as it should', function () {
  this.timeout(300_000);
  const scene = useBackups({ manifest: { timeouts: { health: '1s' } } });
  let before: readonly string[] = [];
  beforeEach(async () => {
    await spoil(scene());
    before = await censusOf(scene().nodes);
  });

  function restore(status: number): Promise<CliResult> {
    return run(scene().lab, ['backup', 'restore', scene().point, '--yes'], status);
  }

  /** On n2 another version comes up than the point recorded. */
  async function otherVersion(): Promise<void> {
    const { n2 } = scene();
    await setKnob(n2, 'start', 'run', 'echo 1.5 > /etc/acme/release');
    const result = await restore(4);
    assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'unknown' }, said(result));
    assert.ok(codes(result).includes('restored-version'), said(result));
    assert.ok(await locked(n2));
    await clearKnob(n2, 'start', 'run');
  }

  async function decided(choice: string, status: number, n2: string): Promise<void> {
    const result = await run(scene().lab, ['resume', '--decide', `n2=${choice}`], status);
    assert.deepEqual(outcomes(result), { n1: 'restored', n2 }, said(result));
    await nothingLeft(scene().nodes);
  }

  it('on another version: a person decides, and without a decision nothing is done', async () => {
    await otherVersion();
    const now = await censusOf(scene().nodes);
    assert.deepEqual(outcomes(await run(scene().lab, ['resume'], 4)), { n1: 'restored', n2: 'unknown' });
    assert.deepEqual(await censusOf(scene().nodes), now);
    await decided('done', 0, 'restored');
    assert.deepEqual(await censusOf(scene().nodes), now);
  });

  it('on another version: retry asks again', async () => {
    await otherVersion();
    await scene().n2.must('echo 1.0 > /etc/acme/release');
    await decided('retry', 0, 'restored');
    await runs(scene().nodes, '1.0');
  });

  it('on another version: failed puts back what was there', async () => {
    await otherVersion();
    await decided('failed', 1, 'failed');
    assert.equal((await censusOf(scene().nodes))[1], before[1]);
    await runs([scene().n2], '2.0');
    await runs([scene().n1], '1.0');
  });

  it('not healthy: what was there is put back and runs, status 1', async () => {
    const { n2, nodes } = scene();
    await setKnob(n2, 'health', 'run', '[ "$(cat /etc/acme/release)" = 2.0 ] || exit 3');
    const result = await restore(1);
    assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'failed' }, said(result));
    assert.ok(codes(result).includes('unhealthy'), said(result));
    assert.equal((await censusOf(nodes))[1], before[1]);
    assert.equal(await acmeVersion(n2), '2.0');
    assert.ok(await n2.exists('/var/lib/acme/running'));
    await nothingLeft(nodes);
    await clearKnob(n2, 'health', 'run');
    both(await restore(0), 'restored');
    await isBack(scene());
  });

  it('asked for a provision: it runs once, on the primary, when all have started and before any is proven', async () => {
    const { n1, n2, nodes } = scene();
    await setKnob(n2, 'start', 'ask', 'provision=required');
    const result = await restore(0);
    both(result, 'restored');
    const steps = result.events.filter(({ type }) => type === 'step.finished' || type === 'step.started');
    const at = (type: string, step: string): number[] =>
      steps.flatMap((each, index) => (each.type === type && each['step'] === step ? [index] : []));
    const [provision = -1, ...more] = at('step.finished', 'provision');
    assert.deepEqual(more, []);
    assert.ok(Math.max(...at('step.finished', 'start')) < provision, said(result));
    assert.ok(provision < Math.min(...at('step.started', 'version'), ...at('step.started', 'health')), said(result));
    assert.equal((await executions([n1], 'provision')).length, 1);
    await nothingLeft(nodes);
  });

  it('without the primary: the plan says that a provision could not run there', async () => {
    const { lab, point } = scene();
    const { events } = await run(lab, ['backup', 'restore', point, '--nodes', 'n2', '--dry-run'], 0);
    assert.match(JSON.stringify(events[0]), /"primary-left-out"/);
  });

  it('not provisioned: every node is put back to what was there, and runs, status 1', async () => {
    const { n1, n2, nodes } = scene();
    await setKnob(n2, 'start', 'ask', 'provision=required');
    await setKnob(n1, 'provision', 'fail', 5);
    const result = await restore(1);
    both(result, 'failed');
    assert.ok(codes(result).includes('provision-failed'), said(result));
    assert.deepEqual(await censusOf(nodes), before);
    for (const node of nodes) assert.ok(await node.exists('/var/lib/acme/running'));
    await nothingLeft(nodes);
  });

  it('healthy, but what was replaced cannot be removed: it stays restored, never half of it goes back', async () => {
    const { n2, nodes } = scene();
    const busy =
      'd=$(echo /*/.clusterlift-*/old/1/acme); [ ! -d "$d" ] || mountpoint -q "$d" || mount -t tmpfs none "$d"';
    await setKnob(n2, 'health', 'run', busy);
    const result = await restore(0);
    both(result, 'restored');
    assert.deepEqual(await censusOf(nodes), scene().before);
    await runs(nodes, '1.0');
    assert.ok(
      result.events.some((event) => event.type === 'warning' && event['node'] === 'n2'),
      said(result),
    );
    await n2.must('umount /*/.clusterlift-*/old/1/acme; rm -rf /*/.clusterlift-* /var/lib/clusterlift/restore');
  });
});

describe('a rollback that cannot reach everything', function () {
  this.timeout(300_000);
  const scene = useBackups();
  let before: readonly string[] = [];
  beforeEach(async () => {
    await reinstall(scene());
    before = await censusOf(scene().nodes);
  });

  /** @param giveUp `patient`: long enough for what is done meanwhile, also on a slow machine */
  async function upgrade(location: string, giveUp: 'patient' | 'soon'): Promise<CliRun> {
    const { path } = await acmePackage('2.0', { manifest: { timeouts: { upgrade: '1s' } } });
    const words = [
      'upgrade',
      path,
      'backup',
      location,
      '--on-failure',
      'rollback',
      '--give-up',
      giveUp === 'soon' ? '6s' : '25s',
    ];
    return start(scene().lab, words);
  }

  async function rolledBack(result: CliResult): Promise<void> {
    assert.equal(result.finished?.outcome, 'rolled-back', said(result));
    both(result, 'rolled-back');
    await isBack(scene(), before);
  }

  it('a provision that the way back asks for is for the version that is back; one that fails is told and stays asked for', async () => {
    const { lab, n1, n2 } = scene();
    const requests = (): Promise<string> => n2.must('ls -A /var/lib/clusterlift/requests 2>/dev/null || :');
    await setKnob(n2, 'upgrade', 'fail', 7);
    await setKnob(n2, 'start', 'ask', 'provision=required');
    await setKnob(n1, 'provision', 'run', 'echo "$CLUSTERLIFT_FROM $CLUSTERLIFT_TO" > /var/acme-knobs/seen');
    await setKnob(n1, 'provision', 'fail', 5);
    const failed = await (await upgrade('files', 'patient')).done;
    assert.equal(failed.status, 1, said(failed));
    await rolledBack(failed);
    assert.ok(
      failed.events.some((event) => event.type === 'warning' && event['code'] === 'provision-failed'),
      said(failed),
    );
    assert.equal(await n1.must('cat /var/acme-knobs/seen'), '2.0 1.0\n');
    assert.equal((await requests()).trim(), 'provision');
    await clearKnob(n1, 'provision', 'fail');
    await clearKnob(n2, 'start', 'ask');
    await run(lab, ['provision', '--yes'], 0);
    assert.equal((await requests()).trim(), '');
  });

  it('a node that is away when its turn comes keeps its lock, status 4, and resume rolls it back later', async () => {
    const { lab, n1, n2 } = scene();
    await setKnob(n2, 'upgrade', 'wait');
    await setKnob(n2, 'upgrade', 'fail', 7);
    const command = await upgrade('files', 'patient');
    await command.waitFor((event) => event.type === 'node.finished' && event['node'] === 'n1');
    await underWayOn(n2, 'upgrade');
    await n1.stopSshd();
    await clearKnob(n2, 'upgrade', 'wait');
    const result = await command.done;
    assert.equal(result.status, 4, said(result));
    assert.deepEqual(outcomes(result), { n1: 'unknown', n2: 'rolled-back' });
    assert.equal((await censusOf([n2]))[0], before[1]);
    await n1.startSshd();
    assert.ok(await locked(n1));
    await rolledBack(await run(lab, ['resume'], 1));
  });

  it('a script of the upgrade that still runs is never rolled back under its feet', async () => {
    const { lab, n1, n2 } = scene();
    await setKnob(n2, 'upgrade', 'wait');
    await setKnob(n1, 'upgrade', 'fail', 7);
    const result = await (await upgrade('files', 'soon')).done;
    assert.equal(result.status, 4, said(result));
    assert.deepEqual(outcomes(result), { n1: 'rolled-back', n2: 'unknown' });
    assert.deepEqual((await executions([n2], 'stop')).length, 1, 'nothing was done to n2');
    assert.equal((await censusOf([n2]))[0], before[1]);
    assert.ok(await locked(n2));
    assert.equal((await run(lab, ['resume'], 4)).finished?.outcome, 'unknown');
    await clearKnob(n2, 'upgrade', 'wait');
    await until(async () => (await acmeVersion(n2)) === '2.0');
    await rolledBack(await run(lab, ['resume'], 1));
  });

  it('a backup server that is away when the rollback begins: status 4, and resume rolls back when it is there', async () => {
    const { lab, n1, n2, vault } = scene();
    await setKnob(n2, 'upgrade', 'wait');
    await setKnob(n2, 'upgrade', 'fail', 7);
    const command = await upgrade('vault', 'patient');
    await underWayOn(n2, 'upgrade');
    await vault.stopSshd();
    await clearKnob(n2, 'upgrade', 'wait');
    const result = await command.done;
    await vault.startSshd();
    assert.equal(result.status, 4, said(result));
    both(result, 'unknown');
    for (const node of [n1, n2]) assert.ok(await locked(node));
    await rolledBack(await run(lab, ['resume'], 1));
  });
});
