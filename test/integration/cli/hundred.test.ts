import { strict as assert } from 'node:assert';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CliResult, CliRun, said } from '../../lab/cli';
import { makePackage } from '../../lab/images';
import { InProcessNodes } from '../../lab/inprocess';
import { begun, outcomes } from './scene';

const DEADLINE = 1_500_000;

/** Real SSH and real shells, all on this machine: with so many nodes it is a loaded one, whatever it is. */
describe('a hundred nodes', function () {
  this.timeout(2 * DEADLINE);
  const names = Array.from({ length: 100 }, (_, at) => `m${String(at + 1).padStart(3, '0')}`);
  let nodes: InProcessNodes;
  before(async () => {
    nodes = await InProcessNodes.start(names);
    mkdirSync(join(nodes.home, '.vscode'), { recursive: true });
    writeFileSync(join(nodes.home, '.vscode/clusters.json'), JSON.stringify(nodes.clustersJson()));
  });
  after(() => nodes.stop());

  const start = (...args: string[]): CliRun => new CliRun(nodes, [...args, '--json'], { deadline: DEADLINE });
  const run = async (...args: string[]): Promise<CliResult> => start(...args).done;

  it('that were stopped after the first one are resumed: each is upgraded once, and nobody takes the locks for lost', async () => {
    const root = join(nodes.dir, 'nodes');
    const { path } = await makePackage({
      product: 'many',
      version: '1.0',
      scripts: {
        version: `#!/bin/sh\ncat "${root}/$CLUSTERLIFT_NODE/version" 2>/dev/null || :\n`,
        upgrade: [
          '#!/bin/sh',
          'set -e',
          `cd "${root}/$CLUSTERLIFT_NODE"`,
          'echo x >> count',
          // The first one waits until the run was told to stop.
          'for n in $(seq 6000); do [ "$CLUSTERLIFT_NODE" = m001 ] && [ ! -e go ] || break; sleep 0.1; done',
          'echo 1.0 > version',
          '',
        ].join('\n'),
      },
    });
    const first = start('upgrade', path, '--batch', '1,100%', '--yes');
    await first.waitFor(begun('m001'), DEADLINE);
    const stop = await run('stop');
    assert.equal(stop.status, 0, said(stop));
    await first.waitFor('stop.requested', DEADLINE);
    writeFileSync(join(root, 'm001/go'), '');
    const stopped = await first.done;
    assert.equal(stopped.status, 1, said(stopped));
    assert.equal(Object.values(outcomes(stopped)).filter((each) => each === 'not-started').length, 99);

    const resumed = await run('resume', '--yes');
    assert.equal(resumed.status, 0, said(resumed));
    assert.deepEqual(new Set(Object.values(outcomes(resumed))), new Set(['upgraded']));
    for (const name of names) assert.equal(readFileSync(join(root, name, 'count'), 'utf8'), 'x\n', name);
  });
});
