import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import * as ts from 'typescript';
import bundle from '../../../l10n/bundle.l10n.de.json';
import schema from '../../../media/clusters.schema.json';
import settings from '../../../package.nls.json';
import { COMMANDS, GROUPS } from '../../../src/command/grammar';
import { helpText } from '../../../src/command/help';

/** Phrases that are not plain English, each with what to write instead. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b)[a-z]/i, 'is not a …'],
  [/\bwho(?:so)?ever\b/i, 'anyone who, the user who'],
  [/\bnobody\b/i, 'name who or what it is'],
  [/\banew\b/i, 'again'],
  [/\b(?:go|goes|going|gone|went) on\b/i, 'continue, keep running'],
  [/\blet(?:s|ting)? (?:it |them )?go\b/i, 'detach, release'],
  [/\bmend(?:s|ed|ing)?\b/i, 'fix'],
  [/\bways? on\b/i, 'what you can do next'],
  [/\bway back\b/i, 'roll back, restore'],
  [/\bby hand\b/i, 'manual, manually'],
  [/\b(?:borne|bears? repetition)\b/i, 'tolerated, idempotent'],
  [/\bin spite of\b/i, 'although, even if'],
  [/\bbegun\b|\b(?:node|batch|run) begins\b/i, 'start, in progress'],
  [/\ba person\b/i, 'you, your input, your decision'],
  [/\bis told\b|\btold by\b/i, 'is reported, is shown'],
  [/\bdies with\b/i, 'is lost with'],
  [/\blink (?:lost|is back)\b/i, 'connection lost, connection restored'],
  [/\bfor good\b/i, 'permanently'],
  [/\bshall\b/i, 'should, do you want to'],
  [/\blies (?:at|on|in|here|there)\b/i, 'is in, location'],
  [/\btak(?:e|en) (?:it )?as\b/i, 'mark as'],
  [/^What [^?]*\b(?:is|are|was|were|will be|stays?|goes|comes)\b[^?]*$/i, 'begin with a subject'],
];

const ROOT = resolve(__dirname, '../../..');

/** The parts of texts in source files: string literals of several words, and the fixed parts of templates. */
function texts(folder: string): (readonly [string, string])[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => textsOf(join(ROOT, folder, name)));
}

function textsOf(file: string): (readonly [string, string])[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true);
  const found: (readonly [string, string])[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || isError(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      if (/\p{L} \p{L}/u.test(node.text)) found.push([`${relative(ROOT, file)}:${String(line + 1)}`, node.text]);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Errors have a catalogue and rules of their own. */
function isError(node: ts.Node): boolean {
  if (ts.isNewExpression(node)) return node.expression.getText() === 'ClusterliftError';
  return ts.isCallExpression(node) && node.expression.getText() === 'usage';
}

function descriptions(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === 'description' && typeof each === 'string' ? [each] : descriptions(each),
  );
}

function bannedIn(all: readonly (readonly [string, string])[]): string[] {
  return all.flatMap(([place, text]) =>
    BANNED.flatMap(([pattern, instead]) => (pattern.test(text) ? [`${place}: "${text}" (write: ${instead})`] : [])),
  );
}

const named = (place: string, all: readonly string[]): (readonly [string, string])[] =>
  all.map((text) => [place, text]);

describe('The texts for people are in plain English', () => {
  it('in the editor', () => {
    const all = [...named('l10n', Object.keys(bundle)), ...named('package.nls.json', Object.values(settings))];
    assert.ok(all.length > 400);
    assert.deepEqual(bannedIn(all), []);
  });

  it('in the completion and hovers of clusters.json', () => {
    const all = descriptions(schema);
    assert.ok(all.length > 40);
    assert.deepEqual(bannedIn(named('clusters.schema.json', all)), []);
  });

  it('in the help', () => {
    const topics = [undefined, ...Object.keys(GROUPS), ...COMMANDS.map(({ name }) => name)];
    const all = topics.map((topic): readonly [string, string] => [
      `help ${topic ?? ''}`,
      helpText(topic).replace(/\s+/g, ' '),
    ]);
    assert.deepEqual(bannedIn(all), []);
  });

  it('in the terminal', () => {
    const all = [...texts('src/terminal'), ...texts('src/command'), ...textsOf(join(ROOT, 'src/cli.ts'))];
    assert.ok(all.length > 300);
    assert.deepEqual(bannedIn(all), []);
  });

  it('and a sentence that is not is found, with what to write instead', () => {
    for (const text of [
      'This is no path.',
      'These are no host names.',
      'Whoever has the disk reads it.',
      'The server asks anew.',
      'The run goes on.',
      'Ctrl+C: stop or let go',
      'Mend n3 or the package.',
      'Ways on',
      'There is a way back.',
      'made by hand',
      'No further node is begun.',
      'waiting for a person',
      'link lost, probing',
      'What was written since is lost.',
      'What shall happen?',
    ])
      assert.notDeepEqual(bannedIn([['here', text]]), [], text);
    for (const text of ['It is no longer there.', 'What do you want to do?', 'What you can do next', 'Which runs?'])
      assert.deepEqual(bannedIn([['here', text]]), [], text);
  });
});
