import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import { type CliResult, said } from '../lab/cli';
import type { LabNode } from '../lab/nodes';
import { assertUnlocked, censusOf, codes, pointsOf, VAULT } from '../integration/cli/backup-scene';
import { outcomes, run, start } from '../integration/cli/scene';
import { both, reinstall, spoil, useBackups } from './backups';
import { nothingLeft } from './faults';

const running = (node: LabNode): Promise<boolean> => node.exists('/var/lib/acme/running');
const runsOf = async (node: LabNode, script: 'stop' | 'start'): Promise<number> =>
  (await executions([node], script)).length;

/** What the run says above its table of that node. */
function onTop(result: CliResult): string[] {
  const [top = ''] = result.stderr.split('NODE ');
  return [...top.matchAll(/^\S (n\d)[^[]*\[application-([a-z-]+)\]/gm)].map(
    ([, node = '', state = '']) => `${node} ${state}`,
  );
}

/** Of the error that ends a run which began no change. */
function firstLine({ stderr }: CliResult): string {
  return stderr.slice(stderr.indexOf('✗')).replace(/\s+/g, ' ');
}

describe('a rollback that misses a part', function () {
  this.timeout(300_000);
  const scene = useBackups();
  beforeEach(() => reinstall(scene()));

  async function upgrade(location: string, ...more: string[]): Promise<CliResult> {
    const { path } = await acmePackage('2.0');
    return run(scene().lab, ['upgrade', path, 'serial', 'backup', location, '--on-failure', 'rollback', ...more], 1);
  }

  /** n2 fails; what it is to go back to is spoilt by then. */
  async function fails(spoilt: string): Promise<void> {
    await setKnob(scene().n2, 'upgrade', 'run', spoilt);
    await setKnob(scene().n2, 'upgrade', 'fail', 7);
  }

  /** Nobody was stopped for it, everything runs, and the point is no longer offered. */
  async function stays(result: CliResult, location: string): Promise<void> {
    const { n1, n2, nodes } = scene();
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'failed' }, said(result));
    assert.deepEqual(onTop(result), ['n2 started'], result.stderr);
    assert.ok(await running(n2), 'n2 runs');
    assert.ok(await running(n1), 'n1 runs');
    assert.equal(await acmeVersion(n1), '2.0');
    for (const node of nodes) assert.equal(await runsOf(node, 'stop'), 1, `${node.name} was not stopped for it`);
    assert.match(result.stderr, /Roll back: not possible, restore point \S+ is\s+broken/);
    assert.doesNotMatch(result.stderr, /backup restore/);
    const point = (await pointsOf(scene(), location)).at(-1);
    assert.equal(point?.state, 'broken', JSON.stringify(point));
    await nothingLeft(nodes);
    await assertUnlocked(nodes);
  }

  it('on the node that failed: it is started again, and no other node is stopped', async () => {
    await fails('rm -rf /var/backups/acme/*/n2.*');
    await stays(await upgrade('files'), 'files');
  });

  it('on a node that did not fail: neither is stopped', async () => {
    const { n1 } = scene();
    await setKnob(n1, 'start', 'run', 'rm -rf /var/backups/acme/*/n1.*');
    await fails(':');
    await stays(await upgrade('files'), 'files');
  });

  it('because a byte of it changed: found before anything is stopped, and the verdict stays with the point', async () => {
    await fails(
      'f=$(ls -t /var/backups/acme/*/n2.tar.* | head -n 1); chmod u+w $f; printf xyz | dd of=$f bs=1 seek=99 conv=notrunc',
    );
    await stays(await upgrade('files'), 'files');
  });

  it('because all of n2 is gone, state directory of the location and all', async () => {
    await fails('rm -rf /var/lib/clusterlift/backups');
    await stays(await upgrade('localbackup'), 'localbackup');
  });

  it('because the server has it no more', async () => {
    const { vault, n1, n2 } = scene();
    await setKnob(n2, 'upgrade', 'wait');
    await fails(':');
    const { path } = await acmePackage('2.0');
    const command = run(scene().lab, ['upgrade', path, 'serial', 'backup', 'vault', '--on-failure', 'rollback'], 1);
    const end = Date.now() + 150_000;
    while ((await executions([n2], 'upgrade')).length === 0) assert.ok(Date.now() < end);
    await vault.must(`rm -f ${VAULT}/*/n1.tar.*`);
    await clearKnob(n2, 'upgrade', 'wait');
    await stays(await command, 'vault');
    assert.ok(await running(n1));
    await vault.must(`rm -rf ${VAULT}/*`);
  });

  it('whose own stop fails on the way back: the node is started again, and the report says so on top', async () => {
    const { n2 } = scene();
    await setKnob(
      n2,
      'stop',
      'run',
      '[ "$CLUSTERLIFT_ACTION" != restore ] || { rm -f /var/lib/acme/running; exit 5; }',
    );
    await fails(':');
    const result = await upgrade('files');
    assert.deepEqual(outcomes(result), { n1: 'rolled-back', n2: 'failed' }, said(result));
    assert.deepEqual(onTop(result), ['n2 started'], result.stderr);
    assert.ok(await running(n2));
  });
});

