import { strict as assert } from 'node:assert';
import { generateKeyPairSync } from 'node:crypto';
import { utils } from 'ssh2';
import { algorithmsFor, oldAmong, rsaBitsOf } from '../../../../src/ssh/reach/algorithms';
import { type SshOptions, evaluate } from '../../../../src/ssh/reach/ssh-config';

const OLD = /sha1|cbc|^ssh-rsa$|md5|arcfour|ssh-dss/;

/** What the text of an ssh_config file says about the host `old`. */
const said = (text: string): SshOptions =>
  evaluate(['f'], { host: 'old', user: undefined, localUser: 'me', read: () => text, glob: () => [] });
const both = (text: string): ReturnType<typeof algorithmsFor> => algorithmsFor(said(text), said(text));

describe('SSH algorithms', () => {
  it('offer nothing with SHA-1, CBC or short RSA keys by default', () => {
    const { kex, cipher, hmac, serverHostKey, rsaBits, sha1Logins } = both('');
    assert.deepEqual(
      [...kex, ...cipher, ...hmac, ...serverHostKey].filter((each) => OLD.test(each)),
      [],
    );
    assert.equal(rsaBits, 2048);
    assert.equal(sha1Logins, false);
  });

  it('take an old one only where the own ssh_config names it for the host', () => {
    const text = 'Host old\n MACs +hmac-sha1\n HostKeyAlgorithms +ssh-rsa\n PubkeyAcceptedKeyTypes +ssh-rsa\n';
    const own = both(
      `${text} Ciphers aes128-cbc\n KexAlgorithms ^diffie-hellman-group14-sha1\n RequiredRSASize 1024\n`,
    );
    assert.equal(own.hmac.at(-1), 'hmac-sha1');
    assert.equal(own.serverHostKey.at(-1), 'ssh-rsa');
    assert.deepEqual(own.cipher, ['aes128-cbc']);
    assert.equal(own.kex[0], 'diffie-hellman-group14-sha1');
    assert.equal(own.rsaBits, 1024);
    assert.equal(own.sha1Logins, true);
    assert.deepEqual(both(text.replace('Host old', 'Host other')), both(''));
    assert.deepEqual(algorithmsFor(said(text), said('')), both(''));
  });

  it('honour a list that leaves some out, by name and wildcard, also of the system', () => {
    assert.deepEqual(algorithmsFor(said('Ciphers -*-ctr'), said('')).cipher, [
      'aes128-gcm@openssh.com',
      'aes256-gcm@openssh.com',
    ]);
    assert.deepEqual(both('MACs hmac-sha2-512,hmac-sha2-256').hmac, ['hmac-sha2-512', 'hmac-sha2-256']);
    assert.equal(both('RequiredRSASize 3072').rsaBits, 3072);
    assert.equal(both('RequiredRSASize 512').rsaBits, 1024);
    assert.equal(both('RequiredRSASize many').rsaBits, 2048);
  });

  it('keep the usual ones where a list leaves nothing that we have', () => {
    assert.deepEqual(both('Ciphers chacha20-poly1305@openssh.com'), both(''));
  });

  it('name the old ones that a connection uses', () => {
    const side = { cipher: 'aes128-ctr', mac: 'hmac-sha1', compress: 'none', lang: '' };
    const negotiated = { kex: 'curve25519-sha256', serverHostKey: 'ssh-rsa', cs: side, sc: side };
    assert.deepEqual(oldAmong(negotiated as unknown as Parameters<typeof oldAmong>[0]), ['ssh-rsa', 'hmac-sha1']);
  });

  it('count the bits of an RSA key, and of no other', () => {
    for (const modulusLength of [1024, 2047, 2048, 3072]) {
      const { privateKey } = generateKeyPairSync('rsa', {
        modulusLength,
        publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      });
      const key = utils.parseKey(privateKey);
      assert.ok(!(key instanceof Error) && !Array.isArray(key));
      assert.equal(rsaBitsOf(key.getPublicSSH()), modulusLength);
    }
    assert.equal(rsaBitsOf(Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x01a', 'latin1')), undefined);
    assert.equal(rsaBitsOf(Buffer.from('\0\0\0\x07ssh-rsa\0\0', 'latin1')), undefined);
  });
});
