import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkClusters } from '../../../src/cluster/load';
import { knownKeys } from '../../../src/cluster/schema';
import { COMMANDS } from '../../../src/command/grammar';
import { usageLine } from '../../../src/command/help';
import { OPTION_KEYS, OPTIONS } from '../../../src/command/options';
import { parseCommand } from '../../../src/command/parse';

const root = join(__dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The error codes with a prefix that the files of a folder use. */
function codesIn(folder: string, pattern: RegExp): Set<string> {
  const files = readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts'));
  return new Set(
    files.flatMap((name) => [...read(join(folder, name)).matchAll(pattern)].map((match) => match[1] ?? '')),
  );
}

describe('docs/commands.md', () => {
  const text = read('docs/commands.md');

  it('shows every command as it is', () => {
    for (const spec of COMMANDS) {
      const line = usageLine(spec)
        .replace(/^clusterlift /, '')
        .replace(/ \[options\]$/, '');
      assert.ok(text.includes(`| \`${line.replaceAll('|', '\\|')}\``), line);
    }
  });

  it('explains every option', () => {
    for (const key of OPTION_KEYS) {
      const { name, ...option } = OPTIONS[key];
      const shown = option.form === 'flag' ? name : `${name} ${option.value.shown}`;
      assert.ok(text.includes(`| \`${shown.replaceAll('|', '\\|')}\``), shown);
    }
  });

  it('names every code of a wrong command line', () => {
    const codes = codesIn('src/command', /\busage\(\s*'([a-z-]+)'/g);
    assert.ok(codes.size > 10);
    for (const code of codes) assert.ok(text.includes(`\`usage-${code}\``), code);
  });

  it('has only examples that are understood', () => {
    const examples = [...text.matchAll(/^\$ clusterlift (.*)$/gm)].map(
      (match) => (match[1] ?? '').split(/ +#| +>/)[0] ?? '',
    );
    assert.ok(examples.length >= 8);
    for (const line of examples)
      assert.doesNotThrow(() => parseCommand(line.split(' ').filter((word) => word !== '')), line);
  });
});

describe('docs/clusters-json.md', () => {
  const text = read('docs/clusters-json.md');

  it('has only examples without a mistake', () => {
    const examples = [...text.matchAll(/```jsonc\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
    assert.equal(examples.length, 4);
    for (const example of examples) assert.deepEqual(checkClusters(example, 'docs').problems, []);
  });

  it('explains every key', () => {
    for (const place of [[], ['clusters', 'x'], ['clusters', 'x', 'nodes', 0], ['clusters', 'x', 'upgrade']]) {
      for (const key of knownKeys(place) ?? [])
        assert.ok(key.startsWith('$') || text.includes(`\`${key}\``) || text.includes(`"${key}"`), key);
    }
  });

  it('names every code', () => {
    const codes = codesIn('src/cluster', /'((?:config|cluster)-[a-z-]+)'/g);
    assert.ok(codes.size > 15);
    for (const code of codes) assert.ok(text.includes(`\`${code}\``), code);
  });
});
