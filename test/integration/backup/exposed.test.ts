import { strict as assert } from 'node:assert';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { backTask, removeReplaced, swapState } from '../../../src/backup/swap';
import { checkEnd } from '../../../src/backup/points/task';
import { output, succeed } from '../../lab/tools';
import { ATTACKS, attackAt, Attacker, Exposed, type Ground, SHELLS, shellOptions, TAG } from './exposed';
import { runTask, ShellConnection, textOf, whyNotRoot } from './places';

const GROUNDS: readonly Ground[] = ['rename', 'copy'];

describe('a restore in a directory that the application may write', function () {
  this.timeout(900_000);
  before(function () {
    if (whyNotRoot() !== undefined) this.skip();
  });

  for (const shell of SHELLS) {
    for (const ground of GROUNDS) {
      // The tar of busybox is led by links, so there nothing that others may write is copied.
      const refused = shell === 'busybox' && ground === 'copy';
      describe(`${ground === 'rename' ? 'below one of root' : 'that is a file system of its own'}, with ${shell}`, () => {
        let exposed: Exposed;
        beforeEach(async () => {
          exposed = await Exposed.make(shell, ground);
        });
        afterEach(() => exposed.remove());

        it(
          refused ? 'is refused, and nothing is replaced' : 'brings the old one in, and takes it out again',
          async () => {
            const { place, path, forward } = exposed;
            const end = await runTask(place.connection, forward);
            const stages = await succeed('find', [place.root, '-name', '.clusterlift-*']);
            if (refused) {
              assert.match(end.log, /CLUSTERLIFT-ERROR swap-went-back/);
            } else {
              checkEnd('n1', end);
              assert.equal(await textOf(join(path, 'file')), 'v1');
              const { uid } = await lstat(path);
              assert.equal(uid, 65534);
              assert.equal(stages.trim(), ground === 'rename' ? join(place.root, `.clusterlift-${TAG}.0`) : '');
              checkEnd('n1', await runTask(place.connection, backTask(place.node, TAG)));
            }
            assert.equal((await textOf(join(path, 'file'))).trim(), 'v2');
            await removeReplaced(place.node, TAG);
            assert.equal(await succeed('find', [place.dir, '-name', '.clusterlift-*']), '');
          },
        );

        it('does nothing elsewhere, whatever is exchanged between two of its steps', async () => {
          const { place, forward } = exposed;
          const { treasure } = await exposed.loot();
          const attacks = Object.entries(ATTACKS);
          let attacked = 0;
          for (let n = 1 + SHELLS.indexOf(shell); ; n += 2) {
            // The other shell takes the other steps.
            const [name, attack] = attacks[Math.floor(n / 2) % attacks.length] ?? ['', ''];
            await exposed.reset();
            await succeed('rm', ['-f', join(place.dir, 'points')]);
            const hooked = new ShellConnection('n1', {
              ...(await shellOptions(shell)),
              before: attackAt(n, attack, place),
            });
            const end = await runTask(hooked, forward);
            if (end.rc === 0 && n % 4 < 2) await runTask(hooked, backTask(place.node, TAG));
            await removeReplaced({ ...place.node, connection: hooked }, TAG).catch(() => undefined);
            assert.deepEqual(await exposed.loot(), { treasure, leaked: '' }, `before act ${String(n)}: ${name}`);
            const points = (await readFile(join(place.dir, 'points'), 'utf8')).length;
            if (points < n) break;
            attacked++;
          }
          assert.ok(attacked > 30, String(attacked));
        });

        it('does nothing elsewhere while somebody exchanges everything all the time', async () => {
          const { place, forward } = exposed;
          const { treasure } = await exposed.loot();
          let swaps = 0;
          for (let round = 0; round < 12; round++) {
            await exposed.reset();
            const attacker = Attacker.start(place, 60);
            const end = await runTask(place.connection, forward);
            if (end.rc === 0 && round % 2 === 0) await runTask(place.connection, backTask(place.node, TAG));
            await removeReplaced(place.node, TAG).catch(() => undefined);
            swaps += await attacker.stop();
            assert.deepEqual(await exposed.loot(), { treasure, leaked: '' }, `round ${String(round)}`);
          }
          assert.ok(swaps > 100, String(swaps));
        });
      });
    }
  }

  describe('that an earlier version began, with its stage beside the path', () => {
    let exposed: Exposed;
    let stage: string;
    afterEach(() => exposed.remove());
    for (const shell of SHELLS) {
      const begin = async (): Promise<void> => {
        exposed = await Exposed.make(shell, 'rename');
        const { place, path } = exposed;
        stage = join(place.root, `app/sub/.clusterlift-${TAG}.0`);
        const own = join(place.node.stateDir, 'restore', TAG, 'p0');
        await mkdir(own, { recursive: true });
        const files = { path, want: 'present', had: 'present', stage, how: 'rename', state: 'ready' };
        for (const [name, text] of Object.entries(files)) await writeFile(join(own, name), `${text}\n`);
        await writeFile(join(own, '../phase'), 'unpacked\n');
        await succeed('sh', [
          '-ceu',
          'umask 077; mkdir "$1" "$1/new" "$1/old"; mkdir -p "$1/new$2"; echo v1 > "$1/new$2/file"',
          'sh',
          stage,
          path,
        ]);
      };
      it(`is finished, or taken back (${shell})`, async () => {
        for (const back of [false, true]) {
          await begin();
          const { place, path, forward } = exposed;
          checkEnd('n1', await runTask(place.connection, forward));
          assert.equal((await textOf(join(path, 'file'))).trim(), 'v1');
          if (back) checkEnd('n1', await runTask(place.connection, backTask(place.node, TAG)));
          assert.equal((await swapState(place.node, TAG)).phase, back ? 'back' : 'in');
          await removeReplaced(place.node, TAG);
          assert.equal((await textOf(join(path, 'file'))).trim(), back ? 'v2' : 'v1');
          assert.equal(await succeed('find', [place.dir, '-name', '.clusterlift-*']), '');
          if (!back) await exposed.remove();
        }
      });

      it(`replaces nothing when somebody exchanged that stage (${shell})`, async () => {
        await begin();
        const { place, path, forward } = exposed;
        const { treasure } = await exposed.loot();
        const attack = `${ATTACKS['the staging directory becomes one with links'] ?? ''}\n rm -rf "$1/x"`;
        await succeed('setpriv', [
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          'sh',
          '-c',
          `cd '${place.root}'; ${attack}`,
          'sh',
          place.dir,
        ]);
        const end = await runTask(place.connection, forward);
        assert.match(end.log, /CLUSTERLIFT-ERROR swap-.*exchanged by somebody/);
        await removeReplaced(place.node, TAG).catch(() => undefined);
        assert.deepEqual(await exposed.loot(), { treasure, leaked: '' });
        assert.equal((await textOf(join(path, 'file'))).trim(), 'v2');
      });
    }
  });

  describe('through a link that the application can exchange', () => {
    let exposed: Exposed;
    beforeEach(async () => {
      exposed = await Exposed.make('dash', 'rename');
    });
    afterEach(() => exposed.remove());

    it('works where the link leads to a directory of the same user, and is refused where it leads to one of root', async () => {
      const { place, forward } = exposed;
      const app = join(place.root, 'app');
      await succeed('mv', [join(app, 'sub'), join(app, 'release')]);
      await symlink('release', join(app, 'sub'));
      await succeed('chown', ['-h', '65534:65534', join(app, 'sub')]);
      checkEnd('n1', await runTask(place.connection, forward));
      assert.equal(await textOf(join(app, 'release/conf/file')), 'v1');
      await removeReplaced(place.node, TAG);

      const { treasure } = await exposed.loot();
      await succeed('ln', ['-sfn', exposed.treasure, join(app, 'sub')]);
      await succeed('chown', ['-h', '65534:65534', join(app, 'sub')]);
      const end = await runTask(place.connection, forward);
      assert.match(end.log, /CLUSTERLIFT-ERROR restore-unsafe .*leads to .*treasure, which belongs to another user/);
      assert.deepEqual(await exposed.loot(), { treasure, leaked: '' });
    });

    it('works where root made the link', async () => {
      const { place, part, forward } = exposed;
      assert.equal(part.paths.length, 1);
      await succeed('mv', [join(place.root, 'app'), join(place.root, 'real')]);
      await symlink('./x/../real/', join(place.root, 'app'));
      await mkdir(join(place.root, 'x'));
      checkEnd('n1', await runTask(place.connection, forward));
      assert.equal(await textOf(join(place.root, 'real/sub/conf/file')), 'v1');
      await removeReplaced(place.node, TAG);
      assert.equal((await output('find', [place.dir, '-name', '.clusterlift-*'])).stdout, '');
    });
  });
});
