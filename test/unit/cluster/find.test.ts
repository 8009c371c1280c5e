import { strict as assert } from 'node:assert';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { chooseCluster, findClustersFile, userClustersPath } from '../../../src/cluster/find';
import { checkClusters } from '../../../src/cluster/load';

describe('findClustersFile', () => {
  const root = mkdtempSync(join(tmpdir(), 'find-'));
  const home = join(root, 'home');
  const work = join(root, 'work');
  const deep = join(work, 'project', 'src');
  const touch = (path: string): string => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '{}');
    return path;
  };
  mkdirSync(deep, { recursive: true });
  const find = async (cwd: string, config?: string): Promise<string> =>
    (await findClustersFile({ cwd, env: { HOME: home }, platform: 'linux', config })).path;

  it('says where it looked when there is none', async () => {
    await assert.rejects(find(deep), (error: unknown) => {
      assert.ok(hasCode(error, 'config-missing'));
      assert.match(error.message, /home\/\.config\/clusterlift\/clusters\.json/);
      return error.exit === 2;
    });
  });

  it("takes the user's own file, then the nearest workspace file, then --config", async () => {
    const own = touch(join(home, '.config/clusterlift/clusters.json'));
    assert.equal(await find(deep), own);
    const outer = touch(join(work, '.vscode/clusters.json'));
    assert.equal(await find(deep), outer);
    const inner = touch(join(work, 'project/.vscode/clusters.json'));
    assert.equal(await find(deep), inner);
    const named = touch(join(work, 'other.json'));
    assert.equal(await find(deep, '../../other.json'), named);
  });

  it('does not fall back when --config names nothing', async () => {
    await assert.rejects(find(deep, 'nothing.json'), (error: unknown) => hasCode(error, 'config-missing'));
  });

  it('refuses a file, or a folder, that belongs to somebody else, unless it is named', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const theirs = join(root, 'theirs');
    const path = touch(join(theirs, '.vscode/clusters.json'));
    for (const each of [theirs, dirname(path), path]) {
      chownSync(each, 12345, 12345);
      await assert.rejects(find(join(theirs)), (error: unknown) => hasCode(error, 'config-foreign'), each);
      assert.equal(await find(theirs, '.vscode/clusters.json'), path);
      chownSync(each, 0, 0);
    }
    assert.equal(await find(theirs), path);
    // As root by sudo: the files of the person who called it.
    for (const each of [theirs, dirname(path), path]) chownSync(each, 12345, 12345);
    const asRoot = (uid: string): Promise<unknown> =>
      findClustersFile({ cwd: theirs, env: { HOME: home, SUDO_UID: uid }, platform: 'linux' });
    assert.deepEqual(await asRoot('12345'), { path, by: 'found' });
    await assert.rejects(asRoot('54321'), (error: unknown) => hasCode(error, 'config-foreign'));
  });

  it('passes by a file that somebody else put into a folder where everyone may write', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const shared = join(root, 'shared');
    const foreign = touch(join(shared, '.vscode/clusters.json'));
    chownSync(foreign, 12345, 12345);
    chmodSync(shared, 0o1777);
    assert.notEqual(await find(shared), foreign);
  });

  it('follows XDG_CONFIG_HOME and APPDATA', () => {
    assert.equal(
      userClustersPath({ env: { HOME: '/h', XDG_CONFIG_HOME: '/x' }, platform: 'linux' }),
      '/x/clusterlift/clusters.json',
    );
    assert.equal(
      userClustersPath({ env: { HOME: '/h', XDG_CONFIG_HOME: 'x' }, platform: 'darwin' }),
      '/h/.config/clusterlift/clusters.json',
    );
    assert.equal(
      userClustersPath({ env: { APPDATA: 'C:\\Users\\u\\AppData\\Roaming' }, platform: 'win32' }),
      'C:\\Users\\u\\AppData\\Roaming\\clusterlift\\clusters.json',
    );
    assert.equal(userClustersPath({ env: {}, platform: 'linux' }), undefined);
  });
});

describe('chooseCluster', () => {
  const fileWith = (...names: string[]) => {
    const clusters = Object.fromEntries(names.map((name) => [name, { nodes: [{ name: 'n' }] }]));
    const { file } = checkClusters(JSON.stringify({ clusters }), 'f');
    assert.ok(file);
    return file;
  };
  const failure = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      for (const code of ['cluster-unknown', 'cluster-ambiguous'] as const)
        if (hasCode(error, code)) return `${code}: ${error.hint}`;
      throw error;
    }
    return 'no error';
  };

  it('takes the only one', () => {
    assert.equal(chooseCluster(fileWith('a')).name, 'a');
  });

  it('takes the named one', () => {
    assert.equal(chooseCluster(fileWith('a', 'b'), 'b').name, 'b');
  });

  it('does not guess among several', () => {
    assert.equal(
      failure(() => chooseCluster(fileWith('a', 'b'))),
      'cluster-ambiguous: Choose one with --cluster NAME: a, b.',
    );
  });

  it('says what was probably meant', () => {
    assert.equal(
      failure(() => chooseCluster(fileWith('staging', 'b'), 'stagin')),
      'cluster-unknown: Did you mean "staging"?',
    );
    assert.match(
      failure(() => chooseCluster(fileWith())),
      /^cluster-unknown/,
    );
  });
});
