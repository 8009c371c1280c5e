import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { compareVersions, inRange, parseRange, sameVersion } from '../../../src/package/version';

const sign = (a: string, b: string): number => Math.sign(compareVersions(a, b));

/** Strings that look like versions, and some that do not. */
const version = fc.oneof(
  fc
    .array(
      fc.oneof(fc.nat(30).map(String), fc.constantFrom('.', '.', '-', 'PB', 'rc', '0', '00', 'v', '+', 'x', '~')),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    .map((parts) => parts.join('')),
  fc.string(),
);

describe('product versions', () => {
  it('orders the product line as its releases came out', () => {
    const line = ['9.9', '21.3', '21.10', '24.1', '24.1-PB0', '24.1-PB2', '24.1-PB10', '24.1.1', '24.2'];
    for (const [i, a] of line.entries()) {
      for (const [j, b] of line.entries()) assert.equal(sign(a, b), Math.sign(i - j), `${a} against ${b}`);
    }
  });

  it('holds 24.1, 24.1.0, v24.1 and 24.01 for the same level', () => {
    for (const each of ['24.1.0', '24.1.0.0', 'v24.1', '24.01', ' 24.1 ']) assert.ok(sameVersion('24.1', each), each);
    assert.ok(sameVersion('24.1.0-PB2', '24.1-pb2'));
    assert.ok(!sameVersion('24.1', '24.10'));
  });

  it('compares build numbers beyond what a double holds', () => {
    assert.equal(sign('1.9007199254740993', '1.9007199254740992'), 1);
  });

  it('is reflexive and antisymmetric', () => {
    fc.assert(fc.property(version, (a) => compareVersions(a, a) === 0));
    fc.assert(fc.property(version, version, (a, b) => sign(a, b) === -sign(b, a) || sign(a, b) === 0));
  });

  it('is transitive', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const [x, y, z] = [a, b, c].sort(compareVersions) as [string, string, string];
        assert.ok(compareVersions(x, y) <= 0 && compareVersions(y, z) <= 0 && compareVersions(x, z) <= 0);
        if (compareVersions(x, y) === 0) assert.equal(sign(x, z), sign(y, z));
      }),
      { numRuns: 2000 },
    );
  });

  it('puts every tail after the version without it', () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99), fc.stringMatching(/^[a-z]+[0-9]*$/), (a, b, tail) => {
        const base = `${String(a)}.${String(b)}`;
        assert.equal(sign(base, `${base}-${tail}`), -1);
      }),
    );
  });
});

describe('version ranges', () => {
  const holds = (version: string, range: string): boolean => {
    const parsed = parseRange(range);
    assert.ok(parsed, `${range} is a range`);
    return inRange(version, parsed);
  };

  it('understands bounds separated by blanks or commas', () => {
    for (const range of ['>=23.1 <25', '>=23.1, <25', '>= 23.1,<25', ' >=23.1   < 25 ']) {
      assert.ok(holds('23.1', range), range);
      assert.ok(holds('24.1-PB10', range), range);
      assert.ok(!holds('25.0', range), range);
      assert.ok(!holds('23.0-PB9', range), range);
    }
  });

  it('understands alternatives, exact versions, exclusions and anything', () => {
    assert.ok(holds('21.3.0', '21.3 || >=24'));
    assert.ok(holds('24.2', '=21.3||>=24'));
    assert.ok(!holds('22', '21.3 || >=24'));
    assert.ok(!holds('24.1', '>=23 !=24.1'));
    assert.ok(holds('anything', '*'));
  });

  it('refuses what it would have to guess', () => {
    for (const text of [
      '',
      ' ',
      '23.x',
      '>=',
      '>=a',
      '^23',
      '~23.1',
      '>=23 ||',
      '23 - 25',
      '>=23 and <25',
      ',>=1',
      '>=1,,<2',
    ]) {
      assert.equal(parseRange(text), undefined, text);
    }
  });
});
