import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions } from '../lab/acme';
import { type CliEvent, type CliResult, said } from '../lab/cli';
import type { Lab } from '../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, outcomes, start } from '../integration/cli/scene';

/** Moments of a run of three nodes: the first event that fits is where the command line is killed. */
const MOMENTS: readonly (readonly [type: string, what?: string])[] = [
  ['run.started'],
  ['phase', 'lock'],
  ['step.started', 'lock'],
  ['step.finished', 'lock'],
  ['step.started', 'stage'],
  ['step.finished', 'stage'],
  ['step.started', 'unpack'],
  ['step.finished', 'unpack'],
  ['phase', 'change'],
  ['step.started', 'stop'],
  ['step.finished', 'stop'],
  ['step.started', 'upgrade'],
  ['step.finished', 'upgrade'],
  ['step.started', 'start'],
  ['step.finished', 'start'],
  ['step.started', 'health'],
  ['step.finished', 'health'],
  ['node.finished'],
  ['phase', 'health'],
  ['committed'],
  ['step.started', 'unlock'],
  ['step.finished', 'unlock'],
];

describe('a command line that is killed', function () {
  this.timeout(300_000);
  let lab: Lab;
  let iso: string;
  before(async function () {
    needsLab(this);
    iso = (await acmePackage('2.0', { padBytes: 400_000 })).path;
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}, {}]);
  });
  afterEach(() => lab.stop());

  for (const [type, what] of MOMENTS) {
    it(`at ${type} ${what ?? ''}: resume brings every node to the target, each upgrade ran once`, async () => {
      const result = await killedAt(
        (event) => event.type === type && (what === undefined || event['step'] === what || event['phase'] === what),
      );
      assert.equal(result.signal, 'SIGKILL', `there was no such moment\n${said(result)}`);
      await resumed();
    });
  }

  if (process.env['LONG'] !== undefined) {
    it('at every single line of the journal', async function () {
      this.timeout(3_600_000);
      for (let line = 1; ; line++) {
        const result = await killedAt((event) => event['seq'] === line);
        // Killed after its last line, or not at all: there is nothing to go on with.
        if (result.signal === null || result.finished !== undefined) break;
        await resumed().catch((error: unknown) => {
          throw new Error(`killed at line ${String(line)}`, { cause: error });
        });
        await lab.stop();
        lab = await acmeCluster([{}, {}, {}]);
      }
    });
  }

  function killedAt(moment: (event: CliEvent) => boolean): Promise<CliResult> {
    return start(lab, ['upgrade', iso], { killAt: moment }).done;
  }

  /** The end is right: versions, counts, nothing locked, nothing half staged, nothing running. */
  async function resumed(): Promise<void> {
    const result = await start(lab, ['resume']).done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    await exactlyOnce(lab.nodes);
    for (const node of lab.nodes) {
      assert.equal(await acmeVersion(node), '2.0');
      for (const script of ['stop', 'start'] as const) {
        const ends = (await executions([node], script)).map(({ exit }) => exit);
        assert.equal(ends.at(-1), 0, `${script} on ${node.name}`);
      }
      assert.equal(await node.exists('/var/lib/clusterlift/lock/owner.json'), false, `${node.name} is locked`);
      assert.equal(await node.must('find /var/lib/clusterlift -name "*.part*"'), '');
      assert.equal(await node.must('ps ax | grep -c "[c]lusterlift/jobs" || :'), '0\n');
    }
  }
});
