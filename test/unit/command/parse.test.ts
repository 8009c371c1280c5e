import { strict as assert } from 'node:assert';
import { ClusterliftError } from '../../../src/base/errors';
import type { Command } from '../../../src/command/command';
import { parseCommand } from '../../../src/command/parse';

const SHA = 'ab'.repeat(32);

function parse(line: string): Command {
  return parseCommand(line.split(' ').filter((word) => word !== ''));
}

/** `code: hint` of a command line that is refused. */
function refusal(line: string | readonly string[]): string {
  try {
    parseCommand(typeof line === 'string' ? line.split(' ') : line);
  } catch (error) {
    assert.ok(error instanceof ClusterliftError);
    assert.equal(error.exit, 2);
    return `${error.code}: ${error.hint}`;
  }
  return 'accepted';
}

describe('the documented commands', () => {
  const upgrades: [line: string, expected: Omit<Extract<Command, { kind: 'upgrade' }>, 'kind' | 'options'>][] = [
    ['upgrade', {}],
    ['cluster upgrade', {}],
    ['cluster upgrade myfile.iso', { package: 'myfile.iso' }],
    ['upgrade myfile.iso', { package: 'myfile.iso' }],
    ['cluster upgrade http://myserver/path/myfile.iso', { package: 'http://myserver/path/myfile.iso' }],
    ['cluster upgrade myfile.iso serial', { package: 'myfile.iso', mode: 'serial' }],
    ['cluster upgrade myfile.iso backup none fast', { package: 'myfile.iso', mode: 'fast', backup: 'none' }],
    ['cluster upgrade myfile.iso fast backup None', { package: 'myfile.iso', mode: 'fast', backup: 'none' }],
    ['cluster upgrade myfile.iso backup NONE', { package: 'myfile.iso', backup: 'none' }],
    ['cluster upgrade myfile.iso backup nightly serial', { package: 'myfile.iso', mode: 'serial', backup: 'nightly' }],
    ['upgrade serial', { mode: 'serial' }],
    ['upgrade backup nightly', { backup: 'nightly' }],
    ['upgrade backup serial', { backup: 'serial' }],
    ['upgrade ./serial', { package: './serial' }],
    ['upgrade ./serial serial', { package: './serial', mode: 'serial' }],
    ['upgrade node:/srv/a.iso', { package: 'node:/srv/a.iso' }],
    ['upgrade /home/platform/media/a.iso', { package: '/home/platform/media/a.iso' }],
    ['upgrade serial a.iso', { package: 'a.iso', mode: 'serial' }],
  ];
  for (const [line, expected] of upgrades) {
    it(`understands: ${line}`, () => {
      assert.deepEqual(parse(line), { kind: 'upgrade', ...expected, options: {} });
    });
  }

  const others: [line: string, expected: object][] = [
    ['status', { kind: 'status' }],
    ['cluster status', { kind: 'status' }],
    ['check', { kind: 'check' }],
    ['check a.iso', { kind: 'check', package: 'a.iso' }],
    ['check serial', { kind: 'check', package: 'serial' }],
    ['provision', { kind: 'provision' }],
    ['provision serial', { kind: 'provision', mode: 'serial' }],
    ['backup add nightly sftp://u@h/x', { kind: 'backup-add', name: 'nightly', uri: 'sftp://u@h/x' }],
    ['cluster backup add nightly file:///x', { kind: 'backup-add', name: 'nightly', uri: 'file:///x' }],
    ['backup remove nightly', { kind: 'backup-remove', name: 'nightly' }],
    ['backup list', { kind: 'backup-list' }],
    ['backup list nightly', { kind: 'backup-list', location: 'nightly' }],
    ['backup create nightly', { kind: 'backup-create', location: 'nightly' }],
    ['backup verify p1', { kind: 'backup-verify', point: 'p1' }],
    ['backup restore p1', { kind: 'backup-restore', point: 'p1' }],
    ['backup clean nightly keep 3', { kind: 'backup-clean', location: 'nightly', keep: 3 }],
    ['backup clean keep keep 3', { kind: 'backup-clean', location: 'keep', keep: 3 }],
    ['package inspect a.iso', { kind: 'package-inspect', package: 'a.iso' }],
    ['runs', { kind: 'runs' }],
    ['runs r1', { kind: 'runs', run: 'r1' }],
    ['runs abandon r1', { kind: 'runs-abandon', run: 'r1' }],
    ['attach', { kind: 'attach' }],
    ['resume r1', { kind: 'resume', run: 'r1' }],
    ['stop', { kind: 'stop' }],
    ['unlock --reason gone', { kind: 'unlock', options: { reason: 'gone' } }],
    ['version', { kind: 'version' }],
    ['--version', { kind: 'version' }],
    ['completion zsh', { kind: 'completion', shell: 'zsh' }],
    ['', { kind: 'help' }],
    ['cluster', { kind: 'help' }],
    ['help', { kind: 'help' }],
    ['--help', { kind: 'help' }],
    ['help upgrade', { kind: 'help', topic: 'upgrade' }],
    ['help backup', { kind: 'help', topic: 'backup' }],
    ['help backup add', { kind: 'help', topic: 'backup add' }],
    ['upgrade --help', { kind: 'help', topic: 'upgrade' }],
    ['backup -h', { kind: 'help', topic: 'backup' }],
    ['backup restore p1 --what -h', { kind: 'help', topic: 'backup restore' }],
    ['nonsense -h', { kind: 'help' }],
  ];
  for (const [line, expected] of others) {
    it(`understands: ${line === '' ? '(nothing)' : line}`, () => {
      assert.deepEqual(parse(line), { options: {}, ...expected });
    });
  }
});

