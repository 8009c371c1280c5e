import { strict as assert } from 'node:assert';
import { parseSigner } from '../../../src/base/signers';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEx release 2026';

describe('a line of trustedSigners', () => {
  it('is a key, with or without a comment, and with limits in front, quoted or not', () => {
    assert.equal(parseSigner(KEY)?.comment, 'release 2026');
    assert.equal(parseSigner('ssh-ed25519 AAAA')?.comment, '');
    const limited = parseSigner(`valid-after="20260101Z",valid-before=202612312359Z ${KEY}`);
    assert.equal(limited?.after, Date.UTC(2026, 0, 1));
    assert.equal(limited.before, Date.UTC(2026, 11, 31, 23, 59));
    assert.equal(limited.comment, 'release 2026');
    assert.equal(parseSigner(`valid-after=20260102030405Z ${KEY}`)?.after, Date.UTC(2026, 0, 2, 3, 4, 5));
  });

  it('takes a time without Z as that of this machine', () => {
    assert.equal(parseSigner(`valid-before=20260701 ${KEY}`)?.before, new Date(2026, 6, 1).getTime());
  });

  it('is none with a day that there is not, a limit twice, limits the wrong way round, or another option', () => {
    for (const options of [
      'valid-after=20260230Z',
      'valid-after=20261301Z',
      'valid-after=2026',
      'valid-after=20260101,valid-after=20260102',
      'valid-after=20260102Z,valid-before=20260101Z',
      'valid-after=20260101Z,cert-authority',
      'cert-authority',
      'namespaces="git"',
    ])
      assert.equal(parseSigner(`${options} ${KEY}`), undefined, options);
    for (const text of ['', 'release', 'ssh-ed25519', `${KEY}\n${KEY}`])
      assert.equal(parseSigner(text), undefined, text);
  });
});
