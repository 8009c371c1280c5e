import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type SshOptions, evaluate } from '../../../../src/ssh/reach/ssh-config';
import { recordNames } from '../../../../src/ssh/reach/known-hosts';
import { parseJumps, resolveTarget } from '../../../../src/ssh/reach/target';

function read(text: string, host: string, more: Record<string, string> = {}, user?: string): SshOptions {
  const files: Record<string, string> = { config: text, ...more };
  return evaluate(['config'], {
    host,
    user,
    localUser: 'me',
    read: (path) => files[path],
    glob: (pattern) => [pattern],
  });
}

describe('ssh_config', () => {
  it('takes the first value of an option and adds up identity files', () => {
    const text = 'Host a\n Port 1\n IdentityFile one\nHost *\n Port 2\n User u\n IdentityFile two\n IdentityFile one\n';
    assert.deepEqual(read(text, 'a'), { identityfile: ['one', 'two'], port: '1', user: 'u' });
    assert.deepEqual(read(text, 'b'), { identityfile: ['two', 'one'], port: '2', user: 'u' });
  });

  it('understands =, quotes, comments, case and carriage returns', () => {
    const text = '# c\r\nhOsT = "my host" other # end\r\n  HOSTNAME="10.0.0.1"\r\n\tUser = \'a b\'\r\n';
    assert.deepEqual(read(text, 'my host'), { identityfile: [], hostname: '10.0.0.1', user: 'a b' });
  });

  it('honours negated and wildcard patterns', () => {
    const text = 'Host *.org !secret.org\n User u\n';
    assert.equal(read(text, 'a.org').user, 'u');
    assert.equal(read(text, 'secret.org').user, undefined);
  });

  it('never runs Match exec, not even negated, and goes on with the other sections', () => {
    const marker = join(tmpdir(), `clusterlift-match-${String(process.pid)}`);
    const text = `Match exec "touch ${marker}"\n User evil\nMatch !exec "touch ${marker}"\n User evil\nMatch host a exec true\n User evil\nHost a\n User good\n`;
    assert.equal(read(text, 'a').user, 'good');
    assert.throws(() => readFileSync(marker));
  });

  it('evaluates the other criteria of Match', () => {
    const text = [
      'Match originalhost alias',
      ' HostName real.example.org',
      'Match host real.* user root',
      ' Port 1',
      'Match host alias',
      ' Port 2',
      'Match localuser me,you !user nobody',
      ' ProxyJump gate',
      'Match all',
      ' HostKeyAlias k',
      'Match final all',
      ' User never',
    ].join('\n');
    const expected = {
      identityfile: [],
      hostname: 'real.example.org',
      port: '1',
      proxyjump: 'gate',
      hostkeyalias: 'k',
    };
    assert.deepEqual(read(text, 'alias', {}, 'root'), expected);
    assert.equal(read(text, 'other', {}, 'nobody').proxyjump, undefined);
  });

  it('includes files where the section applies, and bounds the depth', () => {
    const text = 'Host a\n Include inner\n Port 9\nHost b\n Port 2\n';
    const inner = 'User u\nHost b\n User never\n';
    assert.deepEqual(read(text, 'a', { inner }), { identityfile: [], user: 'u', port: '9' });
    assert.deepEqual(read(text, 'b', { inner }), { identityfile: [], port: '2' });
    assert.deepEqual(read('Include config\nPort 3\n', 'a'), { identityfile: [], port: '3' });
  });

  it('lets whichever of ProxyJump and ProxyCommand comes first win', () => {
    assert.equal(read('ProxyJump a\nProxyCommand nc %h %p\n', 'x').proxycommand, undefined);
    const command = read('ProxyCommand nc "%h" %p\nProxyJump a\n', 'x');
    assert.deepEqual([command.proxycommand, command.proxyjump], ['nc "%h" %p', undefined]);
  });

  it('never throws, whatever a file holds', () => {
    const word = fc.constantFrom(
      'Host',
      'Match',
      'Include',
      'exec',
      '"',
      "'",
      '\\',
      '*',
      '!',
      '=',
      '#',
      'config',
      'User',
      '\n',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 60 }), (words) => {
        read(words.join(''), 'a');
        read(words.join(' '), 'a');
      }),
    );
  });

  it('reads jump hosts in all their forms', () => {
    const read1 = (text: string): unknown => parseJumps(text, 'x')[0];
    assert.deepEqual(read1('h'), { user: undefined, host: 'h', port: undefined });
    assert.deepEqual(read1('u@h:2222'), { user: 'u', host: 'h', port: 2222 });
    assert.deepEqual(read1('u@x@h'), { user: 'u@x', host: 'h', port: undefined });
    assert.deepEqual(read1('[fe80::1]:22'), { user: undefined, host: 'fe80::1', port: 22 });
    assert.deepEqual(read1('ssh://u@h:1/'), { user: 'u', host: 'h', port: 1 });
    assert.equal(parseJumps('a, b:1,c', 'x').length, 3);
    for (const bad of ['', 'h:x', 'h:99999', 'a b@', 'h:']) {
      assert.throws(() => parseJumps(bad, 'x'), { code: 'ssh-config-invalid' }, bad);
    }
  });

  describe('beside ssh -G', function () {
    let dir = '';
    before(function () {
      if (spawnSync('ssh', ['-V']).error !== undefined) this.skip();
      dir = mkdtempSync(join(tmpdir(), 'clusterlift-config-'));
      mkdirSync(join(dir, '.ssh', 'conf.d'), { recursive: true });
    });
    after(() => {
      if (dir !== '') rmSync(dir, { recursive: true });
    });

    /** What OpenSSH makes of it. Its `~` is the account's, so paths are absolute here. */
    function oracle(file: string, host: string): Map<string, string[]> {
      const { stdout, status, stderr } = spawnSync('ssh', ['-G', '-F', file, host], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const values = new Map<string, string[]>();
      for (const line of stdout.trim().split('\n')) {
        const [key = '', ...rest] = line.split(' ');
        values.set(key, [...(values.get(key) ?? []), rest.join(' ')]);
      }
      return values;
    }

    function compare(text: string, host: string): void {
      const file = join(dir, '.ssh', 'config');
      writeFileSync(file, text, { mode: 0o600 });
      const expected = oracle(file, host);
      const request = { node: host, host, port: undefined, user: undefined, identityFile: undefined };
      const target = resolveTarget(request, { env: { HOME: dir }, configs: [file] });
      assert.equal(target.host, expected.get('hostname')?.[0], text);
      assert.equal(String(target.port), expected.get('port')?.[0], text);
      assert.equal(target.user, expected.get('user')?.[0], text);
      assert.equal(target.identitiesOnly, expected.get('identitiesonly')?.[0] === 'yes', text);
      if (target.identityFiles.length > 0) assert.deepEqual(target.identityFiles, expected.get('identityfile'), text);
      assert.deepEqual(
        target.recordNames,
        recordNames(target.host, target.port, expected.get('hostkeyalias')?.[0]),
        text,
      );
    }

    it('finds the same values in hand-picked files', () => {
      writeFileSync(join(dir, '.ssh', 'conf.d', '10.conf'), 'Host alias\n  Port 2201\n');
      writeFileSync(join(dir, '.ssh', 'conf.d', '20.conf'), 'Host *\n  Port 2202\n  User included\n');
      const include = `Include ${join(dir, '.ssh', 'conf.d')}/*.conf\n`;
      compare(`${include}Host alias\n HostName %h.example.org\n IdentityFile /keys/one\n HostKeyAlias k\n`, 'alias');
      compare(`Host alias\n${include}`, 'other');
      compare(`Host alias\n User "a b"\n IdentitiesOnly yes\n${include}`, 'alias');
      compare('Host=alias\nPort=22\nMatch host alias\nUser=m\n', 'alias');
      compare('IdentityFile /x/y\nUser u#1 # comment\n', 'alias');
    });

    it('finds the same values in any file made of these pieces', function () {
      this.timeout(300_000);
      const host = fc.constantFrom('alias', 'al*', '*', '!alias', '!al*', 'other', '?lias', '"alias"');
      const section = fc.oneof(
        fc.array(host, { minLength: 1, maxLength: 3 }).map((each) => `Host ${each.join(' ')}`),
        fc.constantFrom(
          'Match all',
          'Match host alias',
          'Match !host alias',
          'Match originalhost al*,!other',
          'Match user root',
        ),
      );
      const option = fc.constantFrom(
        'Port 1',
        'Port=2',
        'User a',
        ' user = "b"',
        'HostName h1',
        'HostName %h.x',
        'IdentityFile /k/2',
        'IdentityFile "/k/1"',
        'IdentitiesOnly yes',
        'HostKeyAlias z',
        '# Port 7',
        '',
      );
      fc.assert(
        fc.property(
          fc.array(fc.oneof(section, option, option), { maxLength: 10 }),
          fc.constantFrom('alias', 'other'),
          (lines, name) => {
            compare(`${lines.join('\n')}\n`, name);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
});

describe('the target of a connection', () => {
  const resolve = (text: string, changes: Record<string, unknown> = {}, env: Record<string, string> = {}) => {
    const dir = mkdtempSync(join(tmpdir(), 'clusterlift-target-'));
    try {
      mkdirSync(join(dir, '.ssh'));
      writeFileSync(join(dir, '.ssh', 'config'), text, { mode: 0o600 });
      const request = {
        node: 'n',
        host: 'alias',
        port: undefined,
        user: undefined,
        identityFile: undefined,
        ...changes,
      };
      const files = { env: { HOME: dir, ...env }, configs: [join(dir, '.ssh', 'config')] };
      return { dir, ...resolveTarget(request, files) };
    } finally {
      rmSync(dir, { recursive: true });
    }
  };

  it('lets clusters.json beat ssh_config', () => {
    const text = 'Host alias\n Port 1\n User u\n IdentityFile ~/a\n HostName h\n';
    const target = resolve(text, { port: 2, user: 'v', identityFile: '~/b' });
    assert.deepEqual([target.host, target.port, target.user], ['h', 2, 'v']);
    assert.deepEqual(target.identityFiles, [join(target.dir, 'b')]);
  });

  it('expands ~, tokens and variables in paths', () => {
    const text =
      'Host alias\n HostName %h.org\n Port 7\n User u\n IdentityFile ~/%n-%h-%p-%r-%u-%%\n IdentityFile ${DIR}/%d\n IdentityFile rel\n';
    const target = resolve(text, {}, { DIR: '/keys' });
    const me = userInfo().username;
    const expected = [`${target.dir}/alias-alias.org-7-u-${me}-%`, `/keys/${target.dir}`, `${target.dir}/.ssh/rel`];
    assert.deepEqual(target.identityFiles, expected);
  });

  it('finds the agent by environment and IdentityAgent', () => {
    const env = { SSH_AUTH_SOCK: '/run/agent', OTHER: '/run/other' };
    assert.equal(resolve('', {}, env).agent, '/run/agent');
    assert.equal(resolve('', {}, {}).agent, undefined);
    assert.equal(resolve('IdentityAgent none', {}, env).agent, undefined);
    assert.equal(resolve('IdentityAgent SSH_AUTH_SOCK', {}, env).agent, '/run/agent');
    assert.equal(resolve('IdentityAgent $OTHER', {}, env).agent, '/run/other');
    const target = resolve('IdentityAgent ~/sock', {}, env);
    assert.equal(target.agent, join(target.dir, 'sock'));
  });

  it('names what it cannot expand', () => {
    assert.throws(() => resolve('IdentityFile ~/%q'), { code: 'ssh-config-invalid', message: /%q/ });
    assert.throws(() => resolve('Port many'), { code: 'ssh-config-invalid', message: /many/ });
  });
});
