import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SHELLS, type Shell } from '../../../src/command/command';
import { completionScript } from '../../../src/command/completion';

/** A command line up to the cursor, words that must be offered, and words that must not. */
const cases: [line: string, offered: string[], not: string[]][] = [
  ['clusterlift ', ['upgrade', 'backup', 'runs', 'package'], ['add', 'serial']],
  ['clusterlift cluster ', ['upgrade', 'backup'], ['cluster']],
  ['clusterlift up', ['upgrade'], ['backup']],
  ['clusterlift backup ', ['add', 'remove', 'restore'], ['upgrade', 'abandon']],
  ['clusterlift --cluster backup upgrade ', ['serial', 'fast', 'backup'], ['add']],
  ['clusterlift upgrade --on-failure ', ['stop', 'continue', 'rollback'], ['serial']],
  ['clusterlift backup restore --l', ['--location', '--limit-rate'], ['--batch']],
  ['clusterlift runs ', ['abandon'], ['upgrade']],
  ['clusterlift completion ', ['bash', 'zsh', 'fish'], ['upgrade']],
];

const folder = mkdtempSync(join(tmpdir(), 'completion-'));

function scriptFile(shell: Shell): string {
  const path = join(folder, `clusterlift.${shell}`);
  writeFileSync(path, completionScript(shell));
  return path;
}

const complete: Readonly<Record<Shell, (line: string) => string[]>> = {
  bash: (line) => {
    const script = `. "$1"; read -ra COMP_WORDS <<<"$2"; [[ $2 != *" " ]] || COMP_WORDS+=("")
      COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _clusterlift; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', script, 'bash', scriptFile('bash'), line]);
  },
  // What the completion system of zsh would get; it filters by the word under the cursor.
  zsh: (line) => {
    const script = `compdef() { }; source "$1"
      _describe() { print -l -- \${(P)2%%:*} }; _files() { }; compadd() { shift; print -l -- "$@" }
      words=("\${(@s: :)2}"); CURRENT=$#words; _clusterlift`;
    const word = line.slice(line.lastIndexOf(' ') + 1);
    return run('zsh', ['-f', '-c', script, 'zsh', scriptFile('zsh'), line]).filter((each) => each.startsWith(word));
  },
  fish: (line) => {
    const script = `source ${scriptFile('fish')}; complete -C ${JSON.stringify(line)}`;
    return run('fish', ['--no-config', '-c', script]).map((each) => each.split('\t')[0] ?? '');
  },
};

function run(command: string, args: string[]): string[] {
  const env = { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C.UTF-8' };
  const output = execFileSync(command, args, { encoding: 'utf8', cwd: folder, env, timeout: 30_000 });
  return output.split('\n').filter((word) => word !== '');
}

for (const shell of SHELLS) {
  describe(`completion in ${shell}`, () => {
    before(function () {
      if (spawnSync(shell, ['--version']).status !== 0) this.skip();
    });

    for (const [line, offered, not] of cases) {
      it(`knows what may follow: ${line}`, () => {
        const words = complete[shell](line);
        for (const word of offered) assert.ok(words.includes(word), `${word} is missing in: ${words.join(' ')}`);
        for (const word of not) assert.ok(!words.includes(word), `${word} is in: ${words.join(' ')}`);
      });
    }
  });
}
