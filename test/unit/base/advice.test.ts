import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import fc from 'fast-check';
import * as ts from 'typescript';
import { hintFor } from '../../../src/base/errors';
import { advice, AsIs, isOwnCommand, quote, shellWord } from '../../../src/base/shell';
import { renderError } from '../../../src/terminal/error';
import { exitsOf } from '../../../src/terminal/exits';
import { refusal } from '../../../src/ssh/exec/refusals';
import { planOf } from '../engine/plans';
import { emptyView } from '../../../src/engine/journal/view';

/** What a shell makes of a command that was copied from a text. */
function pasted(text: string): string[] {
  const [, command = ''] = /`([^`]*)`/.exec(text) ?? [];
  const script = `clusterlift() { printf '%s\\0' "$@"; }\n${command}`;
  return execFileSync('dash', ['-c', script], { encoding: 'utf8', cwd: '/' }).split('\0').slice(0, -1);
}

describe('a command in a text for people', () => {
  it('has one word for each value, whatever a node put into it', () => {
    const value = fc.string({
      unit: fc.constantFrom(...Array.from(`ab-= '"$();&|<>*?~#!\\é`)),
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(value, value, (run, node) => {
        const words = pasted(advice`Go on: \`clusterlift resume ${run} --decide ${node}=done\`, on ${node}.`);
        assert.deepEqual(words, [
          'resume',
          run.startsWith('-') ? `./${run}` : run,
          '--decide',
          `${node.startsWith('-') ? './' : ''}${node}=done`,
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it('is read to its end: a backtick of a value does not end it, and one in a sentence begins none', () => {
    const bad = '`; touch /tmp/x; `';
    assert.equal(
      advice`It is ${bad}: \`clusterlift resume ${bad}\``,
      `It is ${bad}: \`clusterlift resume '?; touch /tmp/x; ?'\``,
    );
  });

  it('leaves plain words and words of ours as they are', () => {
    assert.equal(
      advice`See \`clusterlift help ${new AsIs('backup add')} ${7} ${'n1'}\` on ${'a b'}`,
      'See `clusterlift help backup add 7 n1` on a b',
    );
  });

  it('names run and node as words, too', () => {
    assert.equal(
      hintFor('`clusterlift resume RUN --decide NODE=done`', "r'$&", 'n 1'),
      "`clusterlift resume 'r'\\''$&' --decide 'n 1'=done`",
    );
    assert.match(refusal('n3', 'state-lost', 'x').of('r7').hint, /`clusterlift resume r7 --decide n3=done`/);
  });

  it('names no RUN where no run is known', () => {
    const shown = renderError(refusal('n3', 'state-lost', 'x'), { columns: 200, color: false, unicode: true })
      .join(' ')
      .replace(/\s+/g, ' ');
    assert.match(shown, /`clusterlift resume --decide n3=done`/);
    assert.doesNotMatch(shown, /\bRUN\b/);
  });
});

describe('the command of a plan', () => {
  it('is shown as a way on only if a shell starts nothing but this program', () => {
    const good = [
      'clusterlift',
      "clusterlift upgrade './my file.iso' --config 'it'\\''s.json'",
      'clusterlift upgrade a.iso --nodes n1,n2',
    ];
    const bad = [
      '',
      'rm -rf /',
      'clusterlift upgrade a; reboot',
      'clusterlift upgrade $(reboot)',
      'clusterlift a\nreboot',
      "clusterlift 'a",
      'clusterlift a > /etc/passwd',
      'clusterliftx',
      'clusterlift `reboot`',
      "clusterlift ''\\''",
    ];
    assert.deepEqual([...good, ...bad].filter(isOwnCommand), good);
    fc.assert(
      fc.property(fc.array(fc.string()), (words) =>
        isOwnCommand(['clusterlift', ...words].map((each) => (each === '' ? quote('') : shellWord(each))).join(' ')),
      ),
    );
    for (const command of bad) {
      const view = { ...emptyView(planOf(['n1'], { command })), state: 'finished', outcome: 'failed' } as const;
      for (const exit of exitsOf(view))
        assert.ok(exit.command === undefined || isOwnCommand(exit.command), exit.command);
    }
  });
});

const SOURCE = resolve(__dirname, '../../../src');
/** Scripts for shells, with values of ours only; and the commands of the help, which are ours as a whole. */
const OTHER = new Set(['command/completion.ts', 'command/help.ts']);
/** Text that a value would be a word of a command after. */
const COMMAND =
  /(?:(?:^|[^\w.-])clusterlift (?:[a-z]+ )+|--[a-z][a-z-]+[ =](?:[a-z-]+=)?|\b(?:chmod|ssh-keygen|ls -l|loginctl)\b[^`.:;]* )$/;

/** Values in texts that would be pasted as a part of a command without being quoted. */
function unquoted(text: string, file: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTemplateExpression(node)) {
      const isTagged = ts.isTaggedTemplateExpression(node.parent) && node.parent.tag.getText() === 'advice';
      let before = node.head.text;
      for (const span of node.templateSpans) {
        const inCommand = before.split('`').length % 2 === 0;
        if (isTagged ? !inCommand && COMMAND.test(before) : inCommand || COMMAND.test(before))
          found.push(
            `${file}:${String(source.getLineAndCharacterOfPosition(span.getStart()).line + 1)}: ${span.expression.getText()}`,
          );
        before += `…${span.literal.text}`;
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('the texts of the source', () => {
  it('quote every value that stands in a command', () => {
    const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
      (each) => each.endsWith('.ts') && !OTHER.has(each),
    );
    assert.ok(files.length > 200);
    assert.deepEqual(
      files.flatMap((each) => unquoted(readFileSync(join(SOURCE, each), 'utf8'), relative(SOURCE, join(SOURCE, each)))),
      [],
    );
  });

  it('are found where they do not', () => {
    const wrong = [
      '`Run \\`clusterlift stop ${run}\\`.`',
      '`Try: clusterlift stop ${run}`',
      'advice`Try: clusterlift stop ${run}`',
      '`give --confirm ${name}`',
      'advice`give --override a=${name}`',
      '`x: chmod go-w ${file}`',
    ];
    for (const each of wrong) assert.equal(unquoted(`const hint = ${each};`, 'x.ts').length, 1, each);
    const right = [
      'advice`Run \\`clusterlift stop ${run}\\` on ${node}.`',
      '`Look at ${node}: \\`clusterlift status\\`.`',
      '`${a} and ${b}`',
    ];
    for (const each of right) assert.equal(unquoted(`const hint = ${each};`, 'x.ts').length, 0, each);
  });
});
