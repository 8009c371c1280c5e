import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { ClusterliftError, ExitStatus } from '../../../src/base/errors';
import { chooseNewest, digestsNeeded, type Candidate } from '../../../src/package/newest';
import { compareVersions } from '../../../src/package/version';

const at = (path: string, version: string, more: Partial<Candidate> & { product?: string } = {}): Candidate => {
  const { product = 'acme', ...rest } = more;
  return { path, mtime: 0, size: 1000, read: { product, version }, ...rest };
};
const broken = (path: string): Candidate => ({
  ...at(path, ''),
  read: {
    error: new ClusterliftError({
      code: 'package-truncated',
      message: 'It is cut off',
      hint: '',
      exit: ExitStatus.refused,
    }),
  },
});
const acme = (version: string): { product: string; version: string } => ({ product: 'acme', version });

describe('the newest package', () => {
  it('is found by version, not by name or time', () => {
    const choice = chooseNewest(
      [at('z.iso', '9.9', { mtime: 9 }), at('a.iso', '21.10'), at('y.iso', '21.3', { mtime: 5 })],
      undefined,
    );
    assert.equal(choice.candidate.path, 'a.iso');
    assert.match(choice.reason, /^acme 21\.10: the newest of 3 that fit, among 3 images; nothing is installed$/);
  });

  it('is of the installed product, and says what it left out', () => {
    const choice = chooseNewest([at('a', '1.0'), at('b', '9.0', { product: 'other' }), broken('c')], acme('1.0'));
    assert.equal(choice.candidate.path, 'a');
    assert.match(choice.reason, /1\.0 is installed; 1 cannot be used$/);
  });

  it('is never older than what is installed', () => {
    assert.throws(() => chooseNewest([at('a', '23.9'), at('b', '24.0')], acme('24.1')), {
      code: 'no-package-found',
      exit: 3,
      message: /is 24\.0, older than the installed 24\.1/,
    });
    assert.equal(chooseNewest([at('a', '24.1.0')], acme('24.1')).version, '24.1.0');
  });

  it('is not guessed among several products', () => {
    const two = [at('a', '1'), at('b', '2', { product: 'other' })];
    assert.throws(() => chooseNewest(two, undefined), { code: 'package-product-unclear', message: /acme, other/ });
    assert.throws(() => chooseNewest(two, { product: 'third', version: '1' }), {
      code: 'no-package-found',
      message: /third/,
    });
  });

  it('is not guessed between two different images of one version', () => {
    const bySize = [at('a', '24.1', { size: 1 }), at('b', '24.1.0', { size: 2, mtime: 7 }), at('c', '23')];
    assert.throws(() => chooseNewest(bySize, undefined), { code: 'package-tie', exit: 3, message: /b .*a |a .*b / });
    const byDigest = [at('a', '24.1', { sha256: 'x' }), at('b', '24.1', { sha256: 'y' })];
    assert.throws(() => chooseNewest(byDigest, undefined), { code: 'package-tie' });
  });

  it('may lie there twice: then the later copy is taken', () => {
    const same = [at('a', '24.1', { sha256: 'x', mtime: 1 }), at('b', '24.1', { sha256: 'x', mtime: 2 })];
    assert.equal(chooseNewest(same, undefined).candidate.path, 'b');
  });

  it('asks for digests only where they decide', () => {
    const unknown = [at('a', '24.1'), at('b', '24.1'), at('c', '23')];
    assert.deepEqual(
      digestsNeeded(unknown, undefined).map((each) => each.path),
      ['a', 'b'],
    );
    assert.deepEqual(digestsNeeded([at('a', '24.1'), at('c', '23')], undefined), []);
  });

  it('says why there is none', () => {
    assert.throws(() => chooseNewest([], undefined), { code: 'no-package-found', message: 'There is no package' });
    assert.throws(() => chooseNewest([broken('c.iso')], undefined), {
      code: 'no-package-found',
      message: /c\.iso: It is cut off/,
    });
  });

  it('is at least as new as all others, in whatever order they are found', () => {
    const versions = fc.uniqueArray(
      fc.tuple(fc.nat(30), fc.nat(30)).map(([a, b]) => `${String(a)}.${String(b)}`),
      {
        minLength: 1,
        maxLength: 8,
        comparator: (a, b) => compareVersions(a, b) === 0,
      },
    );
    fc.assert(
      fc.property(versions, (all) => {
        const choice = chooseNewest(
          all.map((each) => at(each, each)),
          undefined,
        );
        assert.ok(all.every((each) => compareVersions(each, choice.version) <= 0));
      }),
    );
  });
});
