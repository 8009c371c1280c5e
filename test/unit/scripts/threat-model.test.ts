import { strict as assert } from 'node:assert';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');
const FILES = ['.test.ts', '.ts'];

describe('docs/threat-model.md', () => {
  const rows = readFileSync(join(ROOT, 'docs/threat-model.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| (-|asset)/.test(line));

  it('has rows', () => {
    assert.ok(rows.length >= 25);
  });

  for (const row of rows)
    it(`names a test that exists: ${row.replace(/\s+/g, ' ').slice(0, 100)}`, () => {
      const [, name = '', title = ''] = /`([\w/-]+)`: "(.+)"\s*\|$/.exec(row) ?? [];
      const file = FILES.map((ending) => join(ROOT, 'test', name + ending)).find((each) => existsSync(each));
      assert.ok(file !== undefined, `there is no test ${name}`);
      assert.ok(readFileSync(file, 'utf8').includes(title), `${name} has no test "${title}"`);
    });
});
