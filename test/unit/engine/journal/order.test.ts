import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { NodeModel } from '../../../../src/cluster/model';
import { batchesOf, budgetAllows, orderNodes } from '../../../../src/engine/journal/order';

function node(name: string, roles: string[] = [], connection: 'ssh' | 'local' = 'ssh'): NodeModel {
  return {
    name,
    roles,
    connection,
    host: name,
    address: name,
    become: 'none',
    port: undefined,
    user: undefined,
    identityFile: undefined,
    jump: undefined,
    stateDir: undefined,
  };
}

const names = (nodes: readonly NodeModel[]): string => nodes.map((each) => each.name).join(' ');
const ROLES = ['database', 'application', 'webproxy', 'other'];
const anyNodes = fc
  .array(fc.record({ roles: fc.subarray(ROLES), local: fc.boolean() }), { maxLength: 30 })
  .map((list) => list.map(({ roles, local }, index) => node(`n${String(index)}`, roles, local ? 'local' : 'ssh')));
const anyOrder = fc.option(fc.shuffledSubarray(ROLES), { nil: undefined });

describe('orderNodes', () => {
  it('goes by role, unlisted roles last, then as in the file', () => {
    const nodes = [
      node('w', ['webproxy']),
      node('x'),
      node('a', ['application']),
      node('d2', ['database']),
      node('d1', ['database']),
    ];
    assert.equal(names(orderNodes(nodes, ['database', 'application', 'webproxy'])), 'd2 d1 a w x');
  });

  it('keeps the order of the file without a role order', () => {
    assert.equal(names(orderNodes([node('b', ['x']), node('a', ['y'])], undefined)), 'b a');
  });

  it('takes the earliest role of a node with several', () => {
    const nodes = [node('a', ['application']), node('both', ['webproxy', 'database'])];
    assert.equal(names(orderNodes(nodes, ['database', 'application', 'webproxy'])), 'both a');
  });

  it('puts this machine last, whatever its role', () => {
    const nodes = [node('here', ['database'], 'local'), node('x', [])];
    assert.equal(names(orderNodes(nodes, ['database'])), 'x here');
  });

  it('loses and adds no node, does not change its input, and bears repetition', () => {
    fc.assert(
      fc.property(anyNodes, anyOrder, (nodes, order) => {
        const before = names(nodes);
        const ordered = orderNodes(nodes, order);
        assert.equal(names(nodes), before);
        assert.deepEqual(new Set(ordered), new Set(nodes));
        assert.equal(ordered.length, nodes.length);
        assert.equal(names(orderNodes(ordered, order)), names(ordered));
      }),
    );
  });

  it('never puts a node before another of an earlier role', () => {
    fc.assert(
      fc.property(anyNodes, anyOrder, (nodes, order = []) => {
        const rank = (each: NodeModel): number => {
          const found = order.findIndex((role) => each.roles.includes(role));
          return (each.connection === 'local' ? 100 : 0) + (found < 0 ? 99 : found);
        };
        const ranks = orderNodes(nodes, order).map(rank);
        assert.deepEqual(
          ranks,
          [...ranks].sort((a, b) => a - b),
        );
      }),
    );
  });
});

describe('batchesOf', () => {
  const ten = Array.from({ length: 10 }, (_, index) => `n${String(index)}`);
  const sizes = (batches: string[][]): number[] => batches.map((batch) => batch.length);

  it('is one node at a time when serial, whatever the batch says', () => {
    assert.deepEqual(batchesOf(['a', 'b', 'c'], 'serial', ['100%']), [['a'], ['b'], ['c']]);
  });

  it('is all nodes at once when fast', () => {
    assert.deepEqual(batchesOf(['a', 'b', 'c'], 'fast'), [['a', 'b', 'c']]);
  });

  it('ramps: each entry is the size of the next batch, the last one repeats', () => {
    assert.deepEqual(sizes(batchesOf(ten, 'fast', ['1', '25%', '100%'])), [1, 2, 7]);
    assert.deepEqual(sizes(batchesOf(ten, 'fast', ['1', '3'])), [1, 3, 3, 3]);
    assert.deepEqual(sizes(batchesOf(['a', 'b', 'c'], 'fast', ['1', '50%', '100%'])), [1, 1, 1]);
    assert.deepEqual(
      sizes(batchesOf(ten, 'fast', ['1%'])),
      Array.from({ length: 10 }, () => 1),
    );
  });

  it('has every node once, in order, in batches that are not empty', () => {
    const entry = fc.oneof(
      fc.integer({ min: 1, max: 40 }).map(String),
      fc.integer({ min: 1, max: 100 }).map((percent) => `${String(percent)}%`),
    );
    const batch = fc.option(fc.array(entry, { minLength: 1, maxLength: 5 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string(), { maxLength: 40 }),
        fc.constantFrom('serial', 'fast'),
        batch,
        (list, mode, entries) => {
          const batches = batchesOf(list, mode, entries);
          assert.deepEqual(batches.flat(), list);
          assert.ok(batches.every((each) => each.length > 0));
          if (mode === 'serial') assert.ok(batches.every((each) => each.length === 1));
        },
      ),
    );
  });

  it('ends also with an entry that makes no sense', () => {
    assert.deepEqual(sizes(batchesOf(['a', 'b'], 'fast', ['0', 'x'])), [1, 1]);
    assert.deepEqual(batchesOf(['a', 'b'], 'fast', []), [['a', 'b']]);
  });
});

describe('budgetAllows', () => {
  it('stops when more have failed than allowed', () => {
    assert.deepEqual(budgetAllows({ maxFailures: '0', total: 3, failed: 0, unknown: 0 }), {
      startMore: true,
      exceeded: false,
      allowed: 0,
    });
    assert.deepEqual(budgetAllows({ maxFailures: '0', total: 3, failed: 1, unknown: 0 }), {
      startMore: false,
      exceeded: true,
      allowed: 0,
    });
    assert.deepEqual(budgetAllows({ maxFailures: '1', total: 3, failed: 1, unknown: 0 }), {
      startMore: true,
      exceeded: false,
      allowed: 1,
    });
  });

  it('rounds a percentage down', () => {
    assert.equal(budgetAllows({ maxFailures: '25%', total: 7, failed: 1, unknown: 0 }).exceeded, false);
    assert.equal(budgetAllows({ maxFailures: '25%', total: 7, failed: 2, unknown: 0 }).exceeded, true);
    assert.equal(budgetAllows({ maxFailures: '25%', total: 3, failed: 1, unknown: 0 }).exceeded, true);
  });

  it('counts unknown nodes only when it comes to starting more', () => {
    assert.deepEqual(budgetAllows({ maxFailures: '0', total: 3, failed: 0, unknown: 1 }), {
      startMore: false,
      exceeded: false,
      allowed: 0,
    });
  });

  it('never gets more generous with another failure', () => {
    const maxFailures = fc.oneof(
      fc.nat(20).map(String),
      fc.nat(100).map((percent) => `${String(percent)}%`),
    );
    fc.assert(
      fc.property(maxFailures, fc.nat(30), fc.nat(30), fc.nat(30), (most, total, failed, unknown) => {
        const now = budgetAllows({ maxFailures: most, total, failed, unknown });
        const later = budgetAllows({ maxFailures: most, total, failed: failed + 1, unknown });
        assert.ok(!later.startMore || now.startMore);
        assert.ok(later.exceeded || !now.exceeded);
        assert.ok(!(now.exceeded && now.startMore));
      }),
    );
  });
});
