import { strict as assert } from 'node:assert';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part } from '../../../src/backup/points/point';
import { DirectoryStore } from '../../../src/backup/stores/directory';
import { backTask, forwardTask, removeReplaced, swapState } from '../../../src/backup/swap';
import { checkEnd, type NodeTask } from '../../../src/backup/points/task';
import { samplePoint } from '../../unit/backup/sample';
import { output, succeed } from '../../lab/tools';
import { Place, runTask, ShellConnection, whyNotRoot } from './places';

const ID = '20261122T201755Z-staging-4f2a9c';
const TAG = 'run1';

/**
 * Kills the script just before or after the n-th act that changes something while the swap is under way.
 * Nothing is flushed to the disk: it is the process that dies here, not the machine.
 */
function killedAt(n: number): ShellConnection {
  return new ShellConnection('n1', {
    before: `
sync() { :; }
ticks=0
tick() {
  { read -r tick_phase <"$R/phase"; } 2>/dev/null || return 0
  case $tick_phase in
    unpacked | swapping | backing)
      ticks=$((ticks + 1))
      [ $ticks != ${String(n)} ] || kill -9 $$
      ;;
  esac
}
act() {
  tick
  command "$@" && act_rc=0 || act_rc=$?
  tick
  return $act_rc
}
mv() { act mv "$@"; }
perl() { act perl "$@"; }
rm() { act rm "$@"; }
mkdir() { act mkdir "$@"; }`,
  });
}

const fast = new ShellConnection('n1', { before: 'sync() { :; }' });

/** The names of the paths say what they are in the restore point, and what they are now. */
const NAMES = ['dir-dir', 'absent-dir', 'dir-absent', 'link-dir', 'file-link'] as const;

async function make(root: string, version: 'old' | 'now'): Promise<void> {
  for (const name of NAMES) {
    const kind = name.split('-')[version === 'old' ? 0 : 1];
    const path = join(root, name);
    if (kind === 'dir') {
      await mkdir(join(path, `sub ${version}`), { recursive: true });
      await writeFile(join(path, 'same'), version);
      await writeFile(join(path, `sub ${version}`, 'only'), version);
    } else if (kind === 'link') {
      await symlink(`/to/${version}`, path);
    } else if (kind === 'file') {
      await writeFile(path, version);
    }
  }
}

const all = (root: string): Promise<string> =>
  succeed('sh', [
    '-c',
    'cd "$1" && find * -printf "%P %y %m %T@ %l\\n" | sort && find * -type f | sort | xargs -d "\\n" -r sha256sum',
    'sh',
    root,
  ]);

describe('a restore that is killed', () => {
  before(function () {
    if (whyNotRoot() !== undefined) this.skip();
  });

  for (const how of ['rename', 'copy'] as const) {
    describe(
      how === 'rename' ? 'where directories can be renamed' : 'where they cannot (the lower layer of an overlay)',
      function () {
        this.timeout(600_000);
        let place: Place;
        let part: Part;
        let forward: NodeTask;
        let old: string;
        let now: string;

        const overlay = (name: string): string => join(place.dir, name);
        async function reset(): Promise<void> {
          await rm(join(place.node.stateDir, 'restore'), { recursive: true, force: true });
          if (how === 'rename') {
            for (const each of await readdir(place.root)) await rm(join(place.root, each), { recursive: true });
            await succeed('cp', ['-a', `${overlay('lower')}/.`, place.root]);
          } else {
            await output('umount', [place.root]);
            await rm(overlay('upper'), { recursive: true, force: true });
            await rm(overlay('work'), { recursive: true, force: true });
            await mkdir(overlay('upper'));
            await mkdir(overlay('work'));
            const layers = `lowerdir=${overlay('lower')},upperdir=${overlay('upper')},workdir=${overlay('work')}`;
            await succeed('mount', ['-t', 'overlay', 'overlay', '-o', layers, place.root]);
          }
        }

        before(async function () {
          if (whyNotRoot() !== undefined) this.skip();
          place = await Place.make();
          await make(place.root, 'old');
          const location = parseLocation({ name: 'nightly', uri: `file://${join(place.dir, 'backups')}` });
          assert.equal(location.kind, 'directory');
          const store = new DirectoryStore(location);
          part = await store.createPart({
            point: ID,
            node: place.node,
            cluster: 'staging',
            run: undefined,
            version: '1',
            paths: NAMES.map((each) => join(place.root, each)),
            exclude: [],
            leaveOut: [],
            quiet: undefined,
            runTask: place.run,
          });
          old = await all(place.root);
          const source = await store.prepareRestore({ point: samplePoint([]), part, node: place.node }, true);
          forward = forwardTask(place.node, TAG, source, part.paths);
          await rm(place.root, { recursive: true });
          await mkdir(place.root);
          await mkdir(overlay('lower'));
          await make(overlay('lower'), 'now');
          await reset();
          now = await all(place.root);
          assert.notEqual(now, old);
        });
        after(async () => {
          await output('umount', [place.root]);
          await place.remove();
        });

        it('goes forwards or back from every point, never to a mixture', async () => {
          let kills = 0;
          for (let n = 1; ; n++) {
            await reset();
            const end = await runTask(killedAt(n), forward);
            if (end.rc === 0) break;
            assert.equal(end.rc, 137, end.log);
            kills++;
            const back = n % 2 === 0;
            checkEnd('n1', await runTask(fast, back ? backTask(place.node, TAG) : forward));
            assert.equal(
              await all(place.root),
              back ? now : old,
              `killed at act ${String(n)}, then ${back ? 'back' : 'forwards'}`,
            );
            assert.equal((await swapState(place.node, TAG)).phase, back ? 'back' : 'in');
          }
          assert.ok(kills > 40, String(kills));
          const state = await swapState(place.node, TAG);
          assert.deepEqual(new Set(state.paths.map((each) => each.split(' ')[0])), new Set(['in']));
          if (how === 'copy') assert.ok(state.paths.some((each) => each.split(' ')[1] === 'copy'));
          await removeReplaced(place.node, TAG);
          assert.equal(await all(place.root), old);
        });

        it('comes back whole, however often the way back is killed', async () => {
          let kills = 0;
          for (let n = 1; ; n++) {
            await reset();
            checkEnd('n1', await runTask(fast, forward));
            const end = await runTask(killedAt(n), backTask(place.node, TAG));
            if (end.rc === 0) break;
            assert.equal(end.rc, 137, end.log);
            kills++;
            // Once more, at an earlier point of what is left.
            await runTask(killedAt(Math.max(1, Math.floor(n / 3))), backTask(place.node, TAG));
            checkEnd('n1', await runTask(fast, backTask(place.node, TAG)));
            assert.equal(await all(place.root), now, `killed at act ${String(n)} of the way back`);
          }
          assert.ok(kills > 20, String(kills));
          await removeReplaced(place.node, TAG);
          const found = await succeed('find', [
            place.dir,
            '-name',
            '.clusterlift-*',
            '-not',
            '-path',
            '*/upper/*',
            '-not',
            '-path',
            '*/work/*',
          ]);
          assert.equal(found, '');
        });
      },
    );
  }
});
