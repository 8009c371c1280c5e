import { strict as assert } from 'node:assert';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readMarks, twinText } from '../../../../src/engine/node/twins';
import type { NodeConnection } from '../../../../src/ssh/connection';
import { underBothShells } from './shells';

underBothShells('Marks in the state directories of nodes', (place) => {
  const { signal } = new AbortController();
  const read = async (...stateDirs: string[]): Promise<number[][]> => {
    const seen = await readMarks(
      stateDirs.map((stateDir) => ({ connection: place().node, stateDir })),
      signal,
    );
    return seen.map((each) => [...each].sort());
  };
  /** Every pair of which one saw the other. */
  const pairs = (seen: number[][]): string[] =>
    seen
      .flatMap((each, at) => each.filter((other) => other !== at).map((other) => [at, other].sort().join('-')))
      .filter((pair, at, all) => all.indexOf(pair) === at)
      .sort();

  it('are seen by the names of one directory, and by no other; nothing stays', async () => {
    const { root } = place();
    for (const name of ['a', 'b', 'c']) await mkdir(join(root, name), { mode: 0o700 });
    await symlink(join(root, 'a'), join(root, 'also'));
    const seen = await read(join(root, 'a'), join(root, 'b'), join(root, 'also'), join(root, 'c'));
    assert.deepEqual(pairs(seen), ['0-2']);
    for (const name of ['a', 'b', 'c']) assert.deepEqual(await readdir(join(root, name)), []);
  });

  it('are seen where there is no state directory yet, which is not made', async () => {
    const { root } = place();
    for (const name of ['a', 'b']) await mkdir(join(root, name));
    const seen = await read(join(root, 'a/state'), join(root, 'a/state'), join(root, 'b/x/state'));
    assert.deepEqual(pairs(seen), ['0-1']);
    assert.deepEqual([...(await readdir(join(root, 'a'))), ...(await readdir(join(root, 'b')))], []);
  });

  it('prove nothing when somebody plants others, or a node does not answer or makes things up', async () => {
    const { root, node } = place();
    for (const name of ['a', 'b']) await mkdir(join(root, name));
    await writeFile(join(root, 'a', `.clusterlift-mark.${'0'.repeat(32)}`), '');
    await symlink('/etc/passwd', join(root, 'b', '.clusterlift-mark.x'));
    assert.deepEqual(pairs(await read(join(root, 'a'), join(root, 'b'))), []);
    const silent = { node: 'n2', exec: () => Promise.reject(new Error('gone')) } as unknown as NodeConnection;
    const liar = {
      node: 'n3',
      exec: (request: Parameters<NodeConnection['exec']>[0]) => {
        // It knows its own mark, and no other.
        void request.onStdout?.(Buffer.from(`mark 32\n${request.args?.[1] ?? ''}\nmark 1\n*\n`));
        return Promise.resolve({ code: 0, signal: undefined, stdout: '', stderr: '' });
      },
    } as unknown as NodeConnection;
    const seen = await readMarks(
      [node, silent, liar].map((connection) => ({ connection, stateDir: join(root, 'b') })),
      signal,
    );
    assert.deepEqual(
      seen.map((each) => [...each]),
      [[0], [], [2]],
    );
  });

  it('are said in the words of what they prove', () => {
    assert.equal(twinText('machine', ['n1', 'n2'], 'the lock').code, 'machine-twice');
    const { code, message } = twinText('directory', ['n1', 'n2'], 'the lock');
    assert.equal(code, 'state-shared');
    assert.match(message, /two machines with one state directory/);
  });
});