describe('a script stop that fails', function () {
  this.timeout(300_000);
  const ROLLBACK = ['backup', 'files', '--on-failure', 'rollback'];
  const drained = 'rm -f /var/lib/acme/running; exit 5';

  describe('in an upgrade', () => {
    const scene = useBackups();
    beforeEach(() => reinstall(scene()));

    for (const [words, more, n2] of [
      ['without a way back', [], { application: 'started', files: 'untouched' }],
      ['and the rollback that follows cannot stop it either', ROLLBACK, { application: 'started', files: 'untouched' }],
    ] as const) {
      it(`${words}: the drained node is started again`, async () => {
        const { lab, n2: node } = scene();
        const { path } = await acmePackage('2.0');
        await setKnob(node, 'stop', 'run', drained);
        const result = await run(lab, ['upgrade', path, 'serial', ...more], 1);
        const { application, files, outcome } = result.finished?.nodes['n2'] ?? {};
        assert.deepEqual({ application, files, outcome }, { ...n2, outcome: 'failed' }, said(result));
        assert.ok(codes(result).includes('stop-failed'), result.stderr);
        assert.ok(await running(node), said(result));
        assert.equal((await executions([node], 'upgrade')).length, 0);
        assert.deepEqual(onTop(result), ['n2 started'], result.stderr);
        await assertUnlocked(scene().nodes);
      });
    }

    it('and start as well: the first line of the report says that the node is down', async () => {
      const { lab, n2 } = scene();
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'stop', 'run', drained);
      await setKnob(n2, 'start', 'fail', 6);
      await setKnob(n2, 'start', 'run', 'fail');
      const result = await run(lab, ['upgrade', path], 1);
      assert.deepEqual(onTop(result), ['n2 start-failed'], result.stderr);
      assert.match(result.stderr, /n2 is down/);
      assert.equal(result.finished?.nodes['n2']?.application, 'start-failed');
    });

    it('and we die before start: resume starts it', async () => {
      const { lab, n2 } = scene();
      const { path } = await acmePackage('2.0');
      await setKnob(n2, 'stop', 'run', drained);
      await setKnob(n2, 'start', 'wait');
      const killed = start(lab, ['upgrade', path], {
        killAt: (event) => event.type === 'step.started' && event['step'] === 'start' && event['node'] === 'n2',
      });
      await killed.done;
      await clearKnob(n2, 'start', 'wait');
      const result = await run(lab, ['resume'], 1);
      assert.equal(outcomes(result)['n2'], 'failed', said(result));
      assert.ok(await running(n2));
      assert.equal(await runsOf(n2, 'start'), 1);
    });
  });

  describe('in a restore', () => {
    const scene = useBackups({ manifest: { timeouts: { health: '1s' } } });
    beforeEach(() => spoil(scene()));

    it('forwards: the node is started again as it was', async () => {
      const { lab, n2, point } = scene();
      const [, before] = await censusOf(scene().nodes);
      await setKnob(n2, 'stop', 'run', drained);
      const result = await run(lab, ['backup', 'restore', point, '--yes'], 1);
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'failed' }, said(result));
      assert.ok(await running(n2));
      assert.equal((await censusOf([n2]))[0], before);
      assert.deepEqual(onTop(result), ['n2 started'], result.stderr);
    });

    it('on the way back: start is tried all the same', async () => {
      const { lab, n2, point } = scene();
      await setKnob(n2, 'health', 'run', '[ "$(cat /etc/acme/release)" = 2.0 ] || exit 3');
      await setKnob(n2, 'stop', 'run', `[ "$(cat /etc/acme/release)" = 2.0 ] || { ${drained}; }`);
      const result = await run(lab, ['backup', 'restore', point, '--yes'], 1);
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'failed' }, said(result));
      assert.ok(await running(n2), said(result));
      assert.deepEqual(onTop(result), ['n2 started'], result.stderr);
      await n2.must('rm -rf /*/.clusterlift-* /var/lib/clusterlift/restore');
    });
  });

  describe('in a quiet backup', () => {
    const scene = useBackups({ manifest: { quiet: true } });
    beforeEach(() => spoil(scene()));

    for (const location of ['files', 'vault']) {
      it(`${location}: it is started again, and the report says so`, async () => {
        const { lab, n2, nodes } = scene();
        await setKnob(n2, 'stop', 'run', drained);
        const result = await run(lab, ['backup', 'create', location], 1);
        both(result, 'not-started');
        assert.ok(codes(result).includes('quiet-stop'), said(result));
        for (const node of nodes) assert.ok(await running(node), node.name);
        assert.match(firstLine(result), /n2: `stop` failed before the backup; the application was started again/);
        assert.equal(result.finished?.nodes['n2']?.application, 'started');
      });
    }

    it('and start fails: the report says on top that the node is down, also when another node fails first', async () => {
      const { lab, n1, n2 } = scene();
      await setKnob(n2, 'start', 'run', 'exit 5');
      const result = await run(lab, ['backup', 'create', 'files'], 1);
      assert.match(firstLine(result), /n2: the application is down/);
      await setKnob(n1, 'stop', 'run', drained);
      const both = await run(lab, ['backup', 'create', 'files'], 1);
      assert.match(firstLine(both), /down on n2: .*n1: `stop` failed/);
      assert.equal(both.finished?.nodes['n2']?.application, 'start-failed');
    });
  });
});
