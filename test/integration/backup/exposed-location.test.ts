import { strict as assert } from 'node:assert';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { parseLocation } from '../../../src/backup/points/location';
import { DirectoryStore } from '../../../src/backup/stores/directory';
import { forwardTask, lookAtPart, removeReplaced } from '../../../src/backup/swap';
import { checkEnd } from '../../../src/backup/points/task';
import { samplePoint } from '../../unit/backup/sample';
import { succeed } from '../../lab/tools';
import { SHELLS, shellOptions } from './exposed';
import { Place, runTask, ShellConnection, textOf, whyNotRoot } from './places';

describe('a location that somebody else may change', function () {
  this.timeout(300_000);
  before(function () {
    if (whyNotRoot() !== undefined) this.skip();
  });

  for (const shell of SHELLS) {
    describe(`with ${shell}`, () => {
      let place: Place;
      beforeEach(async () => {
        place = await Place.make('n1', await shellOptions(shell));
      });
      afterEach(() => place.remove());

      function store(path: string): DirectoryStore {
        const location = parseLocation({ name: 'nightly', uri: `file://${path}` });
        assert.equal(location.kind, 'directory');
        return new DirectoryStore(location);
      }

      async function verdict(path: string, how: 'look' | 'write' | 'create'): Promise<string> {
        const [result] = await store(path).check([place.node], how);
        if (result?.status === 'fulfilled') return 'fine';
        assert.ok(hasCode(result?.reason, 'location-exposed'), String(result?.reason));
        return 'exposed';
      }

      it('is refused, and nothing is written there', async () => {
        const at = (path: string): string => join(place.dir, path);
        await succeed('sh', [
          '-ceu',
          'cd "$1"; mkdir -p root/fine theirs/below shared sticky/mine app; chmod 777 shared; chmod 1777 sticky; chown 1234 theirs; ln -s root/fine linked; ln -s /root app/link; chown -h 1234 app app/link',
          'sh',
          place.dir,
        ]);
        for (const how of ['look', 'write', 'create'] as const) {
          for (const path of [
            'theirs',
            'theirs/below',
            'shared',
            'app/link/x',
            ...(how === 'create' ? ['sticky/new'] : []),
          ])
            assert.equal(await verdict(at(path), how), 'exposed', `${how} ${path}`);
          for (const path of ['root/fine', 'sticky/mine', 'linked', ...(how === 'create' ? ['root/new/er'] : [])])
            assert.equal(await verdict(at(path), how), 'fine', `${how} ${path}`);
        }
        assert.equal(await succeed('find', [at('theirs'), at('shared'), at('app'), '-name', '.clusterlift*']), '');
      });

      it('has its archive copied before a restore looks at it: what is exchanged later is not unpacked', async () => {
        const app = join(place.root, 'app');
        await mkdir(app);
        await writeFile(join(app, 'file'), 'v1');
        const base = join(place.dir, 'backups');
        const part = await store(base).createPart({
          ...{
            point: '20261122T201755Z-staging-4f2a9c',
            node: place.node,
            cluster: 'staging',
            run: undefined,
            version: '1',
          },
          ...{ paths: [app], exclude: [], leaveOut: [], quiet: undefined, runTask: place.run },
        });
        assert.ok(part.data.kind === 'archive');
        await writeFile(join(app, 'file'), 'v2');
        await chmod(base, 0o777);
        const source = await store(base).prepareRestore({ point: samplePoint([]), part, node: place.node }, true);
        await lookAtPart(place.node, 'run1', source);
        // After its digest was found right, it is exchanged for another archive.
        const file = join(base, '20261122T201755Z-staging-4f2a9c', part.data.file);
        const hooked = new ShellConnection('n1', {
          ...(await shellOptions(shell)),
          before: `tar() { case $1 in -t*) command rm -f '${file}'; command cp /etc/passwd '${file}' ;; esac; command tar "$@"; }`,
        });
        checkEnd('n1', await runTask(hooked, forwardTask(place.node, 'run1', source, part.paths)));
        assert.equal(await textOf(join(app, 'file')), 'v1');
        assert.match(await textOf(file), /^root:/);
        await removeReplaced(place.node, 'run1');
      });
    });
  }
});
