import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { hasCode } from '../../../../src/base/errors';
import { planClean } from '../../../../src/backup/points/retention';
import type { PointState } from '../../../../src/backup/points/state';
import type { ListedPoint } from '../../../../src/backup/points/store';
import { samplePoint } from '../sample';

const NOW = new Date('2026-11-22T20:00:00Z');

function point(day: number, kind: PointState['kind'], cluster = 'staging'): ListedPoint {
  const two = String(day).padStart(2, '0');
  const state: PointState =
    kind === 'broken' ? { kind, reason: 'x' } : kind === 'incomplete' ? { kind, nodes: ['n2'] } : { kind };
  return {
    id: `202611${two}T120000Z-${cluster}-000000`,
    cluster,
    created: `2026-11-${two}T12:00:00.000Z`,
    state,
    point: undefined,
    sha256: undefined,
    status: undefined,
    bytes: 1,
  };
}

function removed(points: ListedPoint[], keep: number, used: string[] = []): number[] {
  const plan = planClean(points, { cluster: 'staging', keep, used: new Set(used), runs: new Set(), now: NOW });
  assert.equal(plan.keep.length + plan.remove.length, points.filter((each) => each.cluster === 'staging').length);
  return plan.remove.map((each) => Number(each.id.slice(6, 8)));
}

describe('cleaning a location', () => {
  it('keeps the newest and removes the older ones, oldest first', () => {
    assert.deepEqual(
      removed([point(3, 'verified'), point(1, 'verified'), point(2, 'complete'), point(4, 'verified')], 2),
      [1, 2],
    );
  });

  it('never removes the last verified one, however old it is', () => {
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'complete'), point(3, 'complete')], 1), [2]);
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'verified'), point(3, 'complete')], 1), [1]);
  });

  it('never removes a point that an open run refers to', () => {
    const points = [point(1, 'verified'), point(2, 'verified'), point(3, 'verified')];
    assert.deepEqual(removed(points, 1, [points[0]?.id ?? '']), [2]);
  });

  it('does not count points that were made before a restore, and keeps those of the last three restores', () => {
    const before = (day: number, run: string, kind: PointState['kind'] = 'verified'): ListedPoint => ({
      ...point(day, kind),
      point: samplePoint(['n1'], { run, reason: 'restore', before: samplePoint([]).id }),
    });
    const restores = [before(5, 'a'), before(6, 'b'), before(7, 'c'), before(8, 'c'), before(9, 'd')];
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'verified'), ...restores], 1), [1, 5]);
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'verified'), ...restores], 9), [5]);
    // The last verified backup is not one of them.
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'complete'), ...restores.slice(-1)], 1), []);
    assert.deepEqual(removed([point(1, 'verified'), before(2, 'a', 'broken')], 1), [2]);
  });

  it('counts the points of one run as one backup, which is kept or removed as a whole', () => {
    const ofRun = (day: number, run: string): ListedPoint => ({
      ...point(day, 'verified'),
      point: samplePoint(['n1'], { run }),
    });
    const points = [ofRun(1, 'a'), ofRun(2, 'a'), ofRun(3, 'b'), ofRun(4, 'b'), ofRun(5, 'b'), ofRun(6, 'c')];
    assert.deepEqual(removed(points, 3), []);
    assert.deepEqual(removed(points, 2), [1, 2]);
    assert.deepEqual(removed(points, 1), [1, 2, 3, 4, 5]);
    assert.deepEqual(removed(points.slice(2), 1), [3, 4, 5]);
  });

  it('counts no broken point, and removes it when a verified one is there', () => {
    assert.deepEqual(removed([point(1, 'verified'), point(2, 'broken'), point(3, 'broken')], 1), [2, 3]);
    assert.deepEqual(removed([point(2, 'broken'), point(3, 'broken')], 1), []);
  });

  it('leaves alone what it cannot judge: nodes that are away, and what may be in the making', () => {
    assert.deepEqual(
      removed([point(1, 'incomplete'), point(22, 'creating'), point(3, 'creating'), point(5, 'verified')], 1),
      [3],
    );
  });

  it('leaves other clusters alone', () => {
    assert.deepEqual(
      removed([point(1, 'verified', 'other'), point(2, 'verified', 'other'), point(3, 'verified')], 1),
      [],
    );
  });

  it('wants to keep at least one', () => {
    for (const keep of [0, -1, 1.5, NaN])
      assert.throws(
        () => removed([], keep),
        (error) => hasCode(error, 'keep-number'),
      );
  });

  it('never leaves a cluster without its last verified point, or with fewer usable ones than asked', () => {
    const kinds = fc.constantFrom<PointState['kind']>('creating', 'complete', 'verified', 'broken', 'incomplete');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 22 }), kinds), { selector: ([day]) => day }),
        fc.integer({ min: 1, max: 5 }),
        (all, keep) => {
          const points = all.map(([day, kind]) => point(day, kind));
          const gone = new Set(removed(points, keep));
          const left = points.filter((each) => !gone.has(Number(each.id.slice(6, 8))));
          const count = (list: ListedPoint[], ...of: string[]): number =>
            list.filter((each) => of.includes(each.state.kind)).length;
          assert.equal(count(left, 'verified') > 0, count(points, 'verified') > 0);
          assert.ok(count(left, 'verified', 'complete') >= Math.min(keep, count(points, 'verified', 'complete')));
        },
      ),
    );
  });
});
