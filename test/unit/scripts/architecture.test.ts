import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

const ROOT = resolve(__dirname, '../../..');
const SOURCE = join(ROOT, 'src');
/** Scripts for nodes belong together, however many there are. */
const MANY = 'engine/node';
const MOST = 25;

interface Import {
  readonly from: string;
  readonly to: string;
  readonly types: boolean;
  /** `import()`: loaded when it is needed. */
  readonly late: boolean;
}

const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|sh)$/.test(entry.name))
  .map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  .sort();
const there = new Set(files);
const imports = files.filter((file) => file.endsWith('.ts')).flatMap(importsOf);

describe('The source', () => {
  it('is imported as docs/architecture.md draws it: each arrow, and no other', () => {
    const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
    const pictures = [...page.matchAll(/^%% (src[\w/]*)$([^]*?)^```$/gm)];
    assert.deepEqual(
      pictures.map(([, folder]) => folder),
      ['src', 'src/engine', 'src/ssh', 'src/backup', 'src/vscode'],
    );
    for (const [, folder = '', picture = ''] of pictures) {
      assert.deepEqual(drawn(picture), arrows(folder.slice('src/'.length)), folder);
    }
  });

  it('has no two folders that import each other, whichever way round', () => {
    const graph = new Map<string, Set<string>>();
    for (const { from, to, late } of imports) {
      // The handlers of commands are loaded when one is called: dispatch.ts names them, and imports none.
      if (late || dirname(from) === dirname(to)) continue;
      graph.set(dirname(from), (graph.get(dirname(from)) ?? new Set<string>()).add(dirname(to)));
    }
    const done = new Set<string>();
    const visit = (folder: string, way: readonly string[]): void => {
      assert.ok(!way.includes(folder), `a circle of folders: ${[...way, folder].join(' → ')}`);
      if (done.has(folder)) return;
      for (const next of graph.get(folder) ?? []) visit(next, [...way, folder]);
      done.add(folder);
    };
    for (const folder of graph.keys()) visit(folder, []);
  });

  it(`has at most ${String(MOST)} files in a folder`, () => {
    const counts = new Map<string, number>();
    for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    const crowded = [...counts].filter(([folder, count]) => folder !== MANY && count > MOST);
    assert.deepEqual(crowded, []);
  });

  it('says in each wing what is in it and what may import it', () => {
    for (const room of ['engine', 'ssh', 'backup']) {
      for (const entry of readdirSync(join(SOURCE, room), { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        const text = readFileSync(join(SOURCE, room, entry.name, 'README.md'), 'utf8');
        assert.match(text, new RegExp(`^# ${room}/${entry.name}\n`));
        assert.match(text, /import/i);
      }
    }
  });
});

/** The imports of a file of ours, by its syntax. */
function importsOf(from: string): Import[] {
  const text = readFileSync(join(SOURCE, from), 'utf8');
  const found: Import[] = [];
  const add = (name: string, types: boolean, late: boolean): void => {
    if (!name.startsWith('.')) return;
    const path = join(dirname(from), name).replaceAll('\\', '/');
    const to = [path, `${path}.ts`, `${path}/index.ts`].find((each) => there.has(each));
    assert.ok(to, `${from} imports ${name}`);
    found.push({ from, to, types, late });
  };
  const source = ts.createSourceFile(from, text, ts.ScriptTarget.Latest);
  for (const each of source.statements) {
    if (!ts.isImportDeclaration(each) && !ts.isExportDeclaration(each)) continue;
    if (each.moduleSpecifier && ts.isStringLiteral(each.moduleSpecifier)) {
      add(each.moduleSpecifier.text, isOfTypes(each), false);
    }
  }
  for (const [, name = ''] of text.matchAll(/\bimport\(\s*(?:\/\*[^]*?\*\/\s*)?'([^']+)'/g)) {
    // `import('…').Type` is a type.
    const types = new RegExp(`import\\('${name.replaceAll('.', '\\.')}'\\)\\.[A-Z]`).test(text);
    add(name, types, true);
  }
  return found;
}

function isOfTypes(each: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(each)) return each.isTypeOnly;
  const clause = each.importClause;
  if (!clause) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  return (
    !clause.name && named !== undefined && ts.isNamedImports(named) && named.elements.every((one) => one.isTypeOnly)
  );
}

/** `a → b` for each import between two parts of a folder, `a ⇢ b` where it is for types only. */
function arrows(folder: string): string[] {
  const part = (file: string): string | undefined => {
    if (folder === '') return file.split('/')[0];
    if (!file.startsWith(`${folder}/`)) return undefined;
    const rest = file.slice(folder.length + 1);
    return rest.includes('/') ? rest.split('/')[0] : 'itself';
  };
  const found = new Map<string, boolean>();
  for (const { from, to, types } of imports) {
    const [a, b] = [part(from), part(to)];
    if (a === undefined || b === undefined || a === b || b === 'shell.d.ts') continue;
    const key = `${a} ${b}`;
    found.set(key, (found.get(key) ?? true) && types);
  }
  return [...found].map(([key, types]) => key.replace(' ', types ? ' ⇢ ' : ' → ')).sort();
}

/** The arrows of a mermaid picture: `a --> b & c`, `a -. types .-> b`. */
function drawn(picture: string): string[] {
  const lines = [...picture.matchAll(/^ *(\S+) (-->|-\. types \.->) (.+)$/gm)];
  return lines
    .flatMap(([, a = '', arrow = '', many = '']) =>
      many.split(' & ').map((b) => `${a} ${arrow === '-->' ? '→' : '⇢'} ${b}`),
    )
    .map((each) => each.replace(/\b(cli|extension)\b(?!\.)/g, '$1.ts'))
    .sort();
}
