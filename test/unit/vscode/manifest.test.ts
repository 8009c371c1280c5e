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
const QUESTIONS = join(SOURCE, '../command/terminal/questions.ts');

/** The texts of all calls of `l10n.t`, and of the `t` that is handed on. */
function texts(): string[] {
  const found: string[] = [];
  for (const file of [...files(SOURCE), QUESTIONS]) {
    const translates = file === QUESTIONS ? /^t$/ : /(?:^|\.)l10n\.t$/;
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && translates.test(node.expression.getText())) {
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

  it('has a handler for each command', () => {
    const code = files(join(SOURCE, 'commands'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    for (const command of commands)
      assert.match(code, new RegExp(`^    ${command.replace('clusterlift.', '')}: async`, 'm'), command);
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
