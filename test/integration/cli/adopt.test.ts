import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import { planText } from '../../../src/engine/journal/runs';
import type { Plan } from '../../../src/engine/journal/plan';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { said, type CliResult } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { underWayOn, until } from '../../faults/faults';
import { nodeModel, planOf } from '../../unit/engine/plans';
import { acmeCluster, begun, exactlyOnce, needsLab, outcomes, run, start } from './scene';

const STATE = '/var/lib/clusterlift';

/** Another operator's machine: nothing is known of any run there. */
const elsewhere = (lab: Lab): { env: NodeJS.ProcessEnv } => ({
  env: { XDG_STATE_HOME: join(lab.home, 'other-state') },
});

const adopt = (lab: Lab, status: number, ...args: string[]): Promise<CliResult> =>
  run(lab, ['resume', '--from-nodes', ...args], status, elsewhere(lab));

async function runsElsewhere(lab: Lab): Promise<string[]> {
  return readdir(join(lab.home, 'other-state/clusterlift/runs')).catch(() => []);
}

/** A serial upgrade whose machine died while the script of n1 ran; nothing else had begun. @returns its id */
async function diedOnFirst(lab: Lab, ...args: string[]): Promise<string> {
  const { path } = await acmePackage('2.0');
  await setKnob(lab.node('n1'), 'upgrade', 'wait');
  const command = start(lab, ['upgrade', path, 'serial', ...args]);
  const { run: id } = await command.waitFor('run.started');
  await underWayOn(lab.node('n1'), 'upgrade');
  await sleep(4500); // until the copies on the nodes have caught up
  command.kill();
  await command.done;
  await clearKnob(lab.node('n1'), 'upgrade', 'wait');
  await until(async () => (await executions([lab.node('n1')], 'upgrade'))[0]?.end !== undefined);
  return String(id);
}