describe('the options', () => {
  it('stand anywhere, with a space or with =', () => {
    const expected = { kind: 'upgrade', package: 'a.iso', mode: 'serial', options: { cluster: 'x', yes: true } };
    assert.deepEqual(parse('--cluster x upgrade a.iso --yes serial'), expected);
    assert.deepEqual(parse('upgrade a.iso serial --yes --cluster=x'), expected);
  });

  it('read every value as what it is', () => {
    const line = [
      'upgrade --cluster c --config f --nodes a,b --batch 1,25%,100% --max-failures 10% --on-failure rollback',
      `--sha256 ${SHA.toUpperCase()} --dry-run --override same-version --override downgrade=n3 --fetch primary`,
      '--distribution relay --limit-rate 10MiB --give-up 1h30m --json --yes --confirm c --accept-new-host-keys',
    ].join(' ');
    assert.deepEqual(parse(line).options, {
      cluster: 'c',
      config: 'f',
      nodes: ['a', 'b'],
      batch: ['1', '25%', '100%'],
      maxFailures: '10%',
      onFailure: 'rollback',
      sha256: SHA,
      dryRun: true,
      override: ['same-version', 'downgrade=n3'],
      fetch: 'primary',
      distribution: 'relay',
      limitRate: 10 * 1024 * 1024,
      giveUp: 5_400_000,
      json: true,
      yes: true,
      confirm: 'c',
      acceptNewHostKeys: true,
    });
  });

  it('take decisions about unknown steps, one for each node', () => {
    assert.deepEqual(parse('resume --from-nodes --decide n1=done --decide n2=retry').options, {
      fromNodes: true,
      decide: [
        { node: 'n1', answer: 'done' },
        { node: 'n2', answer: 'retry' },
      ],
    });
  });

  it('end at --, so that a file may start with a dash', () => {
    assert.deepEqual(parse('upgrade --yes -- -odd.iso serial'), {
      kind: 'upgrade',
      package: '-odd.iso',
      mode: 'serial',
      options: { yes: true },
    });
  });
});

