import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { didYouMean, editDistance, nearest } from '../../../src/base/suggest';

describe('did you mean', () => {
  it('counts inserted, deleted, replaced and swapped letters, not their case', () => {
    const cases: [string, string, number][] = [
      ['serial', 'SERIAL', 0],
      ['serail', 'serial', 1],
      ['seral', 'serial', 1],
      ['serrial', 'serial', 1],
      ['kitten', 'sitting', 3],
      ['', 'abc', 3],
    ];
    for (const [first, second, distance] of cases)
      assert.equal(editDistance(first, second), distance, `${first} ${second}`);
  });

  it('measures the same in both directions, and no more than the longer word', () => {
    const word = fc.string({ maxLength: 20 });
    fc.assert(
      fc.property(word, word, (first, second) => {
        const distance = editDistance(first, second);
        assert.equal(distance, editDistance(second, first));
        assert.ok(distance <= Math.max(first.toLowerCase().length, second.toLowerCase().length));
        assert.equal(editDistance(first, first), 0);
      }),
    );
  });

  it('suggests only what is near', () => {
    assert.equal(nearest('upgarde', ['status', 'upgrade']), 'upgrade');
    assert.equal(nearest('xyz', ['status', 'upgrade']), undefined);
    assert.equal(nearest('a', ['b']), undefined);
    assert.equal(didYouMean('statsu', ['status'], 'otherwise'), 'Did you mean "status"?');
    assert.equal(didYouMean('zzz', ['status'], 'otherwise'), 'otherwise');
  });

  it('bears words of any length', () => {
    assert.equal(nearest('x'.repeat(1_000_000), ['status']), undefined);
  });
});
