import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { BOOT_MARK, bootstrapArgv, bootstrapCommand, payload } from '../../../../src/ssh/exec/command';
import { quote } from '../../../../src/base/shell';

const SHELLS: readonly (readonly string[])[] = [['dash'], ['bash', '--posix'], ['bash'], ['busybox', 'sh']];
const installed = SHELLS.filter(([program = '']) => spawnSync(program, ['-c', 'true']).error === undefined);

/** Runs the bootstrap with another shell in place of `sh`. */
function run(shell: readonly string[], input: Buffer): { stdout: string; stderr: string; status: number | null } {
  const argv = bootstrapArgv({ kind: 'none' }).slice(3); // without env LC_ALL=C sh
  const [program = '', ...options] = shell;
  const result = spawnSync(program, [...options, ...argv], { input, env: { ...process.env, LC_ALL: 'C' } });
  return { stdout: result.stdout.toString(), stderr: result.stderr.toString(), status: result.status };
}

// The arguments come back ended by NUL-free records: their length, then the bytes.
const ECHO =
  'for a in "$@"; do printf \'%s:\' "${#a}"; printf \'%s\' "$a" | od -An -v -tx1 | tr -d \' \\n\'; echo; done';

function decode(stdout: string, mark: string): string[] {
  const lines = stdout.split('\n').slice(0, -1);
  assert.equal(lines.shift(), mark);
  return lines.map((line) => Buffer.from(line.slice(line.indexOf(':') + 1), 'hex').toString('utf8'));
}

describe('the bootstrap', () => {
  const hostile = [
    '',
    '-n',
    '--',
    "it's",
    "''",
    '"$(touch /tmp/never)"',
    '`id`',
    '$HOME ${HOME}',
    'a\nb\n',
    '\n',
    '\\',
    '\\n\\c\\0101',
    '%s%n',
    '!history!',
    'grüße 日本 \u0081\u0088 🚀',
    '\u0001\u007f\t\r',
    '*',
    '; exit 9',
    'x'.repeat(100_000),
  ];

  for (const shell of installed) {
    const name = shell.join(' ');

    it(`passes hostile arguments through ${name} unchanged`, () => {
      const { stdout, status } = run(shell, payload(ECHO, hostile, 'mark'));
      assert.equal(status, 0);
      assert.deepEqual(decode(stdout, 'mark'), hostile);
    });

    it(`passes any argument through ${name} unchanged`, () => {
      const word = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').toWellFormed());
      fc.assert(
        fc.property(fc.array(word, { maxLength: 5 }), (args) => {
          assert.deepEqual(decode(run(shell, payload(ECHO, args, 'm')).stdout, 'm'), args);
        }),
        { numRuns: 25 },
      );
    });

    it(`leaves the rest of stdin to the script under ${name}`, () => {
      const input = Buffer.concat([payload('cat', [], 'mark'), Buffer.from('data\nmore\\n\n')]);
      assert.equal(run(shell, input).stdout, 'mark\ndata\nmore\\n\n');
    });

    it(`gives the script an ended stdin when there is no data under ${name}`, () => {
      assert.equal(run(shell, payload('cat; echo over', [], 'mark')).stdout, 'mark\nover\n');
    });

    it(`keeps the exit status, set -e and here-documents of the script under ${name}`, () => {
      const script = 'cat <<"END"\n$not\\expanded\nEND\nset -eu\nf() { return 7; }\nf\necho unreached\n';
      const { stdout, status } = run(shell, payload(script, [], 'mark'));
      assert.equal(stdout, 'mark\n$not\\expanded\n');
      assert.equal(status, 7);
    });

    it(`says on stderr when it reads its line and when the script begins under ${name}`, () => {
      assert.equal(run(shell, payload('echo "$0" >&2', [], 'mark')).stderr, `${BOOT_MARK}mark\nclusterlift\n`);
    });

    it(`runs nothing when its line is cut off under ${name}`, () => {
      const cut = payload('echo ran', [], 'mark').subarray(0, -1);
      const { stdout, status } = run(shell, cut);
      assert.equal(stdout, '');
      assert.equal(status, 97);
    });
  }

  it('has the same argv whatever runs, without anything that a csh or a fish would read differently', () => {
    const line = bootstrapCommand({ kind: 'sudo' });
    assert.match(line, /^exec env LC_ALL=C sudo -n -k -- sh -c '[^']*' clusterlift$/);
    assert.doesNotMatch(line, /[\\!\n]/);
  });

  it('refuses a NUL, which no shell can pass on', () => {
    assert.throws(() => payload('true', ['a\0b'], 'mark'), { code: 'argument-nul' });
  });

  it('quotes so that a shell reads back the same word', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').toWellFormed()),
        (word) => spawnSync('sh', ['-c', `printf %s ${quote(word)}`]).stdout.toString() === word,
      ),
      { numRuns: 25 },
    );
  });
});