describe('a run that is taken from the nodes', function () {
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

  /** A plan that upgrades n1 by a package on n2, as n2 alone has it. */
  async function plant(id: string, claimed: boolean): Promise<void> {
    const { path, sha256, size } = await acmePackage('6.6');
    await n2.writeFile('/root/evil.iso', await readFile(path));
    const plan: Plan = {
      ...planOf(['n1', 'n2'], { run: id, cluster: 'lab' }),
      nodes: [n1, n2].map((node) => ({
        name: node.name,
        model: nodeModel(node.name, { host: node.host, address: node.host, user: 'root' }),
        stateDir: STATE,
        from: '1.0',
        to: '6.6',
        action: node === n1 ? 'change' : 'skip',
        requests: [],
        steps: ['lock', 'stage', 'unpack', 'upgrade', 'version', 'unlock'],
      })),
      batches: [['n1']],
      package: {
        product: 'acme',
        version: '6.6',
        sha256,
        size,
        source: { kind: 'node', node: 'n2', path: '/root/evil.iso' },
        manifest: {
          schema: 1,
          product: 'acme',
          version: '6.6',
          scripts: { version: 'bin/version', upgrade: 'bin/upgrade' },
        },
        signedBy: 'release',
      },
    };
    const text = planText(plan);
    const digest = createHash('sha256').update(text).digest('hex');
    const first = { type: 'run.started', host: 'gone', pid: 1, epoch: 1, run: id, action: 'upgrade', cluster: 'lab' };
    const line = { seq: 1, time: '2026-11-27T00:00:00Z', prev: '0'.repeat(64), ...first, plan: digest };
    await n2.must(`mkdir -p ${STATE}/runs/${id}`);
    await n2.writeFile(`${STATE}/runs/${id}/plan.json`, text);
    await n2.writeFile(`${STATE}/runs/${id}/journal.jsonl`, `${JSON.stringify(line)}\n`);
    if (claimed) {
      await n2.must(`mkdir -p ${STATE}/lock/e1 && : >${STATE}/lock/e1/released`);
      await n2.writeFile(`${STATE}/lock/e1/run`, `${id}\n`);
    }
  }

  it('and that one node alone keeps is refused: nothing runs on the other, and nobody is invited to it', async () => {
    const id = '20260101T000000Z-lab-beef';
    await plant(id, false);
    assert.match((await adopt(lab, 2, '--yes')).stderr, /\[run-unknown\]/, 'no lock was ever taken for it');
    assert.match((await adopt(lab, 3, id, '--yes')).stderr, /\[lock-unclaimed\]|\[plan-foreign\]/);
    const { path } = await acmePackage('2.0');
    const checked = await run(lab, ['check', path], 0);
    assert.match(checked.stderr, /\[unfinished-run\]/);
    assert.doesNotMatch(checked.stderr, /from-nodes/);
    await plant(id, true);
    assert.match((await adopt(lab, 3, '--yes', '--confirm', 'lab')).stderr, /the package lies on n2/);
    assert.doesNotMatch((await run(lab, ['check', path], 0)).stderr, /from-nodes/, 'n1 does not know it');
    assert.deepEqual(await executions([n1], 'upgrade'), []);
    assert.equal(await acmeVersion(n1), '1.0');
    assert.equal(await n1.exists(`${STATE}/packages`), false, 'nothing was brought there');
    assert.deepEqual(await runsElsewhere(lab), []);
  });

  it('goes on once it is confirmed, with each script once; it is never taken a second time', async () => {
    const id = await diedOnFirst(lab);
    const unasked = await adopt(lab, 2);
    assert.match(unasked.stderr, /\[confirmation-needed\]/);
    assert.deepEqual(await runsElsewhere(lab), []);
    const result = await adopt(lab, 0, '--yes');
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
    assert.match((await adopt(lab, 3, id, '--yes')).stderr, /\[run-here\]/);
    const here = await run(lab, ['resume', id, '--from-nodes', '--yes'], 3);
    assert.match(here.stderr, /\[run-here\]/);
  });

  it('on a production cluster wants its name; a package that nobody trusted signed does not run', async () => {
    await diedOnFirst(lab);
    await lab.writeClustersJson(lab.clustersJson({ production: true, upgrade: { requireSignature: true } }));
    assert.match((await adopt(lab, 2, '--yes')).stderr, /--confirm lab/);
    assert.match((await adopt(lab, 3, '--confirm', 'lab')).stderr, /\[signature-missing\]/);
    assert.deepEqual(await runsElsewhere(lab), []);
    assert.deepEqual(await executions([n2], 'upgrade'), []);
  });

  it('is refused when a copy was changed, when a node was locked since, and while it lives', async () => {
    const id = await diedOnFirst(lab);
    const plan = `${STATE}/runs/${id}/plan.json`;
    await n2.must(`cp ${plan} /root/kept && sed -i 's/"maxFailures": "0"/"maxFailures": "9"/' ${plan}`);
    assert.match((await adopt(lab, 3, '--yes')).stderr, /\[plan-differs\]/);
    await n2.must(`cp /root/kept ${plan} && mkdir ${STATE}/lock/e9 && echo r9 >${STATE}/lock/e9/run`);
    await n2.must(`echo '{"run":"r9"}' >${STATE}/lock/e9/owner.json && : >${STATE}/lock/e9/released`);
    assert.match((await adopt(lab, 3, id, '--yes')).stderr, /\[lock-of-another-run\]/);
    await n2.must(`rm -r ${STATE}/lock/e9`);
    // As if its process lived on another machine, a moment ago.
    await n2.must(`sed -i 's/"bootId":"[^"]*"/"bootId":"other"/' ${STATE}/lock/e1/owner.json`);
    await n2.must(
      `read -r b _ <${STATE}/lock/e1/beat; read -r u _ </proc/uptime; echo "$b \${u%%.*} $(date +%s)" >${STATE}/lock/e1/beat`,
    );
    const alive = await adopt(lab, 5, '--yes');
    assert.match(alive.stderr, /\[locked\]/);
    assert.deepEqual(await runsElsewhere(lab), []);
    assert.deepEqual(await executions([n2], 'upgrade'), []);
  });

  it('does nothing on a node that was away, before that keeps the same plan', async () => {
    const id = await diedOnFirst(lab);
    const plan = `${STATE}/runs/${id}/plan.json`;
    await n2.must(`cp ${plan} /root/kept && sed -i 's/"maxFailures": "0"/"maxFailures": "9"/' ${plan}`);
    await n2.stopSshd();
    const away = await start(lab, ['resume', '--from-nodes', '--yes'], elsewhere(lab)).done;
    assert.notEqual(away.status, 0, said(away));
    assert.match(away.stderr, /Not queried: n2/);
    await n2.startSshd();
    const resumed = await start(lab, ['resume'], elsewhere(lab)).done;
    assert.match(resumed.stderr + resumed.stdout, /plan-differs/);
    assert.deepEqual(await executions([n2], 'upgrade'), []);
    await n2.must(`cmp /root/kept ${plan} && exit 1 || exit 0`);
    await n2.must(`cp /root/kept ${plan}`);
    await run(lab, ['resume'], 0, elsewhere(lab));
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });

  it('begins again on a node that was reinstalled, when a person says so by its name', async () => {
    await diedOnFirst(lab);
    await n2.must(`rm -rf ${STATE}`);
    assert.match((await adopt(lab, 3, '--yes')).stderr, /--override reinstalled-node=n2/);
    assert.match((await adopt(lab, 3, '--yes', '--override', 'reinstalled-node')).stderr, /\[reinstalled-node\]/);
    const result = await adopt(lab, 0, '--yes', '--override', 'reinstalled-node=n2');
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    assert.ok(result.events.some(({ type, code }) => type === 'override' && code === 'reinstalled-node=n2'));
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });
});

