import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { leaveOf } from '../../../../src/engine/journal/budget';
import type { NodeOutcome, RunEvent } from '../../../../src/engine/journal/events';
import { batchesOf } from '../../../../src/engine/journal/order';
import type { Plan } from '../../../../src/engine/journal/plan';
import { parsePlan } from '../../../../src/engine/journal/schema';
import { changesBegun, emptyView, fold, type RunView } from '../../../../src/engine/journal/view';
import { planOf } from '../plans';

interface Ramp {
  readonly nodes: number;
  readonly batch?: readonly string[];
  readonly maxFailures?: string;
  readonly onFailure?: Plan['options']['onFailure'];
}

function rampOf({ nodes, batch, maxFailures = '0', onFailure = 'stop' }: Ramp): Plan {
  const names = Array.from({ length: nodes }, (_, index) => `n${String(index + 1)}`);
  const plan = planOf(names, {
    batches: batchesOf(names, batch ? 'fast' : 'serial', batch),
    ...(batch ? { batch } : {}),
  });
  return { ...plan, options: { ...plan.options, maxFailures, onFailure } };
}

type Ends = (node: string) => NodeOutcome;

/** Goes through the batches as the engine does: who may begin begins, and all of a batch end before the next. */
function walk(plan: Plan, ends: Ends): RunView {
  return plan.batches.reduce<RunView>((before, batch) => {
    const todo = leaveOf(before).startMore ? batch : [];
    return todo.reduce<RunView>((view, node) => change(view, node, ends(node)), before);
  }, emptyView(plan));
}

function change(view: RunView, node: string, outcome: NodeOutcome): RunView {
  const events: RunEvent[] = [
    { type: 'step.started', node, step: 'upgrade', lane: 'main', attempt: 1 },
    { type: 'node.finished', node, outcome },
  ];
  return events.reduce<RunView>(fold, view);
}

const begun = (view: RunView): string[] =>
  Object.values(view.nodes)
    .filter(changesBegun)
    .map(({ name }) => name);
const fail =
  (...names: string[]): Ends =>
  (node) =>
    names.includes(node) ? 'failed' : 'upgraded';

const anyRamp = fc.record({
  nodes: fc.integer({ min: 2, max: 24 }),
  batch: fc
    .array(
      fc.oneof(
        fc.integer({ min: 1, max: 12 }).map(String),
        fc.integer({ min: 1, max: 100 }).map((share) => `${String(share)}%`),
      ),
      { minLength: 2, maxLength: 5 },
    )
    .filter((batch) => new Set(batch).size > 1),
  maxFailures: fc.oneof(fc.nat(24).map(String), fc.constantFrom('50%', '100%')),
  onFailure: fc.constantFrom('stop' as const, 'continue' as const, 'rollback' as const),
});
const BAD = ['failed', 'wrong-version', 'unknown'] as const;

describe('a ramp', () => {
  it('whose first batch fails as a whole begins no other node, whatever may fail', () => {
    const anyEnds = fc.array(fc.constantFrom(...BAD), { minLength: 24, maxLength: 24 });
    fc.assert(
      fc.property(anyRamp, anyEnds, (ramp, ends) => {
        const plan = rampOf(ramp);
        fc.pre(plan.batches.length > 1);
        const [first = []] = plan.batches;
        const view = walk(plan, (node) =>
          first.includes(node) ? (ends[first.indexOf(node)] ?? 'failed') : 'upgraded',
        );
        assert.deepEqual(begun(view), first);
        const leave = leaveOf(view);
        assert.equal(leave.batch, 1);
        // What is unknown may have gone well: that alone is no reason to go back.
        const all = first.every((node) => view.nodes[node]?.outcome !== 'unknown');
        assert.ok(!all || leave.exceeded);
      }),
    );
  });

  it('stops at every batch that fails as a whole and that a larger one follows', () => {
    fc.assert(
      fc.property(anyRamp, fc.nat(23), fc.constantFrom(...BAD), (ramp, at, bad) => {
        const plan = rampOf({ ...ramp, maxFailures: '100%' });
        const index = at % plan.batches.length;
        const batch = plan.batches[index] ?? [];
        const later = plan.batches.slice(index + 1);
        fc.pre(later.some((each) => each.length > batch.length));
        const view = walk(plan, (node) => (batch.includes(node) ? bad : 'upgraded'));
        assert.deepEqual(begun(view), plan.batches.slice(0, index + 1).flat());
      }),
    );
  });

  it('goes on within the budget where a node of each batch came through, and where it grows no more', () => {
    fc.assert(
      fc.property(anyRamp, (ramp) => {
        const plan = rampOf({ ...ramp, maxFailures: '100%' });
        const good = plan.batches.map(([node = '']) => node);
        const some = walk(plan, (node) => (good.includes(node) ? 'upgraded' : 'failed'));
        assert.equal(begun(some).length, plan.nodes.length);
        assert.equal(leaveOf(some).exceeded, false);
      }),
    );
    const flat = rampOf({ nodes: 10, batch: ['1', '3'], maxFailures: '5' });
    assert.equal(begun(walk(flat, fail('n2', 'n3', 'n4'))).length, 10);
    const falling = rampOf({ nodes: 6, batch: ['3', '1'], maxFailures: '1' });
    assert.equal(begun(walk(falling, fail('n4'))).length, 6);
  });

  it('is not left by what fails once it was proven: all nodes together are unhealthy', () => {
    const plan = rampOf({ nodes: 5, batch: ['1', '100%'], maxFailures: '1', onFailure: 'rollback' });
    const view = fold(walk(plan, fail()), { type: 'node.finished', node: 'n1', outcome: 'failed' });
    assert.deepEqual(leaveOf(view), { startMore: true, exceeded: false, allowed: 1, batch: undefined });
  });

  it('knows before a node is closed whether its rollback follows', () => {
    const plan = rampOf({ nodes: 5, batch: ['2', '100%'], maxFailures: '3', onFailure: 'rollback' });
    const view = emptyView(plan);
    assert.equal(leaveOf(view, 'n1').exceeded, false, 'n2 may still prove it');
    assert.equal(leaveOf(change(view, 'n2', 'failed'), 'n1').exceeded, true);
    assert.equal(leaveOf(change(view, 'n2', 'upgraded'), 'n1').exceeded, false);
  });

  it('is more than one size: one size, serial and plans of earlier versions have the budget alone', () => {
    for (const batch of [['2'], ['2', '2'], undefined]) {
      const plan = rampOf({ nodes: 5, ...(batch ? { batch } : {}), maxFailures: '2' });
      assert.equal(begun(walk(plan, fail('n1', 'n2'))).length, 5, String(batch));
    }
    const earlier = planOf(['n1', 'n2', 'n3'], { batches: [['n1'], ['n2', 'n3']] });
    const plan = { ...earlier, options: { ...earlier.options, maxFailures: '1' } };
    assert.equal(begun(walk(plan, fail('n1'))).length, 3);
  });

  it('reads as it was written, and a ramp of small shares has a first batch, too', () => {
    const plan = rampOf({ nodes: 3, batch: ['1', '50%', '100%'], maxFailures: '1' });
    assert.deepEqual(parsePlan(JSON.stringify(plan), 'plan.json').batch, plan.batch);
    assert.deepEqual(begun(walk(plan, fail('n1'))), ['n1']);
    assert.equal(begun(walk(plan, fail('n2'))).length, 3);
  });
});
