import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Prose from '../../../scripts/prose.mjs';

const load = (): Promise<typeof Prose> => import('../../../scripts/prose.mjs');

describe('the check of how-to pages', () => {
  let root: string;
  const write = (path: string, text: string): void => {
    writeFileSync(join(root, path), text);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'prose-'));
    mkdirSync(join(root, 'docs/how-to'), { recursive: true });
    mkdirSync(join(root, 'src'));
    write('src/there.ts', '');
    write('docs/how-to/README.md', 'See [it](add-it.md).\n');
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  const check = async (name: string, text: string): Promise<string[]> => {
    write(`docs/how-to/${name}`, text);
    return (await load()).howTo(root, [`docs/how-to/${name}`]);
  };

  it('accepts a listed page of 40 lines that names files that exist, and placeholders', async () => {
    const text = `\`src/there.ts\` and \`src/<room>/it.ts\`\n${'line\n'.repeat(39)}`;
    assert.deepEqual(await check('add-it.md', text), []);
  });

  it('finds a page that is too long', async () => {
    assert.deepEqual(await check('add-it.md', 'line\n'.repeat(41)), [
      'docs/how-to/add-it.md has 41 lines, more than 40',
    ]);
  });

  it('finds a page that the index does not list', async () => {
    assert.deepEqual(await check('other.md', 'line\n'), ['docs/how-to/README.md does not list other.md']);
  });

  it('finds a path to a file that does not exist', async () => {
    assert.deepEqual(await check('add-it.md', 'See `src/gone.ts`.\n'), [
      'docs/how-to/add-it.md names src/gone.ts, which does not exist',
    ]);
  });
});

describe('the check of the language', () => {
  const found = async (file: string, text: string): Promise<string[]> =>
    (await load()).findings(file, text).map((each) => each.replace(/^(\d+): ([^:]+):.*$/, '$1 $2'));

  it('finds each banned pattern in a page', async () => {
    const text = 'Whoever asks\nis asked anew.\nIt lets go.\nIt is borne.\nSee design 7.\nIt is no file.\n';
    const names = ['1 whoever', '2 anew', '3 let go', '4 borne', '5 design N', '6 is no X'];
    assert.deepEqual(await found('docs/a.md', text), names);
  });

  it('reads comments of sources, and nothing else there', async () => {
    const ts = "const anew = 'anew'; // starts anew\n/** Done anew. */\n * and anew\ncall(anew, 'http://anew');\n";
    assert.deepEqual(await found('src/a.ts', ts), ['1 anew', '2 anew', '3 anew']);
    assert.deepEqual(await found('src/a.sh', '# anew\necho anew\n'), ['1 anew']);
  });

  it('leaves plain wordings and quoted names alone', async () => {
    const text =
      'There is no file. It is no longer there, and it is no more.\nThe word `anew`; a design; the renewal.\n';
    assert.deepEqual(await found('docs/a.md', text), []);
  });
});
