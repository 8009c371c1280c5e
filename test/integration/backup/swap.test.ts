import { strict as assert } from 'node:assert';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part } from '../../../src/backup/points/point';
import { DirectoryStore } from '../../../src/backup/stores/directory';
import { backTask, forwardTask, keepReplaced, removeReplaced, swapState } from '../../../src/backup/swap';
import { checkEnd } from '../../../src/backup/points/task';
import { samplePoint } from '../../unit/backup/sample';
import { succeed } from '../../lab/tools';
import {
  blocks,
  busyboxPath,
  census,
  linkOf,
  oddTree,
  Place,
  ruin,
  runTask,
  ShellConnection,
  textOf,
  whyNotRoot,
  withCode,
} from './places';

const ID = '20261122T201755Z-staging-4f2a9c';
const TAG = 'run1';

async function save(place: Place, paths: readonly string[]): Promise<Part> {
  const location = parseLocation({ name: 'nightly', uri: `file://${join(place.dir, 'backups')}` });
  assert.equal(location.kind, 'directory');
  return new DirectoryStore(location).createPart({
    point: ID,
    node: place.node,
    cluster: 'staging',
    run: undefined,
    version: '1',
    paths,
    exclude: [],
    leaveOut: [],
    quiet: undefined,
    runTask: place.run,
  });
}

async function restore(place: Place, part: Part, connection = place.connection): Promise<void> {
  checkEnd('n1', await runTask(connection, await forward(place, part)));
}

async function forward(place: Place, part: Part, tag = TAG) {
  const location = parseLocation({ name: 'nightly', uri: `file://${join(place.dir, 'backups')}` });
  assert.equal(location.kind, 'directory');
  const point = samplePoint([], { nodes: { n1: part } });
  const source = await new DirectoryStore(location).prepareRestore({ point, part, node: place.node }, true);
  return forwardTask(place.node, tag, source, part.paths);
}

async function leftovers(place: Place): Promise<string[]> {
  const found = await succeed('find', [place.dir, '-name', '.clusterlift-*']);
  const state = await readdir(join(place.node.stateDir, 'restore')).catch(() => []);
  return [...found.split('\n').filter((each) => each !== ''), ...state];
}

