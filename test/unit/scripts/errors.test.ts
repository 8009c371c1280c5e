import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as ts from 'typescript';
import { errorsPage } from '../../../scripts/errors-page';
import { codeSet, entryOf, ERROR_TABLES, exitOf, readCode } from '../../../src/base/catalogue';
import { ClusterliftError, ExitStatus, withCode } from '../../../src/base/errors';

const ROOT = resolve(__dirname, '../../..');
const CODES = Object.values(ERROR_TABLES).flatMap((table) => Object.keys(table));

/** Files of src without the catalogue. */
function sources(end: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(end) && !path.startsWith('base/catalogue'))
    .map((path) => ({ path, text: readFileSync(join(ROOT, 'src', path), 'utf8') }));
}

/** Every text between quotes, with the parts of templates. */
function textsIn(path: string, text: string): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false));
  return texts;
}

/** What the scripts for nodes refuse with: `die CODE`, and codes that are handed to the helpers of restic. */
function codesOfScripts(): Set<string> {
  const refusal = /(?:\bdie|\brestic_or|CLUSTERLIFT-ERROR|restic_refuse "[^"]*") ([a-z]+(?:-[a-z]+)*)/g;
  const texts = sources('.sh').map(({ text }) => text.replace(/^\s*#.*$/gm, ''));
  return new Set(texts.flatMap((text) => [...text.matchAll(refusal)].map((each) => each[1] ?? '')));
}

/** Codes that are put together of two parts. */
const FAMILIES = [
  { whole: /^usage-(.+)$/, part: (kind: string) => [kind] },
  { whole: /^unfulfilled-(.+)$/, part: (kind: string) => [kind] },
  { whole: /^(.+)-failed$/, part: (step: string) => [step] },
];

describe('the catalogue of errors', () => {
  it('is the page docs/errors.md (if not: npx tsx scripts/generate-errors.ts)', () => {
    assert.equal(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), errorsPage());
  });

  it('has each code once, with a cause and a next step in whole sentences', () => {
    assert.deepEqual([...CODES].sort(), [...new Set(CODES)].sort());
    for (const [code, { cause, next }] of Object.values(ERROR_TABLES).flatMap((table) => Object.entries(table))) {
      assert.match(code, /^[a-z]+(?:-[a-z]+)*$|^task-PROPERTY$/);
      for (const text of [cause, next])
        assert.match(text, /^(?:[A-Z"]|--|`|clusters\.json|ssh_config|restic |sudo |tar ).*\.$/, code);
    }
  });

  it('knows every code that a script for nodes refuses with', () => {
    const codes = [...codesOfScripts()];
    assert.ok(codes.length > 50, String(codes.length));
    assert.deepEqual(
      codes.filter((code) => entryOf(code) === undefined),
      [],
    );
  });

  it('knows every code that the source writes as a property', () => {
    const written = sources('.ts').flatMap(({ path, text }) => codesIn(path, text));
    assert.ok(written.length > 150, String(written.length));
    assert.deepEqual(
      written.filter((code) => entryOf(code) === undefined),
      [],
    );
  });

  it('has no code that is used nowhere', () => {
    const used = new Set([...codesOfScripts(), ...sources('.ts').flatMap(({ path, text }) => textsIn(path, text))]);
    const isUsed = (code: string): boolean =>
      used.has(code) ||
      FAMILIES.some(({ whole, part }) => part(whole.exec(code)?.[1] ?? '').some((each) => used.has(each)));
    assert.deepEqual(
      CODES.filter((code) => code !== 'task-PROPERTY' && !isUsed(code)),
      [],
    );
  });

  it('gives an error its exit status, unless the error says another one', () => {
    const error = { code: 'host-unreachable', message: 'm', hint: 'h' } as const;
    assert.equal(new ClusterliftError(error).exit, ExitStatus.refused);
    assert.equal(new ClusterliftError({ ...error, exit: ExitStatus.unknown }).exit, ExitStatus.unknown);
    assert.equal(exitOf('job-running'), ExitStatus.refused);
    assert.equal(exitOf('task-nodes'), ExitStatus.usage);
  });

  it('ends a message with its code', () => {
    assert.equal(withCode({ code: 'disk-full', message: 'No space' }), 'No space [disk-full]');
  });

  it('shows a code of another version as it is', () => {
    const error = new ClusterliftError({ code: readCode('of-tomorrow'), message: 'm', hint: 'h' });
    assert.equal(error.code, 'of-tomorrow');
    assert.equal(error.exit, ExitStatus.failed);
    assert.equal(entryOf('constructor'), undefined);
    assert.ok(!codeSet('locked').has('of-tomorrow'));
  });
});

/** Values of `code:` in object literals. */
function codesIn(path: string, text: string): string[] {
  const codes: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'code' && ts.isStringLiteral(node.initializer))
      codes.push(node.initializer.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return codes;
}
