import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { listPackages } from '../../../src/engine/node/packages';
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
});
