import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  fingerprint,
  judge,
  keyTypeOf,
  matchesHost,
  matchesPattern,
  parseKnownHosts,
  recordNames,
  recordedTypes,
} from '../../../../src/ssh/reach/known-hosts';

/** A key blob that names itself by a type. */
function blob(type: string, content: string): Buffer {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.from(content)]);
}

const A = blob('ssh-ed25519', 'key a');
const B = blob('ssh-ed25519', 'key b');
const line = (hosts: string, key: Buffer): string => `${hosts} ${keyTypeOf(key)} ${key.toString('base64')}`;
const verdict = (text: string, host: string, port: number, key: Buffer): string =>
  judge(parseKnownHosts(text, 'known_hosts'), recordNames(host, port), key).kind;

describe('known_hosts', () => {
  it('knows a key by exact name, and another key for that name is changed', () => {
    const text = line('node1,10.0.0.1', A);
    assert.equal(verdict(text, 'node1', 22, A), 'known');
    assert.equal(verdict(text, 'NODE1', 22, A), 'known');
    assert.equal(verdict(text, '10.0.0.1', 22, A), 'known');
    assert.equal(verdict(text, 'node1', 22, B), 'changed');
    assert.equal(verdict(text, 'node2', 22, A), 'unknown');
  });

  it('takes a key of another type for changed: a stranger could choose the type', () => {
    assert.equal(verdict(line('node1', blob('ssh-rsa', 'r')), 'node1', 22, A), 'changed');
  });

  it('knows any of several keys on record', () => {
    assert.equal(verdict(`${line('node1', A)}\n${line('node1', B)}`, 'node1', 22, B), 'known');
  });

  it('keeps ports apart, but a key of the bare name is good on any port', () => {
    assert.equal(verdict(line('[node1]:2222', A), 'node1', 2222, A), 'known');
    assert.equal(verdict(line('[node1]:2222', A), 'node1', 22, A), 'unknown');
    assert.equal(verdict(line('node1', A), 'node1', 2222, A), 'known');
    assert.equal(verdict(line('node1', A), 'node1', 2222, B), 'unknown');
  });

  it('refuses a revoked key whatever else is on record', () => {
    const text = `${line('node1', A)}\n@revoked ${line('*', A)}`;
    assert.equal(verdict(text, 'node1', 22, A), 'revoked');
    assert.equal(verdict(text, 'node1', 22, B), 'changed');
    assert.equal(verdict(`@revoked ${line('other', A)}`, 'node1', 22, A), 'unknown');
  });

  it('does not take the key of a certificate authority for a host key', () => {
    assert.deepEqual(judge(parseKnownHosts(`@cert-authority ${line('*', A)}`, 'f'), recordNames('node1', 22), A), {
      kind: 'unknown',
      certificateAuthority: true,
    });
  });

  it('leaves out comments, unknown markers and broken lines, and tells the line number', () => {
    const text = `# comment\n\n  \nbroken\nnode1 ssh-ed25519 not*base64\n@new ${line('node1', B)}\n  ${line('node1', A)} comment`;
    assert.deepEqual(
      parseKnownHosts(text, 'f').map((each) => each.line),
      [7],
    );
  });

  it('lists the key types on record, also for the bare name', () => {
    const text = [line('[node1]:2222', blob('ssh-rsa', 'r')), line('node1', A), `@revoked ${line('node1', B)}`].join(
      '\n',
    );
    assert.deepEqual(recordedTypes(parseKnownHosts(text, 'f'), recordNames('node1', 2222)), ['ssh-rsa', 'ssh-ed25519']);
  });

  it('lets a negated pattern rule a host out', () => {
    assert.equal(matchesHost('*.example.org,!bad.example.org', 'good.example.org'), true);
    assert.equal(matchesHost('!bad.example.org,*.example.org', 'bad.example.org'), false);
    assert.equal(matchesHost('!other', 'node1'), false);
  });

  it('matches patterns as a naive matcher does, in linear time', () => {
    const naive = (pattern: string, text: string): boolean =>
      new RegExp(`^${Array.from(pattern, (c) => (c === '*' ? '.*' : c === '?' ? '.' : `\\${c}`)).join('')}$`).test(
        text,
      );
    const text = fc.string({ unit: fc.constantFrom('.', '-', '['), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('.', '-', '*', '?'), maxLength: 8 });
    fc.assert(fc.property(pattern, text, (p, t) => matchesPattern(p, t) === naive(p, t)));
    assert.equal(matchesPattern('*a'.repeat(50), 'a'.repeat(5000)), true);
    assert.equal(matchesPattern(`${'*a'.repeat(50)}b`, 'a'.repeat(5000)), false);
  });

  it('never throws, whatever a file holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.uint8Array(), (text, key) => {
        const names = recordNames('node1', 2222);
        judge(parseKnownHosts(text, 'f'), names, key);
        judge(parseKnownHosts(`|1|${text} ssh-rsa AAAA`, 'f'), names, key);
        keyTypeOf(key);
      }),
    );
  });

  describe('beside ssh-keygen', function () {
    let dir = '';
    before(function () {
      if (spawnSync('ssh-keygen', ['-?']).error !== undefined) this.skip();
      dir = mkdtempSync(join(tmpdir(), 'clusterlift-known-'));
    });
    after(() => {
      if (dir !== '') rmSync(dir, { recursive: true });
    });

    it('finds the same hosts, plain and hashed', () => {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(dir, 'key')]);
      const key = readFileSync(join(dir, 'key.pub'), 'utf8').trim();
      const file = join(dir, 'known_hosts');
      const lines = ['node1', '[node2]:2222', 'a.example.org,10.0.0.7', '*.wild.org,!no.wild.org'].map(
        (each) => `${each} ${key}`,
      );
      writeFileSync(file, `${lines.join('\n')}\n`);
      const names: [string, number][] = [
        ['node1', 22],
        ['node2', 22],
        ['node2', 2222],
        ['A.example.org', 22],
        ['10.0.0.7', 22],
        ['yes.wild.org', 22],
        ['no.wild.org', 22],
      ];
      const compare = (): void => {
        const records = parseKnownHosts(readFileSync(file, 'utf8'), file);
        for (const [host, port] of names) {
          const found = spawnSync('ssh-keygen', ['-F', recordNames(host, port).exact, '-f', file]).status === 0;
          assert.equal(
            records.some((each) => matchesHost(each.hosts, recordNames(host, port).exact)),
            found,
            `${host} ${String(port)}`,
          );
        }
      };
      compare();
      execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
      assert.match(readFileSync(file, 'utf8'), /^\|1\|/m);
      compare();
      const shown = execFileSync('ssh-keygen', ['-lf', join(dir, 'key.pub')], { encoding: 'utf8' }).split(' ')[1];
      assert.equal(fingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64')), shown);
    });
  });
});
