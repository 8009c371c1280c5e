import { strict as assert } from 'node:assert';
import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDirectory } from '../../../src/base/directories';

const isCode = (code: string) => (error: NodeJS.ErrnoException) => error.code === code;

describe('makeDirectory', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'directories-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  it('makes the directories above too, for their owner only, and keeps one that exists', async () => {
    const path = join(home, 'a/b/c');
    await Promise.all([makeDirectory(path), makeDirectory(path), makeDirectory(join(home, 'a/b/d'))]);
    await makeDirectory(path, 0o755);
    for (const each of ['a', 'a/b', 'a/b/c', 'a/b/d'])
      assert.equal((await stat(join(home, each))).mode & 0o7777, 0o700, each);
  });

  it('takes a link to a directory as one', async () => {
    await symlink(home, join(home, 'link'));
    await makeDirectory(join(home, 'link'));
    await makeDirectory(join(home, 'link/in'));
    assert.ok((await stat(join(home, 'in'))).isDirectory());
  });

  it('fails where a file is in the way', async () => {
    await writeFile(join(home, 'file'), '');
    await assert.rejects(makeDirectory(join(home, 'file')), isCode('EEXIST'));
    await assert.rejects(makeDirectory(join(home, 'file/a/b')), isCode('ENOTDIR'));
  });

  it('fails where a directory exists in which nothing can be made, instead of trying for ever', async function () {
    if (process.platform !== 'linux') this.skip();
    await assert.rejects(makeDirectory('/proc/clusterlift/runs'), isCode('ENOENT'));
  });
});