describe('restoring a node', () => {
  let place: Place;
  before(function () {
    if (whyNotRoot() !== undefined) this.skip();
  });
  beforeEach(async () => {
    place = await Place.make('n1', { shell: ['dash'] });
  });
  afterEach(() => place.remove());

  it('keeps what it replaced, as it was, until another restore begins', async () => {
    const app = join(place.root, 'app');
    await mkdir(app);
    await writeFile(join(app, 'data'), 'of the point');
    const part = await save(place, [app]);
    await writeFile(join(app, 'data'), 'of today');
    const today = await census(app);
    await restore(place, part);
    const { places, short } = await keepReplaced(place.node, TAG);
    assert.deepEqual([places.length, short], [1, false]);
    assert.equal((await census(places[0] ?? '')).replaceAll(places[0] ?? '', app), today);
    assert.deepEqual(await keepReplaced(place.node, TAG), { places, short }, 'it may be repeated');
    assert.equal((await swapState(place.node, TAG)).phase, 'kept');
    // Nothing goes back by itself any more.
    checkEnd('n1', await place.run(backTask(place.node, TAG)));
    assert.equal(await readFile(join(app, 'data'), 'utf8'), 'of the point');
    checkEnd('n1', await place.run(await forward(place, part, 'run2')));
    await removeReplaced(place.node, 'run2');
    assert.deepEqual(await leftovers(place), []);
  });

  it('makes the odd tree exactly as it was: names, contents, owners, modes, times, links, holes, attributes', async function () {
    this.timeout(300_000);
    const app = join(place.root, 'app');
    await oddTree(app, '2G');
    const was = await census(app);
    const wasBlocks = await blocks(join(app, 'sparse'));
    const part = await save(place, [app]);
    await ruin(app);
    assert.notEqual(await census(app), was);
    await restore(place, part);
    assert.equal(await census(app), was);
    assert.ok((await blocks(join(app, 'sparse'))) <= wasBlocks + 16, 'the hole is still one');
    assert.equal((await swapState(place.node, TAG)).phase, 'in');
    await removeReplaced(place.node, TAG);
    assert.deepEqual(await leftovers(place), []);
    assert.equal(await census(app), was);
  });

  it('goes back to exactly what was there before, as often as asked', async () => {
    const app = join(place.root, 'app');
    await oddTree(app, '30M');
    const part = await save(place, [app]);
    await ruin(app);
    const before = await census(app);
    await restore(place, part);
    for (let again = 0; again < 2; again++) {
      checkEnd('n1', await runTask(place.connection, backTask(place.node, TAG)));
      assert.equal(await census(app), before);
      assert.equal((await swapState(place.node, TAG)).phase, 'back');
    }
    const end = await runTask(place.connection, await forward(place, part));
    assert.match(end.log, /CLUSTERLIFT-ERROR swap-backwards/);
    await removeReplaced(place.node, TAG);
    assert.deepEqual(await leftovers(place), []);
  });

  it('knows paths that were absent, are gone now, are links, or files', async () => {
    const [absent, gone, link, file, empty] = ['absent', 'deep/er/gone', 'link', 'file', 'empty'].map((each) =>
      join(place.root, each),
    ) as [string, string, string, string, string];
    await mkdir(gone, { recursive: true });
    await writeFile(join(gone, 'x'), 'x');
    await symlink('/target/of/old', link);
    await writeFile(file, 'old', { mode: 0o640 });
    await mkdir(empty);
    const was = await census(place.root);
    const part = await save(place, [absent, gone, link, file, empty]);
    await rm(join(place.root, 'deep'), { recursive: true });
    await rm(link);
    await mkdir(link);
    await writeFile(join(link, 'now'), 'a directory');
    await writeFile(file, 'new');
    await writeFile(absent, 'came later');
    await restore(place, part);
    assert.equal(await linkOf(link), '/target/of/old');
    const strip = (text: string): string =>
      text
        .split('\n')
        .filter((each) => !/"d [0-9]+ 0:0 [0-9]+ [0-9.]+ [0-9]+ (deep|deep\/er)? ->/.test(each))
        .join('\n');
    await removeReplaced(place.node, TAG);
    assert.equal(strip(await census(place.root)), strip(was));
  });

  it('takes paths with every odd character at their word', async () => {
    const paths = ['q"uo\\te', 'ünï ☃', "it's $(x) `y`", '*[a]?', '-dash', 'a -> b', ' lead'].map((each) =>
      join(place.root, each),
    );
    for (const each of paths) {
      await mkdir(each);
      await writeFile(join(each, 'file'), 'v1');
    }
    const part = await save(place, paths);
    assert.ok(part.paths.every((each) => each.state === 'present'));
    for (const each of paths) await writeFile(join(each, 'file'), 'v2');
    await restore(place, part);
    for (const each of paths) assert.equal(await textOf(join(each, 'file')), 'v1', each);
    await removeReplaced(place.node, TAG);
    assert.deepEqual(await leftovers(place), []);
  });

  it('keeps hard links between two paths', async () => {
    const [one, two] = [join(place.root, 'one'), join(place.root, 'nested/two')] as const;
    await mkdir(one);
    await mkdir(two, { recursive: true });
    await writeFile(join(one, 'file'), 'shared');
    await succeed('ln', [join(one, 'file'), join(two, 'same')]);
    const was = await census(place.root);
    const part = await save(place, [one, two]);
    await rm(one, { recursive: true });
    await writeFile(join(two, 'same'), 'changed');
    await restore(place, part);
    await removeReplaced(place.node, TAG);
    const inode = (text: string): string =>
      text
        .split('\n')
        .filter((each) => each.includes(' = '))
        .join();
    assert.equal(inode(await census(place.root)), inode(was));
    assert.match(inode(was), /same = one.file/);
  });

  it('replaces nothing when the archive is damaged, missing, or lists something unsafe', async () => {
    const app = join(place.root, 'app');
    await mkdir(app);
    await writeFile(join(app, 'file'), 'v1');
    const part = await save(place, [app]);
    await writeFile(join(app, 'file'), 'v2');
    assert.ok(part.data.kind === 'archive');
    const changed: Part = { ...part, data: { ...part.data, sha256: '0'.repeat(64) } };
    await assert.rejects(restore(place, changed), withCode('restore-digest'));
    await rm(join(place.dir, 'backups', ID, part.data.file));
    await assert.rejects(restore(place, part), withCode('restore-missing'));
    assert.equal(await textOf(join(app, 'file')), 'v2');
    assert.deepEqual(await leftovers(place), []);
  });

  it('goes back by itself when the new one cannot come in', async () => {
    const paths = ['a', 'b', 'c'].map((each) => join(place.root, each));
    for (const each of paths) await mkdir(join(each, 'v1'), { recursive: true });
    const part = await save(place, paths);
    for (const each of paths) await mkdir(join(each, 'v2'));
    const all = async (): Promise<string> => (await Promise.all(paths.map((each) => census(each)))).join('\n');
    const before = await all();
    // Whatever moves the second new tree fails.
    const broken = new ShellConnection('n1', {
      before:
        'perl() { case ${3-} in */new/*/b) return 1 ;; esac; command perl "$@"; }; tar() { case "$*" in "-x "*"-C . -f"*) return 2 ;; esac; command tar "$@"; }',
    });
    const end = await runTask(broken, await forward(place, part));
    assert.match(end.log, /CLUSTERLIFT-ERROR swap-went-back/);
    assert.equal((await swapState(place.node, TAG)).phase, 'back');
    await removeReplaced(place.node, TAG);
    assert.equal(await all(), before);
  });

  it('works with nothing but busybox', async () => {
    const bare = await Place.make('n1', { shell: ['busybox', 'sh'], path: await busyboxPath() });
    try {
      const app = join(bare.root, 'app');
      await mkdir(join(app, 'sub dir'), { recursive: true });
      await writeFile(join(app, 'file'), 'v1', { mode: 0o604 });
      await succeed('ln', [join(app, 'file'), join(app, 'sub dir', 'hard')]);
      await symlink('gone', join(app, 'link'));
      await succeed('chown', ['12:34', join(app, 'file')]);
      await succeed('touch', [
        '-h',
        '-d',
        '2020-01-01 00:00:00',
        join(app, 'link'),
        join(app, 'file'),
        join(app, 'sub dir'),
        app,
      ]);
      const was = await census(app, 'plain');
      const part = await save(bare, [app]);
      await rm(join(app, 'link'));
      await writeFile(join(app, 'file'), 'v2');
      await restore(bare, part);
      // It restores no times of directories and links, and says so.
      const some = (text: string): string => text.replace(/"(d|l) (\d+ \d+:\d+) \d+/g, '$1 $2');
      assert.ok(part.lost.includes('directory-times'));
      assert.equal(some(await census(app, 'plain')), some(was));
      checkEnd('n1', await runTask(bare.connection, backTask(bare.node, TAG)));
      assert.equal(await readFile(join(app, 'file'), 'utf8'), 'v2');
      await removeReplaced(bare.node, TAG);
      assert.deepEqual(await leftovers(bare), []);
    } finally {
      await bare.remove();
    }
  });
});
