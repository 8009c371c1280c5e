import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { JournalEntry, RunEvent } from '../../../src/engine/events';
import { runOutcome } from '../../../src/engine/outcome';
import { STEPS } from '../../../src/engine/plan';
import { bracketBegun, currentStep, emptyView, fold, isResumable, stepOf, viewOf } from '../../../src/engine/view';
import { planOf } from './plans';

const entries = (events: readonly RunEvent[]): JournalEntry[] =>
  events.map((event, index) => ({ ...event, seq: index + 1, time: new Date(index * 1000).toISOString(), prev: '' }));

const plan = planOf(['n1', 'n2', 'n3']);
const started = (node: string, step: (typeof STEPS)[number], attempt = 1): RunEvent => ({
  type: 'step.started',
  node,
  step,
  lane: 'main',
  attempt,
});
const done = (node: string, step: (typeof STEPS)[number], attempt = 1): RunEvent => ({
  type: 'step.finished',
  node,
  step,
  lane: 'main',
  attempt,
  ms: 5,
  result: 'done',
});
const finished = (node: string, outcome: 'upgraded' | 'failed' | 'unknown' | 'not-started'): RunEvent => ({
  type: 'node.finished',
  node,
  outcome,
});

describe('the view of a run', () => {
  it('shows the step that a node is in, and its result when it ends', () => {
    let view = viewOf(plan, entries([started('n1', 'upgrade')]));
    assert.equal(currentStep(view.nodes['n1'] ?? assert.fail())?.step, 'upgrade');
    view = viewOf(plan, entries([started('n1', 'upgrade'), done('n1', 'upgrade')]));
    assert.equal(stepOf(view.nodes['n1'], 'upgrade')?.state, 'done');
    assert.equal(currentStep(view.nodes['n1'] ?? assert.fail()), undefined);
  });

  it('knows a begun bracket by its first step', () => {
    const view = viewOf(plan, entries([started('n1', 'stage'), started('n2', 'stop')]));
    assert.equal(bracketBegun(view.nodes['n1']), false);
    assert.equal(bracketBegun(view.nodes['n2']), true);
  });

  it('is the same whether folded at once or line by line, from any point on', () => {
    const node = fc.constantFrom('n1', 'n2', 'n3', 'stranger', '__proto__');
    const step = fc.constantFrom(...STEPS);
    const event: fc.Arbitrary<RunEvent> = fc.oneof(
      fc.tuple(node, step).map(([n, s]) => started(n, s)),
      fc.tuple(node, step).map(([n, s]) => done(n, s)),
      node.map((n) => finished(n, 'failed')),
      fc.constant<RunEvent>({ type: 'stop.requested', by: 'x' }),
      fc.constant<RunEvent>({ type: 'run.resumed', host: 'h', pid: 1, epoch: 2 }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.nat(40), (events, cut) => {
        const all = entries(events);
        const whole = viewOf(plan, all);
        const parts = all.slice(cut).reduce(fold, viewOf(plan, all.slice(0, cut)));
        assert.deepEqual(parts, whole);
        assert.deepEqual(Object.keys(whole.nodes), ['n1', 'n2', 'n3']);
      }),
    );
  });

  it('never changes a view that it was given', () => {
    const before = emptyView(plan);
    const copy = structuredClone(before);
    fold(before, { type: 'step.started', node: 'n1', step: 'stop', lane: 'main', attempt: 1 });
    assert.deepEqual(before, copy);
  });

  it('opens again what was unknown or not begun when the run is resumed, and keeps what is known', () => {
    const view = viewOf(
      plan,
      entries([
        finished('n1', 'upgraded'),
        finished('n2', 'unknown'),
        finished('n3', 'not-started'),
        { type: 'run.finished', outcome: 'unknown', status: 4, nodes: {} },
        { type: 'run.resumed', host: 'h', pid: 1, epoch: 2 },
      ]),
    );
    assert.equal(view.nodes['n1']?.outcome, 'upgraded');
    assert.equal(view.nodes['n2']?.outcome, undefined);
    assert.equal(view.nodes['n3']?.outcome, undefined);
    assert.equal(isResumable(view), true);
  });
});

describe('the outcome of a run', () => {
  const outcome = (...events: RunEvent[]): { outcome: string; status: number } =>
    runOutcome(viewOf(plan, entries(events)));

  it('is 0 only when every node is good and the run is committed', () => {
    const good = ['n1', 'n2', 'n3'].map((node) => finished(node, 'upgraded'));
    assert.deepEqual(outcome(...good, { type: 'committed' }), { outcome: 'succeeded', status: 0 });
    assert.deepEqual(outcome(...good), { outcome: 'failed', status: 1 });
  });

  it('is unknown as soon as one node is', () => {
    assert.deepEqual(outcome(finished('n1', 'failed'), finished('n2', 'unknown')), { outcome: 'unknown', status: 4 });
  });

  it('is 1 with a failed node, and 1 when it was stopped', () => {
    assert.equal(outcome(finished('n1', 'failed')).status, 1);
    const stopped: RunEvent = { type: 'stop.requested', by: 'x' };
    assert.deepEqual(outcome(finished('n1', 'upgraded'), finished('n2', 'not-started'), stopped), {
      outcome: 'stopped',
      status: 1,
    });
  });
});
