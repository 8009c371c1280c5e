import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import { FIRST_PREV } from '../../../src/engine/journal/journal';
import type { Plan } from '../../../src/engine/journal/plan';
import { planDigest, planText } from '../../../src/engine/journal/runs';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../../lab/acme';
import { type CliOptions, type CliResult, CliRun, said } from '../../lab/cli';
import type { Lab, LabNode } from '../../lab/nodes';
import { acmeCluster, begun, ended, needsLab, outcomes, run, start } from './scene';

/**
 * A plan is compared with the nodes under the lock, before the first change of each start and each resume. `other` is a
 * colleague: the same clusters.json and keys, with a state directory of his own.
 */
describe('a plan that others made old', function () {
  this.timeout(300_000);
  let lab: Lab;
  let n1: LabNode;
  let n2: LabNode;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}], { backup: { paths: ['/etc/acme', '/opt/acme'] } });
    n1 = lab.node('n1');
    n2 = lab.node('n2');
  });
  afterEach(() => lab.stop());

  const other = (): CliOptions => ({ env: { XDG_STATE_HOME: join(lab.home, 'colleague') } });

  const versions = (): Promise<(string | undefined)[]> => Promise.all([n1, n2].map((node) => acmeVersion(node)));

  /** Runs that executed a script on a node, in order. */
  const who = async (node: LabNode, script: 'upgrade' | 'provision' = 'upgrade'): Promise<string[]> =>
    (await executions([node], script)).map((each) => each.run);

  const runOf = ({ events }: Pick<CliResult, 'events'>): string =>
    String(events.find(({ type }) => type === 'run.started')?.['run']);

  /** A serial upgrade to 2.0 that a person stops after n1. */
  async function stoppedAfterN1(...more: string[]): Promise<string> {
    const { path } = await acmePackage('2.0');
    await setKnob(n1, 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path, 'serial', ...more]);
    await command.waitFor(begun('n1'));
    await run(lab, ['stop'], 0);
    await clearKnob(n1, 'upgrade', 'wait');
    const result = await command.done;
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'not-started' }, said(result));
    return runOf(result);
  }

  /** The run is closed, and says so wherever it is asked for. */
  async function isClosed(id: string): Promise<void> {
    const { events } = await run(lab, ['runs', id], 0);
    assert.equal(events.find((each) => each['run'] === id)?.['outcome'], 'overtaken', JSON.stringify(events));
    await run(lab, ['resume', id], 2);
    const table = await new CliRun(lab, ['runs']).done;
    assert.match(table.stdout, new RegExp(`${id}.*overtaken`));
  }

  /** Status 3 with the code, nothing done by it, and the run closed. */
  async function overtaken(id: string, ...told: RegExp[]): Promise<void> {
    const before = await Promise.all([n1, n2].map((node) => executions([node])));
    const result = await run(lab, ['resume', id], 3);
    assert.match(result.stderr, /\[plan-overtaken\]/);
    for (const text of told) assert.match(result.stderr.replace(/\s+/g, ' '), text);
    assert.equal(result.finished?.outcome, 'overtaken', said(result));
    assert.deepEqual(await Promise.all([n1, n2].map((node) => executions([node]))), before, 'a script ran');
    for (const node of lab.nodes) {
      assert.equal(await node.exists('/var/lib/clusterlift/lock/owner.json'), false, `${node.name} is locked`);
    }
    await isClosed(id);
  }

  describe('resume of a stopped run', () => {
    it('after a newer version by another machine: closed, each node listed, no script runs', async () => {
      const id = await stoppedAfterN1();
      const later = await run(lab, ['upgrade', (await acmePackage('3.0')).path], 0, other());
      const changed = new RegExp(`n2: run ${runOf(later)} changed it, it has 3.0, the plan expected 1.0`);
      await overtaken(id, new RegExp(`n1: run ${runOf(later)} changed it`), changed);
      assert.deepEqual(await versions(), ['3.0', '3.0']);
    });

    it('after the same package by another machine, as "finish" advises: no script runs twice', async () => {
      const id = await stoppedAfterN1();
      const later = await run(lab, ['upgrade', (await acmePackage('2.0')).path], 0, other());
      assert.deepEqual(outcomes(later), { n1: 'unchanged', n2: 'upgraded' });
      await overtaken(id, /n2: run/);
      assert.deepEqual([await who(n1), await who(n2)], [[id], [runOf(later)]]);
    });

    it('after a run on only one node: the others are not begun, no version is mixed further', async () => {
      const id = await stoppedAfterN1();
      await run(
        lab,
        ['upgrade', (await acmePackage('3.0')).path, '--nodes', 'n1', '--override', 'primary-left-out'],
        0,
        other(),
      );
      await overtaken(id, /n1: run/);
      assert.deepEqual(await versions(), ['3.0', '1.0']);
    });

    it('after an upgrade that failed and left the old version: its run is known by name', async () => {
      const id = await stoppedAfterN1();
      await setKnob(n2, 'upgrade', 'fail', 7);
      const later = await run(lab, ['upgrade', (await acmePackage('3.0')).path, '--nodes', 'n2'], 1, other());
      await clearKnob(n2, 'upgrade', 'fail');
      assert.equal(await acmeVersion(n2), '1.0');
      await overtaken(id, new RegExp(`n2: run ${runOf(later)} changed it`));
    });

    it('after a change by hand: told by the version', async () => {
      const id = await stoppedAfterN1();
      await n2.must('echo 2.5 > /etc/acme/release');
      await overtaken(id, /n2: it has 2.5, the plan expected 1.0/);
    });

    it('after an upgrade and a restore back: the version is the old one, and it is overtaken', async () => {
      const id = await stoppedAfterN1();
      const made = await run(
        lab,
        ['upgrade', (await acmePackage('3.0')).path, 'backup', 'localbackup', '--nodes', 'n2'],
        0,
        other(),
      );
      const point = String(made.events.find(({ type }) => type === 'point')?.['id']);
      await run(lab, ['backup', 'restore', point, '--yes'], 0, other());
      assert.equal(await acmeVersion(n2), '1.0');
      await overtaken(id, /n2: run .* changed it/);
    });

    it('after a backup by another machine: it goes on, a backup changes nothing', async () => {
      const id = await stoppedAfterN1();
      await run(lab, ['backup', 'create', 'localbackup'], 0, other());
      await run(lab, ['resume', id], 0);
      assert.deepEqual([await who(n1), await who(n2)], [[id], [id]]);
    });

    it('after a lock was only taken and given back, and one was freed by a person: it goes on', async () => {
      const id = await stoppedAfterN1();
      const killed = start(lab, ['upgrade', (await acmePackage('3.0')).path, '--nodes', 'n2'], {
        ...other(),
        killAt: ended('n2', 'lock'),
      });
      await killed.done;
      await run(lab, ['unlock', '--reason', 'the colleague is gone', '--yes'], 0);
      await run(lab, ['resume', id], 0);
      assert.deepEqual(await who(n2), [id]);
    });

    it('after it was taken over by another machine from the nodes: it is the same run, and goes on', async () => {
      const id = await stoppedAfterN1();
      await run(lab, ['resume', id, '--from-nodes', '--yes'], 0, other());
      await run(lab, ['resume', id], 0);
      assert.deepEqual([await who(n1), await who(n2)], [[id], [id]]);
    });
  });

  it('a suspended process that was taken over is fenced, and its resume runs no script again', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(n1, 'upgrade', 'wait');
    const asleep = start(lab, ['upgrade', path, 'serial']);
    await asleep.waitFor(begun('n1'));
    const id = runOf(asleep);
    asleep.suspend();
    await clearKnob(n1, 'upgrade', 'wait');
    await run(lab, ['unlock', '--reason', 'the laptop is asleep', '--yes'], 0, other());
    const later = await run(lab, ['upgrade', path], 0, other());
    asleep.wake();
    assert.equal((await asleep.done).status, 5);
    await overtaken(id, new RegExp(`n2: run ${runOf(later)}`));
    assert.deepEqual(await who(n2), [runOf(later)]);
  });

  it('a node that was left midway is brought to its end, no other one is begun, and nothing is rolled back', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(n2, 'upgrade', 'wait');
    const args = ['upgrade', path, 'backup', 'localbackup', '--on-failure', 'rollback', '--max-failures', '0'];
    const command = start(lab, args);
    await command.waitFor(begun('n2'));
    await command.waitFor((event) => event.type === 'node.finished' && event['node'] === 'n1');
    command.kill();
    await command.done;
    const id = runOf(command);
    await run(lab, ['unlock', '--reason', 'n1 is needed', '--yes', '--nodes', 'n1'], 0);
    await run(lab, ['upgrade', (await acmePackage('3.0')).path, '--nodes', 'n1'], 0, other());
    await clearKnob(n2, 'upgrade', 'wait');
    const result = await run(lab, ['resume', id], 1);
    assert.deepEqual(outcomes(result), { n1: 'overtaken', n2: 'upgraded' });
    assert.equal(result.finished?.outcome, 'overtaken');
    assert.deepEqual(await versions(), ['3.0', '2.0']);
    assert.deepEqual(await who(n2), [id]);
    await isClosed(id);
  });

  describe('a start', () => {
    /** An upgrade to 2.0 whose checks wait on n1, while a colleague does something. */
    async function meanwhile(work: () => Promise<unknown>, args: readonly string[] = []): Promise<CliResult> {
      const hold = 'if [ "$CLUSTERLIFT_TO" = 2.0 ]; then : > /here; while [ -e /hold ]; do sleep 0.1; done; fi';
      await n1.must(': > /hold');
      await setKnob(n1, 'check', 'run', hold);
      const command = start(lab, ['upgrade', (await acmePackage('2.0')).path, ...args]);
      while (!(await n1.exists('/here'))) await sleep(100);
      await work();
      await n1.must('rm /hold');
      return command.done;
    }

    function refused(result: CliResult, ...told: RegExp[]): void {
      assert.equal(result.status, 3, said(result));
      assert.match(result.stderr, /\[plan-overtaken\]/);
      for (const text of told) assert.match(result.stderr.replace(/\s+/g, ' '), text);
      assert.equal(result.finished?.outcome, 'overtaken');
    }

    it('is refused where a colleague upgraded while the checks ran; what changed is listed', async () => {
      const newer = (await acmePackage('3.0')).path;
      const result = await meanwhile(() => run(lab, ['upgrade', newer], 0, other()));
      refused(result, /n1: run .* changed it, it has 3.0, the plan expected 1.0; n2: run/);
      assert.deepEqual(await versions(), ['3.0', '3.0']);
      assert.equal((await who(n1)).length, 1);
    });

    it('is refused where one node was changed by hand', async () => {
      refused(await meanwhile(() => n1.must('echo 2.5 > /etc/acme/release')), /n1: it has 2.5, the plan expected 1.0/);
      assert.deepEqual(await who(n2), []);
    });

    it('is refused where the provision that it would repeat was done', async () => {
      await setKnob(n1, 'upgrade', 'ask', 'provision=required');
      await setKnob(n1, 'provision', 'fail', 3);
      await run(lab, ['upgrade', (await acmePackage('1.5')).path], 1);
      await clearKnob(n1, 'provision', 'fail');
      const result = await meanwhile(() => run(lab, ['provision'], 0, other()));
      refused(result, /n1: run .* changed it/, /the provision that it waited for is done/);
      assert.equal((await who(n1, 'provision')).length, 2);
    });

    it('goes on where a colleague only made a backup', async () => {
      await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
      const result = await meanwhile(() => run(lab, ['backup', 'create', 'localbackup'], 0, other()));
      assert.equal(result.status, 0, said(result));
    });

    /** Its version script says what it sees, and then waits, once, while /hold is there. */
    const waiting = (): ReturnType<typeof acmePackage> =>
      acmePackage('2.0', {
        scripts: {
          version:
            '#!/bin/sh\nv=$(cat /etc/acme/release)\nif [ -e /hold ] && mkdir /here 2>/dev/null; then while [ -e /hold ]; do sleep 0.1; done; fi\necho "$v"\n',
        },
      });

    for (const [what, args] of [
      ['a restore', (point: string) => ['backup', 'restore', point, '--yes']],
      ['a backup', () => ['backup', 'create', 'localbackup']],
    ] as const) {
      it(`of ${what} is refused where the nodes got another version after the plan`, async () => {
        const made = await run(lab, ['upgrade', (await waiting()).path, 'backup', 'localbackup'], 0);
        const point = String(made.events.find(({ type }) => type === 'point')?.['id']);
        await n1.must(': > /hold');
        const command = start(lab, args(point));
        while (!(await n1.exists('/here'))) await sleep(100);
        await run(lab, ['upgrade', (await acmePackage('3.0')).path], 0, other());
        await n1.must('rm /hold');
        refused(await command.done, /n1: run .* changed it/, /n2: run .* changed it/);
        assert.deepEqual(await versions(), ['3.0', '3.0']);
      });
    }
  });

  it('a later run that ends well closes the older one here, and `runs` says so', async () => {
    const id = await stoppedAfterN1();
    await run(lab, ['upgrade', (await acmePackage('3.0')).path, '--nodes', 'n1', '--override', 'primary-left-out'], 0);
    const open = await run(lab, ['runs', id], 0);
    assert.equal(open.events.find((each) => each['run'] === id)?.['outcome'], 'stopped', 'n2 is still open');
    await run(lab, ['upgrade', (await acmePackage('3.0')).path], 0);
    await isClosed(id);
    const { stderr } = await run(lab, ['resume'], 2);
    assert.match(stderr, /run-none/);
  });

  it('after a stop, the ways on begin with `resume`, and it works', async () => {
    const id = await stoppedAfterN1();
    const told = await new CliRun(lab, ['runs', id]).done;
    assert.match(told.stdout, new RegExp(`What you can do next\\n +Resume: [^]*clusterlift resume ${id}\\n`));
    await run(lab, ['resume', id], 0);
    assert.deepEqual(await versions(), ['2.0', '2.0']);
  });

  it('a plan of an earlier version, which does not say what it saw, is compared by versions and records', async () => {
    const id = await stoppedAfterN1();
    await forget(join(lab.home, '.local/state/clusterlift/runs', id));
    await run(lab, ['upgrade', (await acmePackage('3.0')).path], 0, other());
    await overtaken(id, /n1: run/, /n2: run/);
  });
});

/** Makes the plan of a run as an earlier version wrote it, and its journal fit. */
async function forget(folder: string): Promise<void> {
  const [planFile, journalFile] = [join(folder, 'plan.json'), join(folder, 'journal.jsonl')];
  const plan = JSON.parse(await readFile(planFile, 'utf8')) as Plan;
  const old = { ...plan, nodes: plan.nodes.map((node) => ({ ...node, seen: undefined })) };
  let prev = FIRST_PREV;
  const lines = (await readFile(journalFile, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((text) => {
      const entry = JSON.parse(text) as Record<string, unknown>;
      const fitting = { ...entry, prev, ...(entry['type'] === 'run.started' ? { plan: planDigest(old) } : {}) };
      const line = JSON.stringify(fitting);
      prev = createHash('sha256').update(line).digest('hex');
      return line;
    });
  await writeFile(planFile, planText(old));
  await writeFile(journalFile, `${lines.join('\n')}\n`);
}
