import { strict as assert } from 'node:assert';
import { sleep } from '../../../src/base/async';
import { Lab, type LabNode, whyNoLab } from '../../lab/nodes';
import { acmePackage, acmeVersion, clearKnob, executions, installAcme, overlap, setKnob } from '../../lab/acme';
import { ArgvSampler, filesWith } from '../../lab/secrets';
import { output } from '../../lab/tools';

describe('the test product', function () {
  let lab: Lab;
  before(async function () {
    if (whyNoLab() !== undefined) this.skip();
    lab = await Lab.start({ nodes: [{}, { tools: 'busybox' }] });
    const made = await acmePackage('2.0');
    for (const node of lab.nodes) {
      await output('bsdtar', ['-x', '-C', `${node.root}/opt`, '-f', made.path]);
      await installAcme(node, '1.0');
    }
  });
  after(() => lab.stop());

  const act = (node: LabNode, script: string) =>
    node.run(
      `CLUSTERLIFT_NODE=${node.name} CLUSTERLIFT_FROM=1.0 CLUSTERLIFT_TO=2.0 CLUSTERLIFT_RUN=r1 CLUSTERLIFT_OUTPUT=/tmp/out sh /opt/bin/${script}`,
    );

  it('upgrades under every sh, and counts', async () => {
    for (const node of lab.nodes) {
      for (const script of ['stop', 'upgrade', 'start', 'health']) {
        const { code, stderr } = await act(node, script);
        assert.equal(code, 0, `${script}: ${stderr}`);
      }
      assert.equal((await act(node, 'version')).stdout, '2.0\n');
      assert.equal(await acmeVersion(node), '2.0');
    }
    const all = await executions(lab.nodes);
    assert.equal(all.length, 8);
    assert.ok(all.every(({ run, exit }) => run === 'r1' && exit === 0));
  });

  it('does what a test asks of it: waits, fails, asks for more', async () => {
    const [node] = lab.nodes;
    assert.ok(node);
    await setKnob(node, 'provision', 'wait');
    await setKnob(node, 'provision', 'ask', 'provision=required');
    await setKnob(node, 'provision', 'fail', 7);
    const running = act(node, 'provision');
    while ((await executions([node], 'provision')).length === 0) await sleep(20);
    const health = await act(node, 'health');
    assert.equal(health.code, 0);
    await clearKnob(node, 'provision', 'wait');
    assert.equal((await running).code, 7);
    assert.equal(await node.readFile('/tmp/out'), 'provision=required\n');
    const [provision, last] = [(await executions([node], 'provision'))[0], (await executions([node], 'health'))[1]];
    assert.ok(provision !== undefined && last !== undefined);
    assert.equal(provision.exit, 7);
    assert.equal(overlap(provision, last), true);
  });

  it('shows where a secret went: arguments and files', async () => {
    const sampler = new ArgvSampler(lab);
    await lab.node('n1').run('sh -c "echo hush-hush > /var/tmp/note; sleep 0.3" -- hush-hush');
    assert.ok(sampler.stop().some((each) => each.includes('hush-hush')));
    assert.deepEqual(
      (await filesWith(lab, 'hush-hush')).map((file) => file.replace(/.*\/n1\/upper/, '')),
      ['/var/tmp/note'],
    );
    assert.deepEqual(await filesWith(lab, 'never written'), []);
  });
});
