import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { type CliOptions, type CliResult, said } from '../../lab/cli';
import type { Lab } from '../../lab/nodes';
import { acmeCluster, begun, needsLab, run, start } from './scene';

const ROUNDS = process.env['LONG'] ? 12 : 3;

describe('two operators who upgrade the same nodes at once', function () {
  this.timeout(ROUNDS * 200_000);
  let lab: Lab;
  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}, {}, {}]);
  });
  after(() => lab.stop());

  /** A machine of its own: other runs, and a clusters.json that lists the nodes backwards. */
  async function colleague(): Promise<{ words: string[]; options: CliOptions }> {
    const { clusters } = lab.clustersJson({
      nodes: lab.nodes.map(({ name, host, keyFile }) => ({ name, host, identityFile: keyFile })).reverse(),
    });
    const file = join(lab.home, 'colleague.json');
    await writeFile(file, JSON.stringify({ clusters }));
    return { words: ['--config', file], options: { env: { XDG_STATE_HOME: join(lab.home, 'colleague') } } };
  }

  const runOf = ({ events }: CliResult): unknown => events.find(({ type }) => type === 'run.started')?.['run'];

  it('exactly one of them upgrades, the other changes nothing and is told who does', async () => {
    const other = await colleague();
    for (let round = 0; round < ROUNDS; round++) {
      const version = `${String(round + 2)}.0`;
      const { path } = await acmePackage(version);
      const before = await executions(lab.nodes, 'upgrade');
      for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
      // Each waits in its first script until the other has given up, so they do meet.
      const both = [start(lab, ['upgrade', path]), start(lab, [...other.words, 'upgrade', path], other.options)];
      const first = await Promise.any(
        both.map(async (each) => {
          await each.waitFor(begun('n1'));
          return each;
        }),
      );
      const loser = await both.find((each) => each !== first)?.done;
      assert.ok(loser);
      assert.equal(loser.status, 5, said(loser));
      assert.match(loser.stderr, /\[locked\]/);
      for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
      const winner = await first.done;
      assert.equal(winner.status, 0, said(winner));
      assert.ok(loser.stderr.includes(String(runOf(winner))), loser.stderr);
      for (const node of lab.nodes) {
        assert.equal(await acmeVersion(node), version);
        const ran = (await executions([node], 'upgrade')).filter((each) => !before.some((old) => old.run === each.run));
        assert.deepEqual(
          ran.map((each) => [each.run, each.exit]),
          [[runOf(winner), 0]],
        );
      }
    }
  });

  it('lets both of them upgrade where they share no node', async () => {
    const other = await colleague();
    const { path } = await acmePackage('20.0');
    const both = [
      start(lab, ['upgrade', path, '--nodes', 'n1,n3']),
      start(lab, [...other.words, 'upgrade', path, '--nodes', 'n2,n4'], other.options),
    ];
    for (const { done } of both) {
      const result = await done;
      assert.equal(result.status, 0, said(result));
    }
    await run(lab, ['status'], 0);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '20.0');
  });
});