describe('a run that is resumed after the world changed', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}, {}]);
  });
  afterEach(() => lab.stop());

  it('leaves out a node that left clusters.json, when a person says so', async () => {
    const id = await diedOnFirst(lab);
    const { clusters } = lab.clustersJson();
    const nodes = clusters['lab']?.nodes.slice(0, 2) ?? [];
    await lab.writeClustersJson(lab.clustersJson({ nodes }));
    assert.match((await run(lab, ['resume', '--yes'], 3)).stderr, /n3 left clusters.json.*node-gone=n3/s);
    assert.match((await run(lab, ['resume', id, '--override', 'node-gone=n9'], 2)).stderr, /usage-unknown-node/);
    const result = await run(lab, ['resume', '--override', 'node-gone=n3'], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    assert.deepEqual(await executions([lab.node('n3')], 'upgrade'), []);
    assert.equal(await acmeVersion(lab.node('n3')), '1.0');
    const shown = await run(lab, ['runs', id], 0);
    assert.equal((shown.events[0]?.['outcome'] as string | undefined) ?? '', 'succeeded');
  });

  it('goes on with a node at another address only if it keeps the plan and the lock of the run', async () => {
    await diedOnFirst(lab);
    const { clusters } = lab.clustersJson();
    const at = (host: string): Promise<string> =>
      lab.writeClustersJson(
        lab.clustersJson({
          nodes: (clusters['lab']?.nodes ?? []).map((node) => (node['name'] === 'n3' ? { ...node, host } : node)),
        }),
      );
    const { host } = lab.node('n3');
    // Another name of the same machine, and the address of a machine that is none of the run's.
    await at(`::ffff:${host}`);
    assert.match((await run(lab, ['resume'], 3)).stderr, /n3 changed in clusters.json.*node-moved=n3/s);
    await lab.node('n3').must(`mv ${STATE} ${STATE}.away`);
    const stranger = await run(lab, ['resume', '--override', 'node-moved=n3', '--accept-new-host-keys'], 3);
    assert.match(stranger.stderr, /reinstalled-node/);
    assert.deepEqual(await executions([lab.node('n3')], 'upgrade'), []);
    await lab.node('n3').must(`rm -rf ${STATE}; mv ${STATE}.away ${STATE}`);
    const result = await run(lab, ['resume', '--accept-new-host-keys'], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
  });
});

describe('a run that cannot be resumed now', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
  });
  afterEach(() => lab.stop());

  it('stays open when its package is not there, and goes on once it is in the current folder', async () => {
    const { path } = await acmePackage('2.0');
    const moved = join(lab.home, 'moved.iso');
    await copyFile(path, moved);
    const killed = await start(lab, ['upgrade', moved], { killAt: begun('n2', 'stage') }).done;
    assert.equal(killed.signal, 'SIGKILL');
    const folder = join(lab.home, 'elsewhere');
    await mkdir(folder);
    await rename(moved, join(folder, 'moved.iso'));
    assert.match((await run(lab, ['resume'], 3)).stderr, /\[package-missing\]/);
    await writeFile(moved, await readFile(path).then((bytes) => bytes.fill(1, 5000, 5001)));
    assert.match((await run(lab, ['resume'], 3)).stderr, /\[package-changed\]/);
    await rm(moved);
    const result = await run(lab, ['resume'], 0, { cwd: folder });
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
  });

  it('is shown with a damaged journal, and taken from the nodes again', async () => {
    const id = await diedOnFirst(lab);
    const journal = join(lab.home, '.local/state/clusterlift/runs', id, 'journal.jsonl');
    const text = await readFile(journal, 'utf8');
    await writeFile(journal, text.replace('"step":"stage"', '"step":"stale"'));
    const { stdout } = await run(lab, ['runs'], 0);
    assert.match(stdout, new RegExp(`"run":"${id}","state":"damaged"`));
    assert.match((await run(lab, ['resume'], 4)).stderr, new RegExp(`clusterlift resume ${id} --from-nodes`));
    const result = await run(lab, ['resume', id, '--from-nodes', '--yes'], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });

  it('stays open when its clusters.json is gone, and takes another one', async () => {
    const id = await diedOnFirst(lab);
    const file = join(lab.home, '.config/clusterlift/clusters.json');
    const other = join(lab.home, 'other.json');
    await rename(file, other);
    assert.match((await run(lab, ['resume'], 3)).stderr, /\[config-gone\]/);
    await run(lab, ['resume', id, '--config', other], 0);
  });
});
