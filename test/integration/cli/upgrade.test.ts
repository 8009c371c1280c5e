import { strict as assert } from 'node:assert';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, clearKnob, executions, overlap, setKnob } from '../../lab/acme';
import { type CliResult, said } from '../../lab/cli';
import { held, hold, release } from '../../lab/hold';
import type { MadePackage } from '../../lab/images';
import type { Lab } from '../../lab/nodes';
import { acmeCluster, ended, exactlyOnce, needsLab, outcomes, run, start, underWay, writtenFiles } from './scene';

describe('an upgrade of three nodes', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  afterEach(() => lab.stop());

  it('runs the scripts of all nodes at the same time', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await underWay(lab, 'upgrade', 3);
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    const result = await command.done;
    assert.equal(result.status, 0, said(result));
    assert.equal(result.finished?.outcome, 'succeeded');
    assert.deepEqual(result.finished.nodes['n2'], { outcome: 'upgraded', from: '1.0', to: '2.0' });
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });

  it('serial: goes by role, one node at a time, the next only when the last is healthy', async () => {
    lab = await acmeCluster([{}, {}, {}], { primary: 'n1' }, ({ name }) => ({
      roles: [name === 'n1' ? 'webproxy' : name === 'n2' ? 'application' : 'database'],
    }));
    const { path } = await acmePackage('2.0', { manifest: { roles: ['database', 'application', 'webproxy'] } });
    await setKnob(lab.node('n2'), 'health', 'sleep', 1);
    await run(lab, ['cluster', 'upgrade', path, 'serial'], 0);
    const upgrades = await executions(lab.nodes, 'upgrade');
    assert.deepEqual(
      upgrades.map(({ node }) => node),
      ['n3', 'n2', 'n1'],
    );
    const brackets = upgrades.map(({ node }) => node);
    const all = (await executions(lab.nodes)).filter(({ script }) => script !== 'check');
    for (const [index, name] of brackets.entries()) {
      const next = brackets[index + 1];
      if (next === undefined) continue;
      const stop = all.find(({ node, script }) => node === next && script === 'stop');
      const health = all.find(({ node, script, start: at }) => {
        const upgrade = upgrades[index];
        return node === name && script === 'health' && at > (upgrade?.start ?? Infinity);
      });
      assert.ok(stop !== undefined && health?.end !== undefined);
      assert.ok(stop.start >= health.end, `${next} began before ${name} was healthy`);
    }
  });

  it('batches: the first node alone, then half of them, then the rest', async () => {
    lab = await acmeCluster([{}, {}, {}, {}, {}]);
    const { path } = await acmePackage('2.0');
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'sleep', 1);
    await run(lab, ['upgrade', path, 'backup', 'None', 'fast', '--batch', '1,50%,100%'], 0);
    const upgrades = await executions(lab.nodes, 'upgrade');
    const with_ = upgrades.map((each) => upgrades.filter((other) => other !== each && overlap(each, other)).length);
    assert.deepEqual(with_, [0, 1, 1, 1, 1]);
  });

  it('says "nothing to do" the second time, and does nothing', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path], 0);
    const again = await run(lab, ['upgrade', path], 0);
    assert.deepEqual(outcomes(again), { n1: 'unchanged', n2: 'unchanged', n3: 'unchanged' });
    await exactlyOnce(lab.nodes, ['stop', 'upgrade', 'start']);
  });

  it('--dry-run and check change nothing on any node', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    const before = await Promise.all(lab.nodes.map(writtenFiles));
    await run(lab, ['upgrade', path, '--dry-run'], 0);
    await run(lab, ['check', path], 0);
    assert.deepEqual(await Promise.all(lab.nodes.map(writtenFiles)), before);
    assert.deepEqual(
      (await executions(lab.nodes)).filter(({ script }) => script !== 'check' && script !== 'health'),
      [],
    );
  });

  it('provisions once, on the primary, after all nodes, because one node asked for it', async () => {
    lab = await acmeCluster([{}, {}, {}], { primary: 'n2' });
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n3'), 'upgrade', 'ask', 'provision=required');
    await run(lab, ['upgrade', path], 0);
    const [provision, ...more] = await executions(lab.nodes, 'provision');
    assert.deepEqual([provision?.node, more.length], ['n2', 0]);
    for (const { end } of await executions(lab.nodes, 'upgrade'))
      assert.ok((end ?? Infinity) <= (provision?.start ?? 0));
  });

  it('provisions by itself, and only shows the plan with --dry-run', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path], 0);
    const plan = await run(lab, ['provision', '--dry-run'], 0);
    assert.equal(plan.events[0]?.type, 'plan');
    assert.deepEqual(await executions(lab.nodes, 'provision'), []);
    await run(lab, ['provision'], 0);
    assert.deepEqual(
      (await executions(lab.nodes, 'provision')).map(({ node }) => node),
      ['n1'],
    );
  });

  it('remembers a provision that failed, also where no script asked for it: the next upgrade does it', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0', { manifest: { provision: 'always' } });
    await setKnob(lab.node('n1'), 'provision', 'fail', 3);
    await run(lab, ['upgrade', path], 1);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    await clearKnob(lab.node('n1'), 'provision', 'fail');
    await run(lab, ['upgrade', path], 0);
    assert.equal((await executions(lab.nodes, 'provision')).length, 2);
    await exactlyOnce(lab.nodes);
    const again = await start(lab, ['upgrade', path]).done;
    assert.match(again.stderr, /Nothing to do/, said(again));
    assert.equal((await executions(lab.nodes, 'provision')).length, 2);
  });

  it('never provisions when nobody asks for it', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path], 0);
    assert.deepEqual(await executions(lab.nodes, 'provision'), []);
  });

  /** Which nodes are on which version, and the ways on from there. */
  function toldAfterwards({ stderr }: CliResult, versions: Readonly<Record<string, string>>): void {
    const lines = Object.entries(versions).map(([version, nodes]) => `\\s+${version.replace('.', '\\.')}: +${nodes}\n`);
    assert.match(stderr, new RegExp(`Mixed versions\n${lines.join('')}`));
    assert.match(
      stderr,
      /What you can do next\n +Continue: [^]*\n +clusterlift upgrade [^]*\n +Retry failed: [^]*--nodes n2\n +Roll back: +not possible, /,
    );
  }

  it('in parallel, one node fails: the others end well, its last lines are shown, mixed versions and ways on are named, status 1', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n2'), 'upgrade', 'fail', 3);
    const result = await run(lab, ['upgrade', path], 1);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'failed', n3: 'upgraded' });
    assert.match(result.stderr, /told to fail on n2/);
    toldAfterwards(result, { '2.0': 'n1, n3', '1.0': 'n2' });
    assert.ok(result.events.some(({ type }) => type === 'budget.exceeded'));
  });

  it('in serial, stops when one node fails: its last lines are shown, mixed versions are named, status 1', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n2'), 'upgrade', 'fail', 3);
    const result = await run(lab, ['upgrade', path, 'serial'], 1);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'failed', n3: 'not-started' });
    assert.match(result.stderr, /told to fail on n2/);
    toldAfterwards(result, { '2.0': 'n1', '1.0': 'n2, n3' });
    assert.equal((await executions([lab.node('n3')], 'stop')).length, 0);
    // What was stopped is started again, although the upgrade failed.
    assert.equal((await executions([lab.node('n2')], 'start')).length, 1);
  });

  it('goes on within the failure budget', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'fail', 3);
    const result = await run(lab, ['upgrade', path, 'serial', '--max-failures', '1'], 1);
    assert.deepEqual(outcomes(result), { n1: 'failed', n2: 'upgraded', n3: 'upgraded' });
  });

  it('a canary that fails stops the ramp, also within the budget, and with --on-failure continue', async () => {
    lab = await acmeCluster([{}, {}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'fail', 3);
    const ramp = ['upgrade', path, 'fast', '--batch', '1,100%', '--max-failures', '1'];
    for (const more of [[], ['--on-failure', 'continue']]) {
      const result = await run(lab, [...ramp, ...more], 1);
      assert.deepEqual(outcomes(result), { n1: 'failed', n2: 'not-started', n3: 'not-started' });
      const told = result.events.find(({ type }) => type === 'budget.exceeded');
      assert.deepEqual([told?.['batch'], told?.['failed'], told?.['allowed']], [1, 1, 1]);
    }
    assert.deepEqual(await executions([lab.node('n2'), lab.node('n3')], 'stop'), []);
    await clearKnob(lab.node('n1'), 'upgrade', 'fail');
    assert.deepEqual(outcomes(await run(lab, ramp, 0)), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
  });

  it('reboots where it is asked for, and waits for version and health of the new boot', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n2'), 'upgrade', 'ask', 'reboot=required');
    lab.node('n2').backAfter = 1500;
    const bootId = (): Promise<string> => lab.node('n2').must('cat /proc/sys/kernel/random/boot_id');
    const before = await bootId();
    const result = await run(lab, ['upgrade', path], 0);
    assert.notEqual(await bootId(), before);
    const steps = ['reboot', 'version', 'health'];
    const order = result.events.filter((event) => steps.some((step) => ended('n2', step)(event)));
    assert.deepEqual(order.map((event) => event['step']), steps); // prettier-ignore
    const booted = order[0]?.['seq'] as number;
    const checked = result.events.filter(({ type, node, step }) => type === 'step.started' && node === 'n2' && step !== 'reboot' && steps.includes(String(step))); // prettier-ignore
    assert.ok(checked.length === 2 && checked.every(({ seq }) => (seq as number) > booted), said(result));
    assert.equal(lab.node('n2').boots, 2);
    assert.equal(lab.node('n1').boots, 1);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    await exactlyOnce(lab.nodes);
  });

  it('has an outcome of its own for a node on another version than wanted, and does not try again', async () => {
    lab = await acmeCluster([{}, {}]);
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'run', 'keep=yes');
    await setKnob(lab.node('n1'), 'upgrade', 'ask', 'reboot=required');
    const result = await run(lab, ['upgrade', path], 1);
    assert.deepEqual(outcomes(result), { n1: 'wrong-version', n2: 'upgraded' });
    assert.equal(lab.node('n1').boots, 2);
    assert.equal((await executions([lab.node('n1')], 'upgrade')).length, 1);
  });

  it('works with sudo and a password, on dash and on busybox', async () => {
    const user = { name: 'platform', password: 'open sesame', sudo: 'password' } as const;
    lab = await acmeCluster(
      [
        { users: [user], tools: 'dash', without: ['openssl', 'bash'] },
        { users: [user], tools: 'busybox', without: ['openssl', 'bash', 'perl', 'python3'] },
      ],
      { user: 'platform', become: 'sudo' },
    );
    const { path } = await acmePackage('2.0', { sums: true });
    const env = { CLUSTERLIFT_BECOME_PASSWORD: 'open sesame' };
    const result = await run(lab, ['upgrade', path], 0, { env });
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    assert.equal(await lab.node('n2').must('stat -c %U /var/lib/clusterlift'), 'root\n');
  });

  for (const [moment, at] of [
    ['before the checked copy of root has its name', 'verified'],
    ['when staging is over', 'files'],
  ] as const) {
    it(`runs what was checked, though the login user puts another image in its place ${moment}`, async () => {
      const user = { name: 'platform', password: 'open sesame', sudo: 'password' } as const;
      lab = await acmeCluster([{ users: [user] }], { user: 'platform', become: 'sudo' });
      const node = lab.node('n1');
      // Their files lie at the same places of the image, so that nothing but a digest tells the two apart.
      const image = (mark: string): Promise<MadePackage> =>
        acmePackage('2.0', { scripts: { upgrade: `: > /root/${mark}; echo 2.0 > /etc/acme/release` } });
      const [checked, swapped] = [await image('checked'), await image('swapped')];
      await hold(node, at);
      const command = start(lab, ['upgrade', checked.path], { env: { CLUSTERLIFT_BECOME_PASSWORD: 'open sesame' } });
      await held(node);
      assert.equal(command.events.some(ended('n1', 'stage')), at === 'files');
      const incoming = `.cache/clusterlift/incoming/${checked.sha256}.part`;
      const staged = `/var/lib/clusterlift/packages/${checked.sha256}`;
      await node.must(`su - platform -c 'cat > ${incoming}'`, await readFile(swapped.path));
      await node.must(
        `su - platform -c '! cp ${incoming} ${staged}/image.iso && ! cp ${incoming} ${staged}/image.iso.part'`,
      );
      await release(node);
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      assert.deepEqual(result.finished?.nodes['n1'], { outcome: 'upgraded', from: '1.0', to: '2.0' });
      assert.equal(await acmeVersion(node), '2.0');
      assert.equal(await node.must('ls /root'), 'checked\n');
    });
  }

  it('upgrades a cluster of one, and says its status', async () => {
    lab = await acmeCluster([{}]);
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path], 0);
    const status = await run(lab, ['status'], 0);
    assert.match(status.stdout, /2\.0/);
  });

  it('upgrades the machine that it runs on, without SSH', async () => {
    lab = await acmeCluster([{}]);
    const node = lab.node('n1');
    const { path } = await acmePackage('2.0');
    const at = (file: string): string => join(node.root, 'root', file);
    await copyFile(process.execPath, at('node'));
    await copyFile(join(__dirname, '../../../dist/cli.js'), at('cli.js'));
    await copyFile(path, at('acme.iso'));
    const cluster = { nodes: [{ name: 'here', connection: 'local' }] };
    await node.writeFile('/root/clusters.json', JSON.stringify({ clusters: { one: cluster } }));
    await node.must('kill $(cat /run/sshd.pid)');
    const command = '/root/node /root/cli.js upgrade /root/acme.iso --config /root/clusters.json --json --yes';
    const { code, stdout, stderr } = await node.run(`cd /root && ${command}`, { timeout: 120_000 });
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.equal(await acmeVersion(node), '2.0');
    await exactlyOnce([node], ['stop', 'upgrade', 'start']);
  });
});
