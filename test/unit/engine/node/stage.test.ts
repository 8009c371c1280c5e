import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { takeLock } from '../../../../src/engine/node/lock';
import { beginStage, finishStage, type StageTarget } from '../../../../src/engine/node/stage';
import { unpackImage } from '../../../../src/engine/node/unpack';
import { openIso } from '../../../../src/package/iso/image';
import { openFileReader } from '../../../../src/package/sources/file';
import { unpackPlan, type UnpackPlan } from '../../../../src/package/unpack-plan';
import type { NodeConnection } from '../../../../src/ssh/connection';
import { makePackage } from '../../../lab/images';
import { underBothShells, type Place } from './shells';

const content = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 31) % 253));
const sha256 = createHash('sha256').update(content).digest('hex');

underBothShells('Staging an image', (place) => {
  const target = (): StageTarget => ({
    stateDir: place().stateDir,
    sha256,
    size: content.length,
    fence: { run: 'r1', epoch: 1 },
  });
  const image = (name: string): string => join(place().stateDir, 'packages', sha256, name);
  beforeEach(() => lock(place()));

  it('goes on where the part ends, and gives the whole its name once its digest is right', async () => {
    const { node } = place();
    const first = await beginStage(node, target(), 1000);
    assert.deepEqual(first, { complete: false, path: image('image.iso.part'), offset: 0 });
    await writeFile(image('image.iso.part'), content.subarray(0, 70_000));
    const second = await beginStage(node, target(), 1000);
    assert.equal(second.complete ? undefined : second.offset, 70_000);
    await appendFile(image('image.iso.part'), content.subarray(70_000));
    await finishStage(node, target());
    assert.ok((await readFile(image('image.iso'))).equals(content));
    assert.deepEqual(await beginStage(node, target(), 1000), { complete: true });
    await finishStage(node, target());
  });

  it('removes a part whose digest is wrong, or that is too long or too short', async () => {
    const { node } = place();
    const wrong = Buffer.from(content);
    wrong[5] = 0xff;
    for (const bytes of [wrong, Buffer.concat([content, Buffer.from('x')]), content.subarray(1)]) {
      await beginStage(node, target(), 1000);
      await writeFile(image('image.iso.part'), bytes);
      await assert.rejects(finishStage(node, target()), (e) => hasCode(e, 'stage-digest'));
      assert.deepEqual(await readdir(image('.')), []);
    }
  });

  it('copies from a file of the login user, and looks at the copy only', async () => {
    const { node, root } = place();
    const source = join(root, 'upload.part');
    await writeFile(source, Buffer.concat([content, Buffer.from('it grew meanwhile')]));
    await beginStage(node, target(), 1000);
    await finishStage(node, target(), source);
    assert.ok((await readFile(image('image.iso'))).equals(content));
    await writeFile(source, 'changed afterwards');
    assert.ok((await readFile(image('image.iso'))).equals(content));
    assert.equal((await stat(image('image.iso'))).nlink, 1);
  });

  it('does not follow a link, read a pipe or a device', async () => {
    const { node, root } = place();
    await beginStage(node, target(), 1000);
    await symlink('/etc/passwd', join(root, 'link'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    for (const source of [join(root, 'link'), join(root, 'pipe'), '/dev/zero', root, join(root, 'none')]) {
      await assert.rejects(finishStage(node, target(), source), (e) => hasCode(e, 'stage-source'), source);
    }
  });

  it('is refused without room, and to whoever lost the lock', async () => {
    const { node } = place();
    await assert.rejects(beginStage(node, target(), 1e15), (e) => hasCode(e, 'stage-space'));
    const late = { ...target(), fence: { run: 'r1', epoch: 0 } };
    await assert.rejects(beginStage(node, late, 0), (e) => hasCode(e, 'fenced'));
    await assert.rejects(finishStage(node, late), (e) => hasCode(e, 'fenced'));
  });
});

underBothShells('Unpacking an image', (place) => {
  beforeEach(() => lock(place()));

  it('makes every file as it is in the image: bytes, modes, links, odd names', async () => {
    const { node } = place();
    const files = {
      "data/it's a \\ $(name)": 'odd\n',
      'data/empty': '',
      'data/exactly': Buffer.alloc(4096, 7),
      'data/large': content,
      'ü/ñ': 'text',
    };
    const made = await makePackage({
      version: '1.0',
      scripts: { version: 'echo 1.0', upgrade: 'true' },
      files,
      sums: true,
    });
    const { plan, target, directory } = await staged(place(), made);
    await unpackImage(node, target, plan, [{ path: 'bin/extra', content: "#!/bin/sh\necho 'it'\n" }]);
    for (const [path, text] of Object.entries(files)) {
      assert.ok((await readFile(join(directory, path))).equals(Buffer.from(text)), path);
    }
    for (const each of plan.files)
      assert.equal((await stat(join(directory, each.path))).mode & 0o777, each.mode | 0o400);
    assert.equal(await readFile(join(directory, 'bin/extra'), 'utf8'), "#!/bin/sh\necho 'it'\n");
    assert.equal((await stat(join(directory, 'bin/version'))).mode & 0o111, 0o111);
    await unpackImage(node, target, plan, []);
  });

  it('also works where dd can only count blocks', async () => {
    const { node } = place();
    const files = { small: 'x', empty: '', large: content, exactly: content.subarray(0, 65_536) };
    const made = await makePackage({ version: '1.0', scripts: { version: 'x', upgrade: 'x' }, files });
    const { plan, target, directory } = await staged(place(), made);
    const old = Object.assign(Object.create(node) as NodeConnection, {
      exec: (request: Parameters<NodeConnection['exec']>[0]) =>
        node.exec({ ...request, script: request.script.replace('counts_bytes=yes', 'counts_bytes=no') }),
    });
    await unpackImage(old, target, plan, []);
    for (const [path, text] of Object.entries(files)) {
      assert.ok((await readFile(join(directory, path))).equals(Buffer.from(text)), path);
    }
  });

  it('begins anew after it was cut short, and never takes half a list for a whole one', async () => {
    const { node } = place();
    const made = await makePackage({ version: '1.0', scripts: { version: 'echo 1.0', upgrade: 'true' } });
    const { plan, target, directory } = await staged(place(), made);
    await assert.rejects(unpackImage(cutting(node), target, plan, []), (e) => hasCode(e, 'unpack-failed'));
    assert.equal(existsSync(directory), false);
    await unpackImage(node, target, plan, []);
    assert.equal(existsSync(join(directory, 'upgrade.json')), true);
    assert.deepEqual((await readdir(join(directory, '..'))).sort(), ['files', 'image.iso', 'unpacked']);
  });

  it('fails when a file is not the one that was verified, whatever its name, and leaves nothing', async () => {
    const { node, stateDir } = place();
    const files = { plain: 'text', 'back\\slash': 'text', "it's $(a) blank": 'text' };
    const made = await makePackage({
      version: '1.0',
      scripts: { version: 'x', upgrade: 'x' },
      files,
      flavour: 'builtin',
    });
    const { plan, target, directory } = await staged(place(), made);
    for (const path of Object.keys(files)) {
      const lied = plan.files.map((each) => ({
        ...each,
        sha256: createHash('sha256')
          .update(each.path === path ? 'other' : 'text')
          .digest('hex'),
      }));
      const only = { ...plan, files: lied.filter((each) => each.path in files) };
      await assert.rejects(unpackImage(node, target, only, []), (e) => hasCode(e, 'unpack-failed'), path);
      assert.equal(existsSync(directory), false);
    }
    const right = createHash('sha256').update('text').digest('hex');
    const proven = plan.files.map((each) => (each.path in files ? { ...each, sha256: right } : each));
    await unpackImage(node, target, { ...plan, files: proven }, []);
    assert.equal(await readFile(join(directory, 'back\\slash'), 'utf8'), 'text');
    assert.deepEqual((await readdir(join(stateDir, 'packages', made.sha256))).sort(), [
      'files',
      'image.iso',
      'unpacked',
    ]);
  });

  it('makes the files again when the same image is unpacked by another plan', async () => {
    const { node } = place();
    const made = await makePackage({ version: '1.0', scripts: { version: 'x', upgrade: 'x' } });
    const { plan, target, directory } = await staged(place(), made);
    const recipe = (content: string) => [{ path: '.clusterlift/upgrade', content }];
    await unpackImage(node, target, plan, recipe('first'));
    await writeFile(join(directory, 'left'), 'here');
    await unpackImage(node, target, plan, recipe('first'));
    assert.equal(existsSync(join(directory, 'left')), true, 'the same plan changes nothing');
    await unpackImage(node, target, plan, recipe('second'));
    assert.equal(await readFile(join(directory, '.clusterlift/upgrade'), 'utf8'), 'second');
    const modes = plan.files.map((each) => ({ ...each, mode: each.path === 'bin/upgrade' ? 0o644 : each.mode }));
    await unpackImage(node, target, { ...plan, files: modes }, recipe('second'));
    assert.equal((await stat(join(directory, 'bin/upgrade'))).mode & 0o777, 0o644);
    assert.equal(existsSync(join(directory, 'left')), false);
  });

  it('needs a staged image', async () => {
    const { node, stateDir } = place();
    const made = await makePackage({ version: '1.0', scripts: { version: 'echo 1.0', upgrade: 'true' } });
    const { plan, target } = await staged(place(), made);
    await rm(join(stateDir, 'packages'), { recursive: true });
    await mkdir(join(stateDir, 'packages'));
    await assert.rejects(unpackImage(node, target, plan, []), (e) => hasCode(e, 'stage-missing'));
  });
});

async function lock({ node, stateDir }: Place): Promise<void> {
  await takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'u', command: 'c' });
}

async function staged(
  { node, stateDir }: Place,
  made: { path: string; sha256: string; size: number },
): Promise<{ plan: UnpackPlan; target: StageTarget; directory: string }> {
  const target = { stateDir, sha256: made.sha256, size: made.size, fence: { run: 'r1', epoch: 1 } };
  await beginStage(node, target, 0);
  await finishStage(node, target, made.path);
  const reader = await openFileReader(made.path);
  const plan = await unpackPlan(await openIso(reader));
  await reader.close();
  return { plan, target, directory: join(stateDir, 'packages', made.sha256, 'files') };
}

/** A link that drops the last bytes of every stdin. */
function cutting(node: NodeConnection): NodeConnection {
  return Object.assign(Object.create(node) as NodeConnection, {
    exec: async (request: Parameters<NodeConnection['exec']>[0]) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk);
      return node.exec({ ...request, stdin: Buffer.concat(chunks).subarray(0, -20) });
    },
  });
}
