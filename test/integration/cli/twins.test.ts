import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { said } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { acmeCluster, begun, needsLab, outcomes, run, start } from './scene';

describe('one machine under two names', function () {
  this.timeout(300_000);
  let lab: Lab;
  let n1: LabNode;
  let n2: LabNode;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
    [n1, n2] = [lab.node('n1'), lab.node('n2')];
    await mkdir(join(lab.home, '.ssh'), { recursive: true, mode: 0o700 });
    await writeFile(join(lab.home, '.ssh/config'), `Host twin\n  HostName ${n2.host}\n`, { mode: 0o600 });
  });
  afterEach(() => lab.stop());

  const named = (name: string, node: LabNode, host: string = node.host): Record<string, unknown> => ({
    name,
    host,
    identityFile: node.keyFile,
  });

  const write = (...nodes: Record<string, unknown>[]): Promise<string> =>
    lab.writeClustersJson(lab.clustersJson({ nodes: nodes, backup: { paths: ['/etc/acme', '/opt/acme'] } }));

  /** How often each node ran `upgrade`. */
  const upgrades = (): Promise<number[]> =>
    Promise.all([n1, n2].map(async (node) => (await executions([node], 'upgrade')).length));

  it('is refused before anything runs, by upgrade, check, provision and backup', async () => {
    await run(lab, ['upgrade', (await acmePackage('2.0')).path], 0);
    await write(named('n1', n1), named('n2', n2), named('n3', n2, 'twin'));
    const { path } = await acmePackage('3.0');
    for (const command of [
      ['upgrade', path, 'serial'],
      ['check', path],
      ['provision'],
      ['backup', 'create', 'localbackup'],
    ]) {
      const { stderr } = await run(lab, command, 3);
      assert.match(stderr, /n2 and n3[^]*\[machine-twice\]/, command.join(' '));
    }
    assert.deepEqual(await upgrades(), [1, 1]);
    assert.deepEqual(await executions(lab.nodes, 'provision'), []);
  });

  it('is upgraded once where only one of its names is picked', async () => {
    await write(named('n1', n1), named('n2', n2), named('n3', n2, 'twin'));
    const result = await run(lab, ['upgrade', (await acmePackage('2.0')).path, '--nodes', 'n1,n3'], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n3: 'upgraded' });
    assert.deepEqual(await upgrades(), [1, 1]);
  });

  it('has one lock, also for two clusters of one file', async () => {
    const both = lab.clustersJson({ nodes: [named('n1', n1), named('n2', n2)] as never });
    const [lower = {}] = Object.values(both.clusters);
    const other = { ...lower, nodes: [named('other', n2, 'twin')] };
    await lab.writeClustersJson({ ...both, clusters: { lab: lower, second: other } as never });
    const { path } = await acmePackage('2.0');
    await setKnob(n2, 'upgrade', 'wait');
    const first = start(lab, ['upgrade', path, '--cluster', 'lab']);
    await first.waitFor(begun('n2'));
    assert.match((await run(lab, ['upgrade', path, '--cluster', 'second'], 5)).stderr, /\[locked\]/);
    await clearKnob(n2, 'upgrade', 'wait');
    const result = await first.done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(await upgrades(), [1, 1]);
  });

  it('is not upgraded again by a resume after a second name was led to it', async () => {
    await setKnob(n1, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', (await acmePackage('2.0')).path, 'serial']);
    await command.waitFor(begun('n1'));
    await run(lab, ['stop'], 0);
    await clearKnob(n1, 'upgrade', 'wait');
    const stopped = await command.done;
    assert.deepEqual(outcomes(stopped), { n1: 'upgraded', n2: 'not-started' }, said(stopped));
    // n2 now leads to n1, which has been upgraded.
    await writeFile(join(lab.home, '.ssh/config'), `Host twin\n  HostName ${n1.host}\n`);
    await write(named('n1', n1), named('n2', n1, 'twin'));
    const resumed = await start(lab, ['resume']).done;
    assert.notEqual(resumed.status, 0, said(resumed));
    assert.match(resumed.stderr, /\[(machine-twice|lock-other-name|plan-overtaken|node-moved|config-changed)\]/);
    assert.deepEqual(await upgrades(), [1, 0]);
    assert.equal(await acmeVersion(n2), '1.0');
  });
});
