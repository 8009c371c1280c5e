import { strict as assert } from 'node:assert';
import { excludedPaths } from '../../../src/backup/exclude';
import type { Location } from '../../../src/backup/points/location';

function left(pattern: string, kind: Location['kind'] = 'directory', path = '/opt/acme'): boolean {
  return excludedPaths([path], [pattern], kind).length > 0;
}

describe('patterns that leave out a named path', () => {
  for (const pattern of ['/opt/acme', 'acme', '/opt', 'opt', '*', 'opt/acme', 'ac*', 'a?me', '[a-c]cme', '/*/acme']) {
    it(`${pattern} is refused, in archives and with restic`, () => {
      assert.ok(left(pattern));
      assert.ok(left(pattern, 'restic'));
    });
  }

  for (const pattern of [
    '*.log',
    '/opt/acme/*.log',
    '/opt/acme/cache',
    'cache',
    'acme/cache',
    '/acme',
    'cm',
    'a.me',
    '',
  ]) {
    it(`${JSON.stringify(pattern)} is none of them`, () => {
      assert.ok(!left(pattern));
      assert.ok(!left(pattern, 'restic'));
    });
  }

  it('tar and restic read wildcards and sets differently', () => {
    const both = (pattern: string): boolean[] => [left(pattern), left(pattern, 'restic')];
    assert.deepEqual(both('.*'), [true, false]);
    assert.deepEqual(both('o*e'), [true, false]);
    assert.deepEqual(both('o**e'), [true, false]);
    assert.deepEqual(both('/**/acme'), [true, true]);
    assert.deepEqual(both('[!a]cme'), [false, true]);
    assert.deepEqual(both('[^a]cme'), [false, false]);
  });

  it('names the path and the pattern; patterns that mean nothing match nothing', () => {
    const [found] = excludedPaths(['/etc/acme', '/opt/a(b'], ['[z-a]', '(', '[]', '[!]', 'a(b'], 'sftp');
    assert.deepEqual([found?.code, found?.path], ['path-excluded', '/opt/a(b']);
    assert.match(found?.message ?? '', /"a\(b"/);
  });

  it('cost no more than their length times that of the path, whatever a package sends', () => {
    const pattern = `${'*a'.repeat(400)}b`;
    assert.ok(!left(pattern, 'directory', `/${'a'.repeat(2000)}`));
    assert.ok(left(`${'*a'.repeat(400)}*`, 'directory', `/${'a'.repeat(2000)}`));
    assert.ok(!left('**/'.repeat(400), 'restic', `/${'a/'.repeat(1000)}b`));
  });
});
