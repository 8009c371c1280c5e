import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { type CliResult, said } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { type Backups, spoil, useBackups } from '../../faults/backups';
import { acmeCluster, needsLab, outcomes, run } from './scene';

const RECORD = '/var/lib/clusterlift/installed/acme-voice/record.json';

/** What the node itself says of its version: state, from, to, has. */
async function recordOf(node: LabNode): Promise<unknown[]> {
  const { state, from, to, has } = JSON.parse(await node.must(`cat ${RECORD}`)) as Record<string, unknown>;
  return [state, from, to, has];
}

/** The row of a node in the table of the summary, without its outcome and what follows. */
function rowOf({ stderr }: CliResult, node: string): string[] {
  const row = stderr.split('\n').find((line) => line.startsWith(`${node} `)) ?? '';
  return row.trim().split(/ {2,}/).slice(1, 4);
}

async function statusOf(lab: Lab): Promise<unknown[][]> {
  const { events } = await run(lab, ['status'], 0);
  return events.map((each) => [each['node'], each['version'], each['health']]);
}

describe('the version of a node after a failure', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  afterEach(() => lab.stop());

  it('is the one that it has, not the planned one: the script wrote another and failed', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const n3 = lab.node('n3');
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path], 0);
    const next = await acmePackage('3.0', { scripts: { check: `#!/bin/sh\necho "$CLUSTERLIFT_FROM" > /var/asked\n` } });
    await setKnob(n3, 'upgrade', 'run', 'echo 2.5 > /etc/acme/release; fail 5');
    await setKnob(n3, 'upgrade', 'fail', 5);
    const result = await run(lab, ['upgrade', next.path], 1);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'failed' });
    assert.deepEqual(rowOf(result, 'n3'), ['2.0', '(3.0)', '2.5'], result.stderr);
    assert.match(result.stderr, /Mixed versions\n +3\.0: n1, n2\n +2\.5: n3/);
    const { version, to } = result.finished?.nodes['n3'] ?? {};
    assert.deepEqual([version, to], ['2.5', '3.0']);
    const closed = result.events.find(({ type, node }) => type === 'node.finished' && node === 'n3');
    assert.equal(closed?.['has'], '2.5');
    assert.deepEqual(await recordOf(n3), ['failed', '2.0', '3.0', '2.5']);
    assert.deepEqual((await statusOf(lab))[2]?.slice(0, 2), ['n3', '2.5']);
    await run(lab, ['check', next.path], 0);
    assert.equal((await n3.must('cat /var/asked')).trim(), '2.5');
    await clearKnob(n3, 'upgrade', 'run');
    await clearKnob(n3, 'upgrade', 'fail');
    const again = await run(lab, ['upgrade', next.path], 0);
    assert.deepEqual(again.finished?.nodes['n3'], { outcome: 'upgraded', from: '2.5', to: '3.0' });
    assert.deepEqual(await recordOf(n3), ['done', '2.5', '3.0', undefined]);
  });

  it('is the new one where an unhealthy node has it, and none where a first install failed', async () => {
    lab = await acmeCluster([{}, {}]);
    const [n1, n2] = [lab.node('n1'), lab.node('n2')];
    const { path } = await acmePackage('2.0', { manifest: { timeouts: { health: '1s' } } });
    await n2.must('rm -f /etc/acme/release');
    await setKnob(n1, 'start', 'run', 'exit 0');
    await setKnob(n2, 'upgrade', 'fail', 5);
    await setKnob(n2, 'stop', 'run', 'exit 0');
    const result = await run(lab, ['upgrade', path], 1);
    assert.deepEqual(rowOf(result, 'n1'), ['1.0', '(2.0)', '2.0'], said(result));
    assert.deepEqual(rowOf(result, 'n2'), ['none', '(2.0)', 'none']);
    assert.deepEqual([result.finished?.nodes['n1']?.version, result.finished?.nodes['n2']?.version], ['2.0', null]);
    assert.deepEqual(await recordOf(n1), ['failed', '1.0', '2.0', '2.0']);
    assert.deepEqual(await recordOf(n2), ['failed', null, '2.0', null]);
    assert.deepEqual(await statusOf(lab), [
      ['n1', '2.0', 'not-asked'],
      ['n2', null, 'not-asked'],
    ]);
  });

  it('is not known where the version script fails, too: nothing planned is said in its place', async () => {
    lab = await acmeCluster([{}]);
    const n1 = lab.node('n1');
    const version = '#!/bin/sh\n[ ! -e /var/silent ] || exit 1\ncat /etc/acme/release 2>/dev/null || :\n';
    const { path } = await acmePackage('2.0', { scripts: { version } });
    await setKnob(n1, 'upgrade', 'run', ': > /var/silent');
    await setKnob(n1, 'upgrade', 'fail', 5);
    const result = await run(lab, ['upgrade', path], 1);
    assert.deepEqual(rowOf(result, 'n1'), ['1.0', '(2.0)', 'unknown'], said(result));
    assert.equal(result.finished?.nodes['n1']?.version, undefined);
    assert.deepEqual((await recordOf(n1)).at(-1), undefined);
    assert.deepEqual(await statusOf(lab), [['n1', undefined, 'not-asked']]);
  });

  it('a provision that fails offers `provision`, which works; the nodes keep their versions', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0', { manifest: { provision: 'always' } });
    await setKnob(lab.node('n1'), 'provision', 'fail', 4);
    // One failure is within the budget, so nothing is rolled back.
    const budget = ['backup', 'localbackup', '--max-failures', '1', '--on-failure', 'rollback'];
    const result = await run(lab, ['upgrade', path, ...budget], 1);
    assert.deepEqual(outcomes(result), { n1: 'failed', n2: 'upgraded' });
    assert.deepEqual(rowOf(result, 'n1'), ['1.0', '(2.0)', '2.0'], said(result));
    assert.equal(result.finished?.nodes['n1']?.version, '2.0');
    assert.match(result.stderr, /What you can do next\n +Provision: [^]*\n +clusterlift provision --cluster lab/);
    assert.doesNotMatch(result.stderr, /Mixed versions|Continue:|Retry failed/);
    assert.deepEqual((await recordOf(lab.node('n1'))).slice(0, 3), ['done', '1.0', '2.0']);
    await clearKnob(lab.node('n1'), 'provision', 'fail');
    await run(lab, ['provision', '--cluster', 'lab'], 0);
    assert.equal((await executions(lab.nodes, 'upgrade')).length, 2);
  });
});

