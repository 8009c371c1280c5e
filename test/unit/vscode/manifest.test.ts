import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as ts from 'typescript';
import manifest from '../../../package.json';
import english from '../../../package.nls.json';
import german from '../../../package.nls.de.json';
import bundle from '../../../l10n/bundle.l10n.de.json';

const SOURCE = resolve(__dirname, '../../../src/vscode');

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

/** Questions are put in words by the command line; the editor hands its `l10n.t` in. */
const QUESTIONS = join(SOURCE, '../terminal/questions.ts');

/** All that a window shows is written in these. */
const WINDOW = [...files(SOURCE), join(SOURCE, '../extension.ts'), ...files(join(SOURCE, '../webview')), QUESTIONS];

/** Does this call put a text into the language of the editor? */
function translates(file: string, call: ts.CallExpression): boolean {
  return (file === QUESTIONS ? /^t$/ : /(?:^|\.)l10n\.t$/).test(call.expression.getText());
}

/** The texts of all calls of `l10n.t`, and of the `t` that is handed on. */
function texts(): string[] {
  const found: string[] = [];
  for (const file of WINDOW) {
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && translates(file, node)) {
        const [text] = node.arguments;
        assert.ok(text && ts.isStringLiteralLike(text), `${file}: ${node.getText()}`);
        found.push(text.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true));
  }
  return [...new Set(found)].sort();
}

/** Where the editor shows what it is given. */
const SHOWN = /^(label|description|detail|placeholder|placeHolder|prompt|title|message|hint|tooltip|text|name|badge)$/;
/** Names, examples and selectors, the same in every language; and the log, which is as the command line writes it. */
const SAME =
  /^(Loaded and activated in|point|tbody tr|Clusterlift(: )?|clusterlift.*|https?:.*|sftp:.*|staging|nightly|10\.0\..*|fast|serial|none|localbackup|backup create|roll back)$/;

/** Texts for people that do not go through `l10n.t`: two words in a row, or any word where it is shown as it is. */
function untranslated(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return;
    if (ts.isCallExpression(node) && translates(file, node)) {
      node.arguments.slice(1).forEach(visit);
      return;
    }
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      const text = node.text.replace(/\$\([\w~-]+\)|<[^>]*(?:>|$)|^">|[\w-]+="/g, '').trim();
      const sentence = /\p{L}{2,}[,:;]? \p{L}{2,}/u.test(text);
      if ((sentence || (isShown(node) && /\p{L}{2,}/u.test(text))) && !SAME.test(text)) found.push(`${file}: ${text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isShown(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isPropertyAssignment(parent) && ts.isIdentifier(parent.name)) return SHOWN.test(parent.name.text);
  if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken)
    return ts.isPropertyAccessExpression(parent.left) && SHOWN.test(parent.left.name.text);
  return (
    ts.isCallExpression(parent) && /^tell\.|\.(appendLine|replace|show\w+Message)$/.test(parent.expression.getText())
  );
}

const placeholders = (text: string): string => (text.match(/\{\d\}/g) ?? []).sort().join();

describe('The manifest of the extension', () => {
  const commands = manifest.contributes.commands.map(({ command }) => command);

  it('has every text in English and German, and no text that nobody uses', () => {
    const used = [
      ...new Set([...JSON.stringify(manifest).matchAll(/"%([^%"]+)%"/g)].map(([, key]) => key ?? '')),
    ].sort();
    assert.deepEqual(Object.keys(english).sort(), used);
    assert.deepEqual(Object.keys(german).sort(), used);
  });

  it('has every text of the code in German, with the same placeholders', () => {
    const translated: Readonly<Record<string, string>> = bundle;
    assert.deepEqual(Object.keys(translated).sort(), texts());
    for (const [text, other] of Object.entries(translated)) assert.equal(placeholders(other), placeholders(text), text);
  });

  it('leaves no text for people outside of l10n', () => {
    assert.deepEqual(WINDOW.flatMap(untranslated), []);
  });

  it('has a title, a place and an icon for each command, and asks for trust where it connects', () => {
    const placed = new Set(
      Object.values(manifest.contributes.menus)
        .flat()
        .map(({ command }) => command),
    );
    for (const { command, title, icon } of manifest.contributes.commands) {
      assert.match(title, /^%command\.\w+%$/, command);
      assert.match(icon, /^\$\([\w-]+\)$/, command);
      assert.ok(placed.has(command), `${command} is in no menu`);
    }
  });

  it('has a handler for each command', () => {
    const code = files(join(SOURCE, 'commands'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    for (const command of commands)
      assert.match(code, new RegExp(`^  ${command.replace('clusterlift.', '')}(: \\w+)?,$`, 'm'), command);
  });

  it('provides each terminal profile that it offers', () => {
    const code = readFileSync(join(SOURCE, '../extension.ts'), 'utf8');
    for (const { id } of manifest.contributes.terminal.profiles)
      assert.ok(code.includes(`registerTerminalProfileProvider('${id}'`), id);
  });

  it('names only its own commands in menus and welcome texts', () => {
    const placed = Object.values(manifest.contributes.menus)
      .flat()
      .map(({ command }) => command);
    const welcomed = [...JSON.stringify(english).matchAll(/command:(clusterlift\.\w+)/g)].map(
      ([, command]) => command ?? '',
    );
    for (const command of [...placed, ...welcomed]) assert.ok(commands.includes(command), command);
  });

  it('reads every setting that it offers', () => {
    const code = [...files(SOURCE), join(SOURCE, '../extension.ts')]
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    for (const key of Object.keys(manifest.contributes.configuration.properties)) {
      assert.ok(code.includes(`setting('${key.replace('clusterlift.', '')}')`), key);
    }
  });
});
