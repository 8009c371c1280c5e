import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { ErrorRecord, JournalEntry, Lane, NodeOutcome, RunEvent } from '../../../../src/engine/journal/events';
import { runOutcome } from '../../../../src/engine/journal/outcome';
import { STEPS } from '../../../../src/engine/journal/plan';
import {
  changesBegun,
  currentStep,
  emptyView,
  fold,
  nodesToRetry,
  isResumable,
  type RunView,
  stepOf,
  viewOf,
} from '../../../../src/engine/journal/view';
import { planOf } from '../plans';

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

const ERROR: ErrorRecord = { code: 'attempt-lost', message: 'm', hint: 'h' };
const POINT = { type: 'point', id: 'p', location: 'l' } as const;

describe('the view of a run', () => {
  it('shows the step that a node is in, and its result when it ends', () => {
    let view = viewOf(plan, entries([started('n1', 'upgrade')]));
    assert.equal(currentStep(view.nodes['n1'] ?? assert.fail())?.step, 'upgrade');
    view = viewOf(plan, entries([started('n1', 'upgrade'), done('n1', 'upgrade')]));
    assert.equal(stepOf(view.nodes['n1'], 'upgrade')?.state, 'done');
    assert.equal(currentStep(view.nodes['n1'] ?? assert.fail()), undefined);
  });

  it('forgets a node that was left out, for good', () => {
    const view = viewOf(
      plan,
      entries([started('n3', 'upgrade'), { type: 'node.left-out', node: 'n3', by: 'x' }, started('n3', 'start')]),
    );
    assert.deepEqual(Object.keys(view.nodes), ['n1', 'n2']);
    assert.deepEqual(
      view.plan.nodes.map(({ name }) => name),
      ['n1', 'n2'],
    );
    assert.deepEqual(view.plan.batches, [['n1', 'n2']]);
  });

  it('knows which nodes have yet to vouch for the run, and takes none of them for locked', () => {
    const adopted = {
      type: 'run.adopted',
      host: 'h',
      pid: 1,
      epoch: 3,
      by: 'x',
      configFile: '/c',
      places: {},
    } as const;
    const locked = [started('n2', 'lock'), done('n2', 'lock')];
    let view = viewOf(plan, entries([...locked, { ...adopted, unasked: ['n2'] }]));
    assert.deepEqual([view.unproven, view.epoch, view.configFile], [['n2'], 3, '/c']);
    assert.equal(stepOf(view.nodes['n2'], 'lock'), undefined);
    view = viewOf(plan, entries([...locked, { ...adopted, unasked: ['n2'] }, ...locked]));
    assert.deepEqual(view.unproven, []);
    view = viewOf(plan, entries([...locked, { type: 'node.moved', node: 'n2', place: 'there', by: 'x' }]));
    assert.deepEqual([view.unproven, view.places], [['n2'], { n2: 'there' }]);
  });

  it('begins again on a node that was reinstalled', () => {
    const lock = started('n1', 'lock');
    const view = viewOf(
      plan,
      entries([done('n1', 'stage'), started('n1', 'upgrade'), lock, { type: 'node.reinstalled', node: 'n1', by: 'x' }]),
    );
    assert.deepEqual(
      view.nodes['n1']?.steps.map(({ step }) => step),
      ['lock'],
    );
  });

  it('knows the nodes that another try is for: those short of the target, else all', () => {
    const all = (...outcomes: readonly NodeOutcome[]): string[] =>
      nodesToRetry(
        viewOf(
          plan,
          entries(
            outcomes.map((outcome, index) => ({ type: 'node.finished', node: `n${String(index + 1)}`, outcome })),
          ),
        ),
      );
    assert.deepEqual(all('upgraded', 'failed', 'not-started'), ['n2', 'n3']);
    assert.deepEqual(all('rolled-back', 'wrong-version', 'unchanged'), ['n1', 'n2']);
    assert.deepEqual(all('upgraded', 'unknown'), ['n3'], 'what is not known is not tried again unasked');
    assert.deepEqual(all('upgraded', 'upgraded', 'unchanged'), ['n1', 'n2', 'n3']);
  });

  it('knows a begun bracket by its first step', () => {
    const view = viewOf(plan, entries([started('n1', 'stage'), started('n2', 'stop')]));
    assert.equal(changesBegun(view.nodes['n1']), false);
    assert.equal(changesBegun(view.nodes['n2']), true);
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

  describe('with two lanes and a restore point', () => {
    const PHASES = ['lock', 'stage', 'backup', 'change', 'rollback', 'unlock'] as const;
    const node = fc.constantFrom('n1', 'n2', 'n3');
    const lane = fc.constantFrom<Lane>('main', 'rollback');
    const key = fc.record({ node, lane, step: fc.constantFrom(...STEPS), attempt: fc.integer({ min: 1, max: 3 }) });
    const outcome = fc.constantFrom('restored', 'backed-up', 'rolled-back', 'failed', 'unknown', 'not-started');
    const event: fc.Arbitrary<RunEvent> = fc.oneof(
      { weight: 4, arbitrary: key.map((k): RunEvent => ({ type: 'step.started', ...k })) },
      { weight: 4, arbitrary: key.map((k): RunEvent => ({ type: 'step.finished', ...k, ms: 1, result: 'done' })) },
      key.map((k): RunEvent => ({ type: 'step.finished', ...k, ms: 1, result: 'unknown', error: ERROR })),
      key.map((k): RunEvent => ({ type: 'decision', ...k, choice: 'retry', by: 'x' })),
      fc.record({ node, outcome }).map((of): RunEvent => ({ type: 'node.finished', ...of })),
      fc.constantFrom(...PHASES).map((phase): RunEvent => ({ type: 'phase', phase })),
      fc.constantFrom('complete', 'verified', 'broken').map((state): RunEvent => ({ ...POINT, state })),
      fc.constant<RunEvent>({ ...POINT, state: 'complete', sha256: 'ab' }),
      fc.constant<RunEvent>({ type: 'run.resumed', host: 'h', pid: 1, epoch: 2 }),
      fc.constant<RunEvent>({ type: 'committed' }),
    );
    const journal = fc.array(event, { maxLength: 60 }).map(entries);
    const holds = (property: (all: readonly JournalEntry[], view: RunView) => void): void => {
      fc.assert(
        fc.property(journal, (all) => {
          property(all, viewOf(plan, all));
        }),
      );
    };
    const stepsIn = (view: RunView, wanted: Lane): unknown =>
      Object.values(view.nodes).map(({ steps }) => steps.filter((each) => each.lane === wanted));

    it('keeps the lanes apart: what happens in one changes nothing in the other', () => {
      holds((all, view) => {
        for (const wanted of ['main', 'rollback'] as const) {
          const alone = all.filter((each) => !('lane' in each) || each.lane === wanted);
          assert.deepEqual(stepsIn(view, wanted), stepsIn(viewOf(plan, alone), wanted));
        }
      });
    });

    it('has each step once a lane, in its last attempt', () => {
      holds((all, view) => {
        for (const { name, steps } of Object.values(view.nodes)) {
          const names = steps.map(({ step, lane: of }) => `${of}/${step}`);
          assert.equal(new Set(names).size, names.length);
          for (const { step, lane: of, attempt } of steps) {
            const begun = all.findLast(
              (each) => each.type === 'step.started' && each.node === name && each.step === step && each.lane === of,
            );
            assert.equal(begun?.type === 'step.started' && begun.attempt, attempt);
          }
        }
      });
    });

    it('never forgets that a rollback began, which bracket began, or the digest of its point', () => {
      holds((all) => {
        const begun = new Set<string>();
        let [rollingBack, sha256]: [boolean, string | undefined] = [false, undefined];
        all.reduce((view, entry) => {
          const next = fold(view, entry);
          for (const each of Object.values(next.nodes)) {
            if (changesBegun(each)) begun.add(each.name);
            else assert.ok(!begun.has(each.name));
          }
          assert.ok(next.rollingBack || !rollingBack);
          rollingBack = next.rollingBack;
          if (sha256 !== undefined) assert.equal(next.point?.sha256, sha256);
          sha256 = next.point?.sha256;
          return next;
        }, emptyView(plan));
      });
    });

    it('is no success as long as one node is not where the run wanted it, and unknown as soon as one is', () => {
      holds((_all, view) => {
        const found = Object.values(view.nodes).map((each) => each.outcome);
        const { outcome: whole, status } = runOutcome(view);
        const good = found.every((each) => each === 'restored' || each === 'backed-up');
        assert.equal(status === 0, good && view.committed);
        assert.equal(whole === 'unknown', found.includes('unknown'));
        if (whole === 'rolled-back') assert.ok(!found.includes('failed') && status === 1);
      });
    });
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