describe('the record of a node', function () {
  this.timeout(300_000);
  const scene = useBackups({ manifest: { timeouts: { health: '1s' } } });
  beforeEach(() => spoil(scene()));

  async function fails(): Promise<[Backups, CliResult]> {
    const { lab, n2, point } = scene();
    await setKnob(n2, 'health', 'run', '[ "$(cat /etc/acme/release)" = 2.0 ] || exit 3');
    return [scene(), await run(lab, ['backup', 'restore', point, '--yes'], 1)];
  }

  it('describes what it has again when a restore that failed went back', async () => {
    const [{ lab, n1, n2 }, result] = await fails();
    assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'failed' }, said(result));
    assert.equal(await acmeVersion(n2), '2.0');
    assert.equal(result.finished?.nodes['n2']?.version, '2.0');
    assert.deepEqual(await recordOf(n2), ['failed', '2.0', '1.0', '2.0']);
    assert.deepEqual(await recordOf(n1), ['done', '2.0', '1.0', undefined]);
    assert.match(result.stderr, /Mixed versions\n +1\.0: n1\n +2\.0: n2/);
    assert.deepEqual(
      (await statusOf(lab)).map(([node, version]) => [node, version]),
      [
        ['n1', '1.0'],
        ['n2', '2.0'],
      ],
    );
  });
});
