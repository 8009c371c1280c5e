import { strict as assert } from 'node:assert';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ClusterliftError, hasCode } from '../../../src/base/errors';
import {
  addCluster,
  addLocation,
  removeLocation,
  withCluster,
  withLocation,
  withoutLocation,
} from '../../../src/cluster/edit';
import { checkClusters } from '../../../src/cluster/load';
import { EXAMPLE } from './example';

const commentsOf = (text: string): string[] => text.match(/\/\/ .*/g) ?? [];
const locationsOf = (text: string): string[] =>
  checkClusters(text, 'f').file?.locations.map((each) => each.name) ?? ['broken'];

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ClusterliftError);
    return error.code;
  }
  return 'none';
}

describe('an edit of clusters.json', () => {
  it('adds a location and leaves every other line as it is', () => {
    const after = withLocation(EXAMPLE, 'f', 'weekly', 'file:///srv/weekly');
    assert.deepEqual(locationsOf(after), ['nightly', 'vault', 'weekly']);
    const vault = '"vault": "restic:rest:https://10.0.0.6:8000/"';
    assert.equal(after, EXAMPLE.replace(vault, `${vault}, "weekly": "file:///srv/weekly"`));
    assert.deepEqual(commentsOf(after), commentsOf(EXAMPLE));
  });

  it('removes what it added', () => {
    const after = withoutLocation(withLocation(EXAMPLE, 'f', 'weekly', 'file:///w'), 'f', 'weekly');
    assert.deepEqual(checkClusters(after, 'f'), checkClusters(EXAMPLE, 'f'));
    assert.deepEqual(commentsOf(after), commentsOf(EXAMPLE));
  });

  it('makes the section where there is none', () => {
    assert.deepEqual(locationsOf(withLocation('{}', 'f', 'a', 'file:///a')), ['a']);
    assert.deepEqual(locationsOf(withLocation('{ // nothing yet\n}', 'f', 'a', 'file:///a')), ['a']);
  });

  it('indents and ends lines as the file does', () => {
    const after = withLocation('{\r\n\t"clusters": {}\r\n}\r\n', 'f', 'a', 'file:///a');
    assert.equal(after, '{\r\n\t"clusters": {},\r\n\t"backupLocations": {\r\n\t\t"a": "file:///a"\r\n\t}\r\n}\r\n');
  });

  it('keeps a byte order mark', () => {
    const after = withLocation('\uFEFF{ "clusters": {} }', 'f', 'a', 'file:///a');
    assert.ok(after.startsWith('\uFEFF{'));
    assert.deepEqual(locationsOf(after), ['a']);
  });

  it('adds a cluster', () => {
    const after = withCluster(EXAMPLE, 'f', 'test', { nodes: [{ name: 'n1', host: '10.0.0.1' }] });
    assert.deepEqual(
      checkClusters(after, 'f').file?.clusters.map((each) => each.name),
      ['staging', 'test'],
    );
    assert.deepEqual(commentsOf(after), commentsOf(EXAMPLE));
  });

  it('never makes a file that is wrong', () => {
    assert.equal(
      codeOf(() => withLocation(EXAMPLE, 'f', 'nightly', 'file:///x')),
      'config-exists',
    );
    assert.equal(
      codeOf(() => withLocation(EXAMPLE, 'f', 'None', 'file:///x')),
      'config-bad-location',
    );
    assert.equal(
      codeOf(() => withLocation(EXAMPLE, 'f', 'a', 'sftp://u:p@h/x')),
      'config-secret',
    );
    assert.equal(
      codeOf(() => withLocation(EXAMPLE, 'f', '__proto__', 'file:///x')),
      'config-unknown-key',
    );
    assert.equal(
      codeOf(() => withoutLocation(EXAMPLE, 'f', 'a')),
      'config-not-there',
    );
    assert.equal(
      codeOf(() => withCluster(EXAMPLE, 'f', 'staging', { nodes: [{ name: 'a' }] })),
      'config-exists',
    );
    assert.equal(
      codeOf(() => withCluster(EXAMPLE, 'f', 'x', { nodes: [] })),
      'config-no-nodes',
    );
    assert.equal(
      codeOf(() => withLocation('{ "clusters": {', 'f', 'a', 'file:///x')),
      'config-syntax',
    );
  });

  it('does not remove a location that a cluster uses', () => {
    const used = EXAMPLE.replace('"backup": "none"', '"backup": "nightly"');
    assert.equal(
      codeOf(() => withoutLocation(used, 'f', 'nightly')),
      'config-unknown-location',
    );
  });

  it('bears any sequence of adding and removing', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.record({ add: fc.boolean(), name });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 12 }),
        fc.constantFrom<string[]>(EXAMPLE, '{}', '{"clusters":{},}'),
        (steps, start) => {
          const expected = new Set(locationsOf(start));
          let text = start;
          for (const each of steps) {
            if (each.add === expected.has(each.name)) continue;
            text = each.add ? withLocation(text, 'f', each.name, 'file:///x') : withoutLocation(text, 'f', each.name);
            if (each.add) expected.add(each.name);
            else expected.delete(each.name);
          }
          assert.deepEqual(new Set(locationsOf(text)), expected);
          assert.deepEqual(commentsOf(text), commentsOf(start));
        },
      ),
    );
  });
});

describe('writing clusters.json', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edit-'));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it('keeps the mode of the file and leaves nothing behind', async () => {
    const path = write('mode.json', EXAMPLE);
    chmodSync(path, 0o640);
    await addLocation(path, 'weekly', 'file:///w');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(locationsOf(readFileSync(path, 'utf8')), ['nightly', 'vault', 'weekly']);
    await removeLocation(path, 'weekly');
    assert.deepEqual(locationsOf(readFileSync(path, 'utf8')), ['nightly', 'vault']);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('writes through a link', async () => {
    const path = write('real.json', '{}');
    const link = join(folder, 'link.json');
    symlinkSync(path, link);
    await addLocation(link, 'a', 'file:///a');
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.deepEqual(locationsOf(readFileSync(path, 'utf8')), ['a']);
  });

  it('makes the file and its folder', async () => {
    const path = join(folder, 'new', 'clusterlift', 'clusters.json');
    await addCluster(path, 'one', { nodes: [{ name: 'n', connection: 'local' }] });
    assert.equal(checkClusters(readFileSync(path, 'utf8'), path).file?.clusters[0]?.name, 'one');
  });

  it('loses no edit of several at once: each is written, or refused because the file changed', async () => {
    const path = write('race.json', '{}');
    const names = Array.from({ length: 8 }, (_, index) => `l${String(index)}`);
    const results = await Promise.allSettled(names.map(async (name) => addLocation(path, name, 'file:///x')));
    const refusals = results.filter((result) => result.status === 'rejected');
    for (const { reason } of refusals) assert.ok(hasCode(reason, 'config-changed'), String(reason));
    const written = names.filter((_, index) => results[index]?.status === 'fulfilled');
    assert.ok(written.length >= 1);
    assert.deepEqual(new Set(locationsOf(readFileSync(path, 'utf8'))), new Set(written));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('.race')),
      [],
    );
  });

  it('leaves the file alone when the edit is refused', async () => {
    const path = write('same.json', EXAMPLE);
    await assert.rejects(addLocation(path, 'nightly', 'file:///x'), (error: unknown) =>
      hasCode(error, 'config-exists'),
    );
    assert.equal(readFileSync(path, 'utf8'), EXAMPLE);
  });
});
