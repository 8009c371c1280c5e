import { strict as assert } from 'node:assert';
import { signatureWords, type Trust } from '../../../src/terminal/package-info';
import type { PackageInfo } from '../../../src/package/inspect';
import type { SignatureReport } from '../../../src/package/inspect-signature';

const INFO = { hasSums: true, hasSignature: true } as PackageInfo;
const KEY = 'SHA256:uNiVztksCsDhcc0u9e8BrrrZ';
const NOBODY: Trust = { cluster: undefined, trusted: [], revoked: [] };
const PROD: Trust = { cluster: 'prod', trusted: ['ssh-ed25519 AAAA'], revoked: [] };

describe('what package inspect says of a signature', () => {
  const said = (report: SignatureReport, trust: Trust = PROD): string => signatureWords(INFO, report, trust);
  const by = { name: 'release', fingerprint: KEY };

  it('names who signed, and whether that counts here', () => {
    const stranger = { name: KEY, fingerprint: KEY, state: 'unknown' } as const;
    assert.equal(said(stranger, NOBODY), `SHA256SUMS, signed by ${KEY}, not a trusted signer`);
    assert.equal(said(stranger), `SHA256SUMS, signed by ${KEY}, not a trusted signer of prod`);
    assert.match(said({ ...by, state: 'trusted' }), /signed by release \(SHA256:.*\), a trusted signer of prod;/);
    assert.match(said({ ...by, state: 'expired', limit: 0 }), /only until 1970-01-01 00:00 UTC$/);
    assert.match(said({ ...by, state: 'early', limit: 0 }), /only from 1970-01-01/);
    assert.match(said({ ...by, state: 'revoked' }), /but the key is revoked$/);
  });

  it('never says signed of a signature that is no good, or of none', () => {
    assert.equal(said({ state: 'none' }), 'SHA256SUMS, not signed');
    assert.equal(signatureWords({ ...INFO, hasSums: false }, { state: 'none' }, PROD), 'not included');
    const bad = said({ state: 'invalid', why: 'it does not fit the file' });
    assert.equal(bad, 'SHA256SUMS; invalid signature: it does not fit the file');
  });
});
