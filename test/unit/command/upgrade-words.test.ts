import { strict as assert } from 'node:assert';
import { changesOf } from '../../../src/command/handlers/upgrade-words';
import type { Plan, PlanNode } from '../../../src/engine/journal/plan';
import { planOf } from '../engine/plans';

function withNode(plan: Plan, name: string, over: Partial<PlanNode>): Plan {
  return { ...plan, nodes: plan.nodes.map((node) => (node.name === name ? { ...node, ...over } : node)) };
}

describe('what a second plan changes', () => {
  const plan = planOf(['n1', 'n2']);

  it('is nothing where only its id and its time are others', () => {
    assert.deepEqual(changesOf(plan, { ...plan, run: 'another', created: 'later' }), []);
    const fresh = withNode(plan, 'n1', { from: undefined });
    assert.deepEqual(changesOf(fresh, fresh), [], 'nothing known, nothing found');
    assert.deepEqual(changesOf(fresh, plan), ['n1: 1.0 → 2.0 (before: unknown → 2.0)']);
  });

  it('is named node by node: version, nothing to do, steps; and the order', () => {
    assert.deepEqual(changesOf(plan, withNode(plan, 'n2', { from: '1.7' })), ['n2: 1.7 → 2.0 (before: 1.0 → 2.0)']);
    assert.deepEqual(changesOf(plan, withNode(plan, 'n1', { from: '2.0', action: 'skip' })), [
      'n1: no change, already at 2.0 (before: 1.0 → 2.0)',
    ]);
    assert.deepEqual(changesOf(plan, withNode(plan, 'n1', { steps: ['lock', 'reboot'] })), ['n1: lock, reboot']);
    assert.deepEqual(changesOf(plan, { ...plan, batches: [['n2'], ['n1']] }), ['Order: n2; then n1']);
  });

  it('is counted where it would be too long', () => {
    const many = planOf(Array.from({ length: 40 }, (_, index) => `n${String(index)}`));
    const changes = changesOf(many, { ...many, nodes: many.nodes.map((node) => ({ ...node, from: '1.1' })) });
    assert.equal(changes.length, 13);
    assert.equal(changes.at(-1), '… and 28 more');
  });
});
