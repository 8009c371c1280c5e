import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { ageWords, elapsed } from '../../../../src/engine/points/age';
import type { RunEvent } from '../../../../src/engine/journal/events';
import { fold, viewOf } from '../../../../src/engine/journal/view';
import { planOf } from '../plans';

describe('the age of a part', () => {
  it('is the difference of two readings of one boot, and nothing else', () => {
    const time = fc.integer({ min: 0, max: 2 ** 40 });
    const boot = fc.stringMatching(/^[0-9a-f-]{1,36}$/);
    fc.assert(
      fc.property(boot, boot, time, time, (one, other, from, to) => {
        const same = elapsed(`${one} ${String(from)}`, `${one} ${String(to)}`);
        assert.equal(same, to >= from ? to - from : undefined);
        if (one !== other) assert.equal(elapsed(`${one} ${String(from)}`, `${other} ${String(to)}`), undefined);
      }),
    );
  });

  it('is not known without two whole readings, whatever an old journal or a node says', () => {
    for (const bad of [undefined, '', ' ', 'x', 'x y', '7', 12, true, ['a 1'], 'a -1e999'])
      assert.equal(elapsed(bad, 'a 5'), undefined, String(bad));
    for (const bad of ['', 'a', 'a x', 'b 5']) assert.equal(elapsed('a 1', bad), undefined, bad);
  });

  it('is told with its time, also when it is not known', () => {
    assert.equal(ageWords('2026-11-22T20:17:55.000Z', 90_000), '2026-11-22 20:17 UTC, 1m30s ago');
    assert.match(ageWords('2026-11-22T20:17:55.000Z', undefined), /how long ago is not known/);
  });
});

describe('the lives of a run', () => {
  const done = (life: number): RunEvent[] => [
    { type: 'step.started', node: 'a', step: 'backup', lane: 'main', attempt: life + 1 },
    { type: 'step.finished', node: 'a', step: 'backup', lane: 'main', attempt: life + 1, ms: 1, result: 'done' },
  ];
  const resumed: RunEvent = { type: 'run.resumed', host: 'h', pid: 1, epoch: 2 };
  const ended = (outcome: 'stopped' | 'unknown'): RunEvent => ({ type: 'run.finished', outcome, status: 1, nodes: {} });
  const after = (events: readonly RunEvent[]) =>
    events.reduce((view, event) => fold(view, event), viewOf(planOf(['a']), []));

  it('are counted, and a step keeps the one that it began in', () => {
    const view = after([...done(0), resumed, resumed, ...done(2)]);
    assert.equal(view.life, 2);
    assert.equal(view.nodes['a']?.steps[0]?.life, 2);
    assert.equal(after([...done(0), resumed]).nodes['a']?.steps[0]?.life, 0);
  });

  it('know the last one that a person ended', () => {
    assert.equal(after([resumed]).stoppedIn, -1);
    assert.equal(after([ended('unknown'), resumed]).stoppedIn, -1);
    assert.equal(after([resumed, ended('stopped'), resumed]).stoppedIn, 1);
  });

  it('keep the point of all, and the newer ones of single nodes, apart', () => {
    const point = { type: 'point', location: 'l', sha256: 'x' } as const;
    const view = after([
      { ...point, id: 'all', state: 'verified' },
      { ...point, id: 'own', state: 'complete', node: 'a' },
      { type: 'point', location: 'l', id: 'own', state: 'verified', node: 'a' },
      { type: 'point', location: 'l', id: 'next', state: 'creating', node: 'a' },
    ]);
    assert.equal(view.point?.id, 'all');
    assert.deepEqual(view.renewed['a'], { id: 'next', location: 'l', state: 'creating', sha256: undefined });
  });
});