describe('a wrong command line', () => {
  const wrong: [line: string, expected: RegExp][] = [
    ['upgarde', /^usage-unknown-command: Did you mean "upgrade"\?$/],
    ['restore p1', /^usage-unknown-command: Did you mean "backup restore"\?$/],
    ['my.iso', /^usage-unknown-command: A package is upgraded with: clusterlift upgrade/],
    ['xyzzy', /^usage-unknown-command: See: clusterlift help\.$/],
    ['backup', /^usage-missing-word: Write one of: backup add, backup remove/],
    ['backup ad x file:///y', /^usage-unknown-command: Did you mean "backup add"\?$/],
    ['backup nightly', /^usage-unknown-command: Write one of/],
    ['help upgrad', /^usage-unknown-command: Did you mean "upgrade"\?$/],
    ['upgrade serail', /^usage-unknown-word: Did you mean "serial"\? If it is a file, write \.\/serail\.$/],
    ['upgrade SERIAL', /^usage-unknown-word: Did you mean "serial"/],
    ['upgrade a.iso serail', /^usage-unexpected-word: Did you mean "serial"/],
    ['upgrade a.iso b.iso', /^usage-unexpected-word/],
    ['upgrade a.iso serial fast', /^usage-conflict/],
    ['upgrade a.iso serial serial', /^usage-duplicate-word/],
    ['upgrade a.iso backup', /^usage-missing-word: Write backup <location>\|none\.$/],
    ['upgrade a.iso backup a backup b', /^usage-duplicate-word/],
    ['upgrade ftp://host/a.iso', /^usage-bad-value/],
    ['upgrade http://', /^usage-bad-value/],
    ['upgrade node:', /^usage-bad-value/],
    ['upgrade --clutser x', /^usage-unknown-option: Did you mean "--cluster"\?$/],
    ['upgrade -y', /^usage-unknown-option/],
    ['upgrade --cluster', /^usage-missing-value/],
    ['upgrade --cluster --yes', /^usage-missing-value: Write --cluster NAME\. A value that starts with "-"/],
    ['upgrade --yes=no', /^usage-unexpected-value/],
    ['upgrade --ask --yes', /^usage-conflict/],
    ['upgrade --confirm x --ask', /^usage-conflict/],
    ['upgrade --yes --yes', /^usage-duplicate-option/],
    ['upgrade --cluster a --cluster a', /^usage-duplicate-option/],
    ['upgrade --override x --override x', /^usage-duplicate-option/],
    ['upgrade --override X!', /^usage-bad-value/],
    ['upgrade --override downgrade=', /^usage-bad-value/],
    ['upgrade --override downgrade=a=b', /^usage-bad-value/],
    ['upgrade --override downgrade=../a', /^usage-bad-value/],
    ['upgrade --override =a', /^usage-bad-value/],
    ['upgrade --on-failure rolback', /^usage-bad-value: Did you mean "rollback"\?$/],
    ['upgrade --limit-rate fast', /^usage-bad-value: It must be a size/],
    ['upgrade --limit-rate 0', /^usage-bad-value/],
    ['upgrade --give-up 2', /^usage-bad-value/],
    ['upgrade --give-up 99d', /^usage-bad-value/],
    ['upgrade --batch 0', /^usage-bad-value/],
    ['upgrade --batch 101%', /^usage-bad-value/],
    ['upgrade --batch 1,', /^usage-bad-value/],
    ['upgrade --max-failures -1', /^usage-missing-value/],
    ['upgrade --max-failures=-1', /^usage-bad-value/],
    ['upgrade --nodes a,,b', /^usage-bad-value/],
    ['upgrade --nodes a,a', /^usage-bad-value/],
    ['upgrade --sha256 abc', /^usage-bad-value/],
    ['upgrade serial --batch 1', /^usage-conflict/],
    ['upgrade --decide n=done', /^usage-option-not-here: It belongs to: resume\.$/],
    ['status a.iso', /^usage-unexpected-word/],
    ['status --batch 1', /^usage-option-not-here/],
    ['backup clean nightly keep 3 --nodes n1', /^usage-option-not-here/],
    ['resume --decide n=maybe', /^usage-bad-value/],
    ['resume --decide n=done --decide n=retry', /^usage-conflict/],
    ['unlock', /^usage-missing-option/],
    ['unlock --reason=', /^usage-bad-value/],
    ['backup add nightly', /^usage-missing-word: See: `clusterlift help backup add`\.$/],
    ['backup clean nightly', /^usage-missing-word/],
    ['backup clean nightly keep', /^usage-missing-word/],
    ['backup clean nightly keep 0', /^usage-bad-value/],
    ['backup clean nightly 3', /^usage-unexpected-word/],
    ['completion csh', /^usage-bad-value/],
    ['runs abandon', /^usage-missing-word/],
  ];
  for (const [line, expected] of wrong) {
    it(`is told so: ${line}`, () => {
      assert.match(refusal(line), expected);
    });
  }

  it('does not take control characters', () => {
    assert.match(refusal(['unlock', '--reason', 'a\nb']), /^usage-bad-value/);
    assert.match(refusal(['upgrade', 'a\u001b[2J.iso']), /^usage-bad-value/);
    assert.match(refusal(['upgrade', '']), /^usage-bad-value/);
  });

  it('does not show a password that was typed', () => {
    try {
      parseCommand(['upgrade', 'ftp://user:Tr0ub4dor@host/a.iso']);
      assert.fail('accepted');
    } catch (error) {
      assert.ok(error instanceof ClusterliftError);
      assert.ok(!`${error.message} ${error.hint}`.includes('Tr0ub4dor'));
    }
  });
});
