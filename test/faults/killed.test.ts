import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions } from '../lab/acme';
import { type CliEvent, type CliResult, said } from '../lab/cli';
import type { Lab } from '../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, outcomes, start } from '../integration/cli/scene';
import { hasEnded, isMoment, killedAt, killedAtEveryLine, nothingLeft, type Moment } from './faults';

/** Moments of a run of three nodes: the first event that fits is where the command line is killed. */
const MOMENTS: readonly Moment[] = [
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

  for (const moment of MOMENTS) {
    it(`at ${moment.join(' ')}: resume brings every node to the target, each upgrade ran once`, async () => {
      const result = await kill((event) => isMoment(event, moment));
      assert.equal(result.signal, 'SIGKILL', `there was no such moment\n${said(result)}`);
      // Its last lines may come quicker than a signal.
      if (moment.includes('unlock') && (await hasEnded(lab, result))) return atTheTarget();
      await resumed();
    });
  }

  if (process.env['LONG'] !== undefined) {
    it('at every single line of the journal', async function () {
      this.timeout(3_600_000);
      const lines = await killedAtEveryLine(
        () => lab,
        kill,
        resumed,
        async () => {
          await lab.stop();
          lab = await acmeCluster([{}, {}, {}]);
        },
      );
      assert.ok(lines > MOMENTS.length);
    });
  }

  function kill(moment: (event: CliEvent) => boolean): Promise<CliResult> {
    return killedAt(lab, ['upgrade', iso], moment);
  }

  async function resumed(): Promise<void> {
    const result = await start(lab, ['resume']).done;
    assert.equal(result.status, 0, said(result));
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded', n3: 'upgraded' });
    await atTheTarget();
  }

  /** The end is right: versions, counts, nothing locked, nothing half staged, nothing running. */
  async function atTheTarget(): Promise<void> {
    await exactlyOnce(lab.nodes);
    for (const node of lab.nodes) {
      assert.equal(await acmeVersion(node), '2.0');
      for (const script of ['stop', 'start'] as const) {
        const ends = (await executions([node], script)).map(({ exit }) => exit);
        assert.equal(ends.at(-1), 0, `${script} on ${node.name}`);
      }
    }
    await nothingLeft(lab.nodes);
  }
});
