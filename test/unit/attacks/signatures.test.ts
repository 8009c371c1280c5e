import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { verifySignature } from '../../../src/package/signature';
import { parseSums } from '../../../src/package/sums';
import type { ErrorCode } from '../../../src/base/catalogue';

/** Attacks on what vouches for a package. Each signature is made by ssh-keygen, then changed. */
describe('attacks on a signature', function () {
  this.timeout(120_000);
  const MESSAGE = Buffer.from('a list of digests\n');
  let dir = '';
  before(function () {
    if (spawnSync('ssh-keygen', ['-?']).error !== undefined) this.skip();
    dir = mkdtempSync(join(tmpdir(), 'clusterlift-attacks-'));
    for (const [name, ...type] of KEYS) keygen(name, ...type);
  });
  after(() => {
    if (dir !== '') rmSync(dir, { recursive: true });
  });

  const KEYS = [
    ['ed25519', '-t', 'ed25519'],
    ['ecdsa', '-t', 'ecdsa', '-b', '384'],
    ['rsa', '-t', 'rsa', '-b', '2048'],
    ['short', '-t', 'rsa', '-b', '1024'],
    ['stranger', '-t', 'ed25519'],
  ] as const;
  function keygen(name: string, ...type: string[]): void {
    execFileSync('ssh-keygen', ['-q', '-N', '', '-C', `${name} key`, ...type, '-f', join(dir, name)]);
  }
  const publicKey = (name: string): string => readFileSync(join(dir, `${name}.pub`), 'utf8').trim();
  function sign(name: string, message = MESSAGE, namespace = 'clusterlift', ...more: string[]): string {
    const file = join(dir, 'message');
    writeFileSync(file, message);
    rmSync(`${file}.sig`, { force: true });
    execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, ...more, '-f', join(dir, name), file], {
      stdio: 'ignore',
    });
    return readFileSync(`${file}.sig`, 'utf8');
  }
  const blob = (signature: string): Buffer =>
    Buffer.from(signature.replace(/-----[A-Z ]+-----/g, '').replace(/\s/g, ''), 'base64');
  const armour = (bytes: Uint8Array): string =>
    `-----BEGIN SSH SIGNATURE-----\n${Buffer.from(bytes).toString('base64')}\n-----END SSH SIGNATURE-----\n`;
  /** The blob with one text in place of another of the same length. */
  const patched = (signature: string, from: string, to: string): string =>
    armour(Buffer.from(blob(signature).toString('latin1').replace(from, to), 'latin1'));
  function refused(signature: string, trusted: readonly string[], code: ErrorCode, message = MESSAGE): void {
    assert.throws(
      () => verifySignature(message, signature, { trusted, revoked: [] }),
      (error) => hasCode(error, code),
    );
  }

  for (const name of ['ed25519', 'ecdsa', 'rsa']) {
    it(`of ${name}: the genuine one is good, so that the next ones fail for the right reason`, () => {
      assert.equal(
        verifySignature(MESSAGE, sign(name), { trusted: [publicKey(name)], revoked: [] }).name,
        `${name} key`,
      );
    });
    it(`of ${name}: another message is refused`, () => {
      refused(sign(name), [publicKey(name)], 'signature-invalid', Buffer.from('another list\n'));
    });
    it(`of ${name}: the key of a stranger is refused`, () => {
      refused(sign('stranger'), [publicKey(name)], 'signature-untrusted');
    });
    for (const namespace of ['git', 'file'])
      it(`of ${name}: one made for ${namespace} is refused`, () => {
        refused(sign(name, MESSAGE, namespace), [publicKey(name)], 'signature-invalid');
      });
    it(`of ${name}: a namespace that was patched afterwards is refused`, () => {
      const other = sign(name, MESSAGE, 'clusterlifx');
      refused(patched(other, 'clusterlifx', 'clusterlift'), [publicKey(name)], 'signature-invalid');
    });
    it(`of ${name}: another hash than the one that was signed is refused`, () => {
      refused(patched(sign(name), 'sha512', 'sha256'), [publicKey(name)], 'signature-invalid');
    });
    it(`of ${name}: cut off anywhere, it is refused`, () => {
      const whole = blob(sign(name));
      for (let length = 0; length < whole.length; length += 7)
        refused(armour(whole.subarray(0, length)), [publicKey(name)], 'signature-invalid');
    });
    it(`of ${name}: one changed bit anywhere is refused`, () => {
      const whole = blob(sign(name));
      for (let at = 0; at < whole.length; at += 5) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ 1;
        assert.throws(() => verifySignature(MESSAGE, armour(changed), { trusted: [publicKey(name)], revoked: [] }));
      }
    });
  }

  it('of an RSA key of 1024 bits, also a trusted one, is refused', () => {
    refused(sign('short'), [publicKey('short')], 'signature-invalid');
  });
  it('with no trusted line, an empty one, or garbage, trusts nobody', () => {
    for (const trusted of [[], [''], ['# comment'], ['ssh-ed25519'], ['ssh-ed25519 AAAA'], ['a b c']])
      refused(sign('ed25519'), trusted, 'signature-untrusted');
  });
  it('that is not one is refused', () => {
    for (const text of ['', 'garbage', '-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----', armour(MESSAGE)])
      refused(text, [publicKey('ed25519')], 'signature-invalid');
  });
  it('with text before or after its armour is refused', () => {
    const genuine = sign('ed25519');
    refused(`more\n${genuine}`, [publicKey('ed25519')], 'signature-invalid');
    refused(`${genuine}\nmore`, [publicKey('ed25519')], 'signature-invalid');
  });
});

describe('attacks on SHA256SUMS', () => {
  const digest = 'a'.repeat(64);
  const ATTACKS: readonly [string, string][] = [
    ['an absolute name', `${digest}  /etc/passwd`],
    ['a name that climbs', `${digest}  ../etc/passwd`],
    ['a name that climbs in the middle', `${digest}  bin/../../etc/passwd`],
    ['a name of this directory', `${digest}  bin/./x`],
    ['an empty part', `${digest}  bin//x`],
    ['a short digest', `${'a'.repeat(63)}  x`],
    ['a digest of another alphabet', `${'g'.repeat(64)}  x`],
    ['two digests of one file', `${digest}  x\n${'b'.repeat(64)}  x`],
    ['two digests of one file by two spellings', `${digest}  x\n${'b'.repeat(64)}  ./x`],
    ['an absolute name behind a dot', `${digest}  .//etc/passwd/../x`],
  ];
  for (const [title, text] of ATTACKS)
    it(`refuses ${title}`, () => {
      assert.throws(
        () => parseSums(`${text}\n`),
        (error) => hasCode(error, 'sums-invalid'),
      );
    });
  it('takes __proto__ and constructor for names of files', () => {
    const sums = parseSums(`${digest}  __proto__\n${digest}  constructor\n`);
    assert.deepEqual([...sums.keys()], ['__proto__', 'constructor']);
    assert.equal(sums.get('toString'), undefined);
  });
});
