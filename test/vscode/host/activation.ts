import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import * as vscode from 'vscode';

const ID = 'clusterlift.clusterlift';

describe('the extension in its host', () => {
  it('activates by itself after start-up', async () => {
    const extension = vscode.extensions.getExtension(ID);
    assert.ok(extension, 'the editor knows the extension');
    await extension.activate();
    assert.equal(extension.isActive, true);
  });

  it('loads one small file, so neither SSH nor HTTP, into the process that all extensions share', () => {
    const folder = vscode.extensions.getExtension(ID)?.extensionPath ?? '';
    const loaded = Object.keys(require.cache).filter((file) => file.startsWith(join(folder, 'dist')));
    assert.deepEqual(loaded, [join(folder, 'dist/extension.js')]);
  });
});
