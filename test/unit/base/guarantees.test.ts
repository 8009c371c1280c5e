import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const ROOT = resolve(__dirname, '../../..');
/** What waits or counts time; only `base/clock.ts` may use anything else (a lint rule). The first argument says how long. */
const HELPERS = new Set(['sleep', 'within', 'atMost', 'after', 'every', 'abortAfter', 'deadlineIn']);
const CLOCKS = new Set(['stopwatch', 'monotonic']);
/** Names of options that bound a wait somewhere below. */
const OPTIONS = new Set(['timeout', 'timeoutMs', 'idleTimeout', 'readyTimeout', 'headersTimeout', 'bodyTimeout']);

/** The waits of a file as `file: what says how long`, in the words of the code. */
function waitsIn(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const own = new Set<string>();
  const found = new Set<string>();
  const add = (what: string): void => void found.add(`${file}: ${what.replace(/\s+/g, ' ')}`);
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && /\/base\/(clock|async)'$/.test(node.moduleSpecifier.getText())) {
      const names = node.importClause?.namedBindings;
      if (names && ts.isNamedImports(names)) for (const each of names.elements) own.add(each.name.text);
    }
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && own.has(node.expression.text)) {
      if (HELPERS.has(node.expression.text)) add(node.arguments[0]?.getText() ?? '');
      if (CLOCKS.has(node.expression.text)) add('clock');
    }
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const maxAway = node.expression.name.text === 'retryWhileUnreachable' ? node.arguments[2] : undefined;
      if (maxAway) add(maxAway.getText());
    }
    if (ts.isPropertyAssignment(node) && OPTIONS.has(node.name.getText())) add(node.initializer.getText());
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...found];
}

function sources(): string[] {
  return readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map((each) => `src/${each.replaceAll('\\', '/')}`)
    .filter((each) => each.endsWith('.ts') && !/^src\/base\/(clock|async)\.ts$/.test(each))
    .sort();
}

/** The rows of the table: `file` and `what says how long` are its last two columns. */
function told(): string[] {
  const text = readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8');
  return [...text.matchAll(/^\|.*\| `(src\/[^`]+)` *\| `([^`]+)` *\|$/gm)].map(
    ([, file = '', what = '']) => `${file}: ${what.replaceAll('\\|', '|')}`,
  );
}

describe('docs/guarantees.md', () => {
  it('lists every wait of the code, and none that is not there', () => {
    const waits = sources().flatMap(waitsIn);
    const rows = told();
    assert.ok(waits.length > 80, 'the scan finds them');
    assert.deepEqual(
      waits.filter((each) => !rows.includes(each)),
      [],
      'not listed',
    );
    assert.deepEqual(
      rows.filter((each) => !waits.includes(each)),
      [],
      'listed, and not in the code',
    );
    assert.equal(new Set(rows).size, rows.length, 'no row twice');
  });
});
