import { strict as assert } from 'node:assert';
import { chmod, chown, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { listPackages, ownersOf } from '../../../../src/engine/node/packages';
import { writableBy } from '../../../../src/engine/prepare/newest';
import { underBothShells } from './shells';

underBothShells('The images on a node', (place) => {
  it('are told with their size, and refused as a whole where they are too many to be sure of the newest', async () => {
    const { node, root } = place();
    const dir = join(root, 'images');
    await mkdir(dir);
    for (let at = 0; at < 200; at++) await writeFile(join(dir, `${String(at)}.iso`), 'x');
    const found = await listPackages(node, [join(root, 'none'), dir]);
    assert.equal(found.length, 200);
    assert.equal(found[0]?.size, 1);
    await writeFile(join(dir, 'one-more.iso'), 'x');
    await assert.rejects(listPackages(node, [join(root, 'none'), dir]), (e) => hasCode(e, 'packages-many'));
  });

  it('are told with all who could exchange them, up to the root, without links', async () => {
    const { node, root } = place();
    const dir = join(root, 'real images');
    await mkdir(dir, { mode: 0o755 });
    await writeFile(join(dir, 'x.iso'), 'x', { mode: 0o644 });
    await symlink(dir, join(root, 'link'));
    const given = join(root, 'link/x.iso');
    const owners = await ownersOf(node, given);
    assert.equal(owners.path, await realpath(given));
    assert.equal(owners.login, process.getuid?.());
    assert.equal(owners.owner, userInfo().username);
    assert.deepEqual(owners.parts.map(({ path }) => path).slice(0, 3), [
      owners.path,
      await realpath(dir),
      await realpath(root),
    ]);
    assert.equal(owners.parts.at(-1)?.path, '/');
    assert.equal(owners.parts[0]?.mode.slice(0, 10), '-rw-r--r--');
    assert.equal(writableBy(owners), undefined);
    await chmod(dir, 0o777);
    assert.match(writableBy(await ownersOf(node, given)) ?? '', /everybody may write .*real images$/);
    await chmod(dir, 0o1777);
    assert.match(writableBy(await ownersOf(node, given)) ?? '', /everybody may write/, 'others could add a newer one');
    await chmod(dir, 0o755);
    await chmod(join(dir, 'x.iso'), 0o666);
    assert.match(writableBy(await ownersOf(node, given)) ?? '', /everybody may write .*x\.iso$/);
    if (process.getuid?.() !== 0) return;
    await chmod(join(dir, 'x.iso'), 0o664);
    await chown(join(dir, 'x.iso'), 0, 4711);
    assert.match(writableBy(await ownersOf(node, given)) ?? '', /a group may write/);
    await chown(join(dir, 'x.iso'), 65534, 0);
    assert.match(writableBy(await ownersOf(node, given)) ?? '', /another user \(uid 65534\)/);
  });

  it('may be writable by the own group of the login user alone', () => {
    const file = { mode: '-rw-rw-r--', uid: 1000, gid: 1000, path: '/home/u/x.iso' };
    const above = [
      { mode: 'drwxrwxr-x', uid: 1000, gid: 1000, path: '/home/u' },
      { mode: 'drwxr-xr-x', uid: 0, gid: 0, path: '/home' },
    ];
    const owners = { path: file.path, owner: 'u', login: 1000, privateGroup: 1000, parts: [file, ...above] };
    assert.equal(writableBy(owners), undefined);
    assert.match(writableBy({ ...owners, privateGroup: undefined }) ?? '', /a group may write/);
    const acl = { ...file, mode: '-rw-rw-r--+', gid: 0 };
    assert.match(writableBy({ ...owners, parts: [acl, ...above] }) ?? '', /a group may write/);
  });
});
