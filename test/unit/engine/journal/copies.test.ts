import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { hasCode } from '../../../../src/base/errors';
import { mergeCopies } from '../../../../src/engine/journal/copies';
import type { RunEvent } from '../../../../src/engine/journal/events';
import { extendedJournal, parseJournal } from '../../../../src/engine/journal/journal';
import { STEPS, type StepName } from '../../../../src/engine/journal/plan';

const RUN = 'r1';
const started: RunEvent = {
  type: 'run.started',
  run: RUN,
  action: 'upgrade',
  cluster: 'test',
  plan: 'a'.repeat(64),
  host: 'h',
  pid: 1,
  epoch: 1,
};
const begun = (node: string, step: StepName, attempt = 1): Extract<RunEvent, { type: 'step.started' }> => ({
  type: 'step.started',
  node,
  step,
  lane: 'main',
  attempt,
});
const ended = (node: string, step: StepName): RunEvent => ({
  type: 'step.finished',
  node,
  step,
  lane: 'main',
  attempt: 1,
  ms: 1,
  result: 'done',
});
const FIRST = extendedJournal('', 'j', [started]);
const journal = (text: string, ...events: readonly RunEvent[]): string => extendedJournal(text, 'j', events);
const copy = (node: string, text: string, ...jobs: readonly string[]) => ({ node, journal: text, jobs });

describe('the copies of a journal', () => {
  it('tell what all of them begin with', () => {
    const common = journal(FIRST, begun('n1', 'stage'), ended('n1', 'stage'));
    const longer = journal(common, { type: 'committed' });
    const { text, begun: may } = mergeCopies(RUN, [copy('n1', common), copy('n2', longer)]);
    assert.equal(text, common);
    assert.deepEqual(may, []);
  });

  it('of the rest, believe no result, no decision, no commit, no override and no end', () => {
    const tail: RunEvent[] = [
      ended('n1', 'stage'),
      { type: 'decision', node: 'n1', step: 'upgrade', lane: 'main', attempt: 1, choice: 'done', by: 'x' },
      { type: 'override', code: 'downgrade', by: 'x' },
      { type: 'phase', phase: 'rollback' },
      { type: 'point', id: 'p', location: 'l', state: 'verified', sha256: 'b'.repeat(64) },
      { type: 'node.finished', node: 'n1', outcome: 'upgraded' },
      { type: 'committed' },
    ];
    const { entries, begun: may } = mergeCopies(RUN, [copy('n1', FIRST), copy('n2', journal(FIRST, ...tail))]);
    assert.deepEqual([entries.length, may], [1, []]);
  });

  it('take a step as begun when the node of the step says so, by its copy or by a job', () => {
    const own = journal(FIRST, begun('n2', 'upgrade'));
    assert.deepEqual(mergeCopies(RUN, [copy('n1', FIRST), copy('n2', own)]).begun, [begun('n2', 'upgrade')]);
    const others = [copy('n1', own), copy('n2', FIRST, 'r1.n2.upgrade.1')];
    assert.deepEqual(mergeCopies(RUN, others).begun, [begun('n2', 'upgrade')]);
  });

  it('take no step as begun that the node denies, and take it of a node that cannot be asked', () => {
    const forged = journal(FIRST, begun('n1', 'upgrade'));
    assert.deepEqual(mergeCopies(RUN, [copy('n1', FIRST), copy('n2', forged)]).begun, []);
    assert.deepEqual(mergeCopies(RUN, [copy('n3', FIRST), copy('n2', forged)]).begun, [begun('n1', 'upgrade')]);
  });

  it('believe what was noted with an intent of the node only that it is about', () => {
    const reboot = { ...begun('n1', 'reboot'), data: { bootId: 'b' } };
    const text = journal(FIRST, reboot);
    assert.deepEqual(mergeCopies(RUN, [copy('n1', text), copy('n2', FIRST)]).begun, [reboot]);
    assert.deepEqual(mergeCopies(RUN, [copy('n2', text), copy('n3', FIRST)]).begun, []);
    const stop = { ...begun('n1', 'stop'), data: { x: 'y' } };
    const other = [copy('n2', journal(FIRST, stop)), copy('n1', FIRST, 'r1.n1.stop.1')];
    assert.deepEqual(mergeCopies(RUN, other).begun, [begun('n1', 'stop')]);
  });

  it('of which none begins alike are refused, and a damaged one counts up to the damage', () => {
    const other = extendedJournal('', 'j', [{ ...started, plan: 'b'.repeat(64) }]);
    assert.throws(
      () => mergeCopies(RUN, [copy('n1', FIRST), copy('n2', other)]),
      (error) => hasCode(error, 'journals-differ'),
    );
    const longer = journal(FIRST, begun('n1', 'stage'));
    const merged = mergeCopies(RUN, [copy('n1', longer), copy('n2', `${FIRST}{"seq":9}\n`)]);
    assert.equal(merged.text, FIRST);
  });

  it('count resumes in any copy, but not those that nobody can have done', () => {
    const resumed = (epoch: number): RunEvent => ({ type: 'run.resumed', host: 'h', pid: 1, epoch });
    assert.equal(mergeCopies(RUN, [copy('n1', FIRST), copy('n2', journal(FIRST, resumed(4)))]).epoch, 4);
    for (const epoch of [1e9, Number.MAX_SAFE_INTEGER, 2.5])
      assert.equal(mergeCopies(RUN, [copy('n1', FIRST), copy('n2', journal(FIRST, resumed(epoch)))]).epoch, 1);
  });

  it('never say more than the shortest, whatever the others add', () => {
    const node = fc.constantFrom('n1', 'n2', 'n3');
    const step = fc.constantFrom(...STEPS);
    const event = fc.oneof(
      fc.tuple(node, step, fc.integer({ min: 1, max: 3 })).map(([...key]) => begun(...key)),
      fc.tuple(node, step).map(([...key]) => ended(...key)),
      fc.constant<RunEvent>({ type: 'committed' }),
    );
    const events = fc.array(event, { maxLength: 12 });
    fc.assert(
      fc.property(events, events, events, (common, one, two) => {
        const base = journal(FIRST, ...common);
        const copies = [copy('n1', base), copy('n2', journal(base, ...one)), copy('n3', journal(base, ...two))];
        const merged = mergeCopies(RUN, copies);
        assert.equal(merged.text, base);
        assert.equal(parseJournal(merged.text, 'j').goodBytes, Buffer.byteLength(base));
        // n1 has no tail and no job: nothing that others add about it counts.
        assert.ok(merged.begun.every((each) => each.node !== 'n1'));
        const again = parseJournal(extendedJournal(merged.text, 'j', merged.begun), 'j');
        assert.equal(again.entries.length, merged.entries.length + merged.begun.length);
      }),
    );
  });
});
