import { strict as assert } from 'node:assert';
import { merge, type Seen } from '../../../../src/backup/points/found';
import { encode, type Part } from '../../../../src/backup/points/point';
import { describeState } from '../../../../src/backup/points/state';
import { samplePoint } from '../sample';

const point = samplePoint(['n1', 'n2']);
const { id } = point;

function seenOn(node: string, parts: Seen['parts'] = [{ name: `${node}.tar.gz`, bytes: 1234 }]): Seen {
  return { id, node, point: encode(point).text, parts };
}

function states(seen: readonly Seen[], asked: readonly Seen['node'][]): string[] {
  return merge(seen, asked).map(({ state }) => describeState(state));
}

describe('restore points as they are found', () => {
  it('are complete when each node has its part', () => {
    assert.deepEqual(states([seenOn('n1'), seenOn('n2')], ['n1', 'n2']), ['complete']);
  });

  it('are broken when a node that answers has nothing of its part, incomplete when it does not answer', () => {
    assert.deepEqual(states([seenOn('n1')], ['n1', 'n2']), ['broken (the part of n2 is missing)']);
    assert.deepEqual(states([seenOn('n1')], ['n1']), ['incomplete (n2 unreachable)']);
  });

  it('are broken when the snapshot of a part is gone', () => {
    const snapshot = 'ab'.repeat(32);
    const [part] = Object.values(point.nodes) as [Part];
    const own: Part = { ...part, data: { kind: 'restic', snapshot, bytes: 7 } };
    const text = encode({ ...point, nodes: { n1: own } }).text;
    const found = (name: string): string[] =>
      states([{ id, node: 'n1', point: text, parts: [{ name, bytes: undefined }] }], ['n1']);
    assert.deepEqual(found(snapshot), ['complete']);
    assert.deepEqual(found('cd'.repeat(32)), ['broken (the part of n1 is missing)']);
  });
});
