import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { holdFile, type HeldFile } from '../../../src/package/sources/private';

const GOOD = 'what was verified';
const SHA256 = createHash('sha256').update(GOOD).digest('hex');

describe('a package in a file that others may write', () => {
  let folder: string;
  let copies: string;
  let path: string;

  beforeEach(async function () {
    if (process.getuid === undefined) this.skip();
    folder = await mkdtemp(join(await realpath(homedir()), '.clusterlift-private-'));
    copies = join(folder, 'copies');
    path = join(folder, 'pkg/x.iso');
    await mkdir(join(folder, 'pkg'), { mode: 0o755 });
    await writeFile(path, GOOD, { mode: 0o644 });
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const textOf = async ({ reader }: HeldFile): Promise<string> => {
    const bytes = await reader.read(0, reader.size);
    return Buffer.from(bytes).toString();
  };

  async function copied(): Promise<void> {
    const held = await holdFile(path, copies);
    try {
      assert.deepEqual(held.copied, { sha256: SHA256 });
      assert.equal(held.path, join(copies, `${SHA256}.iso`));
      assert.equal((await stat(held.path)).mode & 0o777, 0o600);
      assert.equal((await stat(copies)).mode & 0o777, 0o700);
      await writeFile(path, 'something else ..');
      assert.equal(await textOf(held), GOOD);
    } finally {
      await held.reader.close();
    }
  }

  it('is not copied where only we and root can write', async () => {
    const held = await holdFile(path, copies);
    assert.equal(held.copied, undefined);
    await writeFile(`${path}.new`, 'evil');
    await rename(`${path}.new`, path);
    assert.equal(await textOf(held), GOOD, 'one handle, whatever has the name now');
    await held.reader.close();
    assert.deepEqual((await readdir(folder)).sort(), ['pkg']);
  });

  it('is copied when everybody may write it', async () => {
    await chmod(path, 0o666);
    await copied();
  });

  it('is copied when a group may write it that others are in', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await chown(path, 0, 1234);
    await chmod(path, 0o664);
    await copied();
  });

  it('is copied when it belongs to another user', async function () {
    if (process.getuid?.() !== 0) this.skip();
    await chown(path, 65534, 0);
    await copied();
  });

  it('is copied when others may write its directory, or one above', async () => {
    await chmod(join(folder, 'pkg'), 0o777);
    await copied();
    await chmod(join(folder, 'pkg'), 0o755);
    await writeFile(path, GOOD);
    await chmod(folder, 0o777);
    await copied();
  });

  it('is not copied out of a directory where others cannot touch our files, such as /tmp', async () => {
    await chmod(join(folder, 'pkg'), 0o1777);
    const held = await holdFile(path, copies);
    assert.equal(held.copied, undefined);
    await held.reader.close();
  });

  it('leaves no copy of a run that nobody came back for', async () => {
    await chmod(path, 0o666);
    await mkdir(copies, { mode: 0o700 });
    const old = join(copies, `${'0'.repeat(64)}.iso`);
    await writeFile(old, 'x');
    await utimes(old, new Date('2020-01-01'), new Date('2020-01-01'));
    await copied();
    assert.deepEqual(await readdir(copies), [`${SHA256}.iso`]);
  });
});
