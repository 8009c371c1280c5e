import { strict as assert } from 'node:assert';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { takeLock } from '../../../../src/engine/node/lock';
import {
  finishRecord,
  installedVersion,
  noteVersion,
  parseRecord,
  recordText,
  type InstallRecord,
} from '../../../../src/engine/node/record';
import { underBothShells } from './shells';

underBothShells('The record of a node', (place) => {
  const fence = { run: 'r1', epoch: 1 };
  const text = recordText({ run: 'r1', product: 'acme', from: '1.0', to: '2.0', sha256: 'a'.repeat(64) });
  const at = (name: string): string => join(place().stateDir, 'installed/acme', name);
  const record = async (): Promise<InstallRecord | undefined> => parseRecord(await readFile(at('record.json'), 'utf8'));

  beforeEach(async () => {
    const { node, stateDir } = place();
    await takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'ann', command: 'c' });
    await mkdir(at(''), { recursive: true });
    await writeFile(at('record.json'), text);
  });

  it('says which version a failed node has, as often as it is asked, and only of its own run', async () => {
    const { node, stateDir } = place();
    for (const has of ["it's \\1&2", null, '1.0', '1.0'] as const) {
      await noteVersion(node, { stateDir, fence, product: 'acme', has });
      assert.deepEqual([(await record())?.state, (await record())?.has], ['failed', has]);
    }
    const other = text.replace('"r1"', '"r0"');
    await writeFile(at('record.json'), other);
    await noteVersion(node, { stateDir, fence, product: 'acme', has: '9' });
    assert.equal(await readFile(at('record.json'), 'utf8'), other);
    const stale = noteVersion(node, { stateDir, fence: { run: 'r0', epoch: 1 }, product: 'acme', has: '9' });
    await assert.rejects(stale, (error) => hasCode(error, 'fenced'));
  });

  it('is done with its scripts, whatever their names hold, and nothing is noted after that', async () => {
    const { node, stateDir, root } = place();
    const directory = join(root, 'unpacked');
    const files = ['bin/version', "an odd/it's \\n \nname"];
    for (const name of files) {
      await mkdir(join(directory, name, '..'), { recursive: true });
      await writeFile(join(directory, name), `of ${name}`);
    }
    const manifest = { product: 'acme' };
    const install = { stateDir, fence, product: 'acme', sha256: 'a'.repeat(64), manifest, files, directory };
    for (let times = 0; times < 2; times++) await finishRecord(node, install);
    for (const name of files) assert.equal(await readFile(join(at('files'), name), 'utf8'), `of ${name}`);
    assert.deepEqual(JSON.parse(await readFile(at('manifest.json'), 'utf8')), manifest);
    await noteVersion(node, { stateDir, fence, product: 'acme', has: '1.0' });
    const done = await record();
    assert.ok(done);
    assert.deepEqual([done.state, installedVersion(done)], ['done', '2.0']);
  });
});
