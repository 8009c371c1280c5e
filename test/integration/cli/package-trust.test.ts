import { strict as assert } from 'node:assert';
import { copyFile, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, executions } from '../../lab/acme';
import { type CliEvent, type CliResult, said } from '../../lab/cli';
import type { Lab } from '../../lab/nodes';
import { acmeCluster, needsLab, run, start } from './scene';

/** What a swapped package would leave on a node. */
const EVIL = '/var/evil';

describe('the package that was verified', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
  });
  afterEach(() => lab.stop());

  const evil = (): Promise<{ path: string }> =>
    acmePackage('2.0', {
      scripts: { version: `#!/bin/sh\n: > ${EVIL}\ncat /etc/acme/release\n`, upgrade: `#!/bin/sh\n: > ${EVIL}\n` },
    });

  /** Nothing of the other package ran anywhere. */
  async function harmless(): Promise<void> {
    for (const node of lab.nodes) assert.equal((await node.run(`test -e ${EVIL}`)).code, 1, node.name);
  }

  /** It went well with what was verified, or was refused before anything ran. */
  async function goodOrRefused(result: CliResult): Promise<void> {
    await harmless();
    if (result.status === 0) {
      for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    } else {
      assert.equal(result.status, 3, said(result));
      assert.match(result.stderr, /\[(package-changed|stage-digest|package-missing)\]/);
      for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
      assert.deepEqual(await executions(lab.nodes, 'stop'), []);
    }
  }

  const moments: Record<string, (event: CliEvent) => boolean> = {
    'when the first node stops': ({ type, step }) => type === 'step.started' && step === 'stop',
    'when the run begins': ({ type }) => type === 'run.started',
    'when the first node gets it': ({ type, step }) => type === 'step.started' && step === 'stage',
  };

  for (const [moment, at] of Object.entries(moments)) {
    it(`runs, whatever is put in its place on this machine ${moment}`, async () => {
      const file = join(lab.home, 'acme.iso');
      await copyFile((await acmePackage('2.0', { padBytes: 2_000_000 })).path, file);
      const other = join(lab.home, 'other.iso');
      await copyFile((await evil()).path, other);
      const command = start(lab, ['upgrade', file]);
      await command.waitFor(at);
      await rename(other, file);
      await goodOrRefused(await command.done);
    });

    it(`runs, whatever is put in its place on the primary ${moment}`, async () => {
      const n1 = lab.node('n1');
      await n1.writeFile('/root/acme.iso', await readFile((await acmePackage('2.0', { padBytes: 2_000_000 })).path));
      await n1.writeFile('/root/other', await readFile((await evil()).path));
      const command = start(lab, ['upgrade', 'node:/root/acme.iso']);
      await command.waitFor(at);
      await n1.must('mv -f /root/other /root/acme.iso');
      await goodOrRefused(await command.done);
    });
  }

  it('is not chosen by itself where others can write it; named, it is taken', async () => {
    const n1 = lab.node('n1');
    await n1.writeFile('/root/acme.iso', await readFile((await acmePackage('2.0')).path));
    await n1.must('chmod 666 /root/acme.iso');
    const refused = await run(lab, ['upgrade'], 3);
    assert.match(refused.stderr, /everybody may write \/root\/acme\.iso[^]*\[package-writable\]/);
    assert.deepEqual(await executions(lab.nodes), []);
    await n1.must('chmod 644 /root/acme.iso; chown 1234 /root/acme.iso');
    assert.match((await run(lab, ['upgrade'], 3)).stderr, /belongs to another user \(uid 1234\)/);
    await run(lab, ['upgrade', 'node:/root/acme.iso', '--dry-run'], 0);
    await n1.must('chown 0 /root/acme.iso');
    await run(lab, ['upgrade'], 0);
    assert.equal(await acmeVersion(n1), '2.0');
  });

  it('is refused before anything stops where a script has Windows line ends or an interpreter that a node lacks', async () => {
    const scripts = {
      windows: '#!/bin/sh\r\nexit 0\r\n',
      missing: '#!/opt/nowhere/python3\nprint("x")\n',
      env: '#!/usr/bin/env nowhere-sh\n:\n',
    };
    for (const [name, upgrade] of Object.entries(scripts)) {
      const { path } = await acmePackage('2.0', { scripts: { upgrade }, files: { 'why.txt': name } });
      const { stderr } = await run(lab, ['upgrade', path], 3);
      assert.match(stderr, /\[script-interpreter\]/, name);
    }
    assert.deepEqual(await executions(lab.nodes, 'stop'), []);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
  });
});
