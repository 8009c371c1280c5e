import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLocation } from '../../../src/backup/points/location';
import type { Part } from '../../../src/backup/points/point';
import { DirectoryStore } from '../../../src/backup/stores/directory';
import { forwardTask } from '../../../src/backup/swap';
import type { NodeTask } from '../../../src/backup/points/task';
import { samplePoint } from '../../unit/backup/sample';
import { output, succeed } from '../../lab/tools';
import { busyboxPath, Place, type ShellOptions } from './places';

/** What only root may see: an attack has won when any of it changes, or turns up where the attacker can read. */
const SECRET = 'only-root-may-read-this';
const NOBODY = 65534;

export const TAG = 'run1';
export const SHELLS = ['dash', 'busybox'] as const;
export type Shell = (typeof SHELLS)[number];

/** `rename`: root owns a directory above the path on its file system; `copy`: the application's user owns that file system. */
export type Ground = 'rename' | 'copy';

export async function shellOptions(shell: Shell): Promise<ShellOptions> {
  return shell === 'dash' ? { shell: ['dash'] } : { shell: ['busybox', 'sh'], path: await busyboxPath() };
}

/** A path in a directory of the user nobody, who wants root to work elsewhere. */
export class Exposed {
  private constructor(
    readonly place: Place,
    readonly ground: Ground,
    readonly part: Part,
    readonly forward: NodeTask,
  ) {}

  static async make(shell: Shell, ground: Ground): Promise<Exposed> {
    const place = await Place.make('n1', await shellOptions(shell));
    await chmod(place.dir, 0o755);
    await mkdir(join(place.root, 'app'));
    if (ground === 'copy') await succeed('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', join(place.root, 'app')]);
    const path = join(place.root, 'app/sub/conf');
    const location = parseLocation({ name: 'nightly', uri: `file://${join(place.dir, 'backups')}` });
    if (location.kind !== 'directory') throw new Error(location.kind);
    const store = new DirectoryStore(location);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), 'v1');
    await succeed('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, join(place.root, 'app')]);
    const part = await store.createPart({
      point: '20261122T201755Z-staging-4f2a9c',
      node: place.node,
      cluster: 'staging',
      run: undefined,
      version: '1',
      paths: [path],
      exclude: [],
      leaveOut: [],
      quiet: undefined,
      runTask: place.run,
    });
    const source = await store.prepareRestore({ point: samplePoint([]), part, node: place.node }, true);
    const exposed = new Exposed(place, ground, part, forwardTask(place.node, TAG, source, part.paths));
    await exposed.reset();
    return exposed;
  }

  get path(): string {
    return join(this.place.root, 'app/sub/conf');
  }

  get treasure(): string {
    return join(this.place.dir, 'treasure');
  }

  /** The application's directory with its present version, and the treasure untouched. */
  async reset(): Promise<void> {
    await rm(join(this.place.node.stateDir, 'restore'), { recursive: true, force: true });
    await succeed('sh', ['-ceu', RESET, 'sh', this.place.dir, SECRET]);
  }

  /** Everything of the treasure, and what of it can be found elsewhere. */
  async loot(): Promise<{ treasure: string; leaked: string }> {
    const treasure = await succeed('sh', [
      '-c',
      'cd "$1" && find . -printf "%y %m %U:%G %i %n %P %l\\n" | sort && cat conf/file file',
      'sh',
      this.treasure,
    ]);
    const leaked = await output('grep', ['-rlF', SECRET, join(this.place.root, 'app')]);
    return { treasure, leaked: leaked.stdout };
  }

  async remove(): Promise<void> {
    if (this.ground === 'copy') await output('umount', [join(this.place.root, 'app')]);
    await this.place.remove();
  }
}

const RESET = `
cd "$1"
find root/app -mindepth 1 -delete
rm -rf root/.clusterlift-*
mkdir -p root/app/sub/conf
echo v2 > root/app/sub/conf/file
chown -R 65534:65534 root/app
[ ! -d treasure ] || exit 0
mkdir -p treasure/conf
echo "$2" > treasure/conf/file
echo "$2" > treasure/file
chmod -R go-w treasure
chmod 600 treasure/file treasure/conf/file
`;

/** What the user nobody does in one moment. `$1`: the directory of the place. */
export const ATTACKS: Readonly<Record<string, string>> = {
  'the staging directory becomes one with links': `
    for s in app/sub/.clusterlift-* app/.clusterlift-*; do
      [ -d "$s" ] || continue
      mv "$s" "$s.aside" && mkdir -p "$s/new" "$s/old" "$s/trash" && ln -s "$1/treasure" "$s/old/0" && ln -s "$1/treasure" "$s/conf"
    done`,
  'the path becomes a link': 'mv app/sub/conf app/sub/aside; ln -s "$1/treasure" app/sub/conf',
  'the directory of the path becomes a link': 'mv app/sub app/aside; ln -s "$1/treasure" app/sub',
  'a directory below the path becomes a link':
    'mv app/sub/conf app/sub/aside; mkdir -p app/sub/conf/deep; ln -s "$1/treasure" app/sub/conf/deep/link; ln -s "$1/treasure/file" app/sub/conf/link',
};

/**
 * Text for `ShellOptions.before`: the attack happens once, right before the n-th act of the script.
 * Nothing is flushed to the disk, to be fast.
 */
export function attackAt(n: number, attack: string, place: Place): string {
  const commands = ['cd', 'env', 'mkdir', 'rmdir', 'rm', 'mv', 'perl', 'tar', 'find'];
  const hooks = commands.map((each) => `${each}() { point; command ${each} "$@"; }`);
  const script = `cd '${place.root}' || exit 0; ${attack.trim().replaceAll('\n', '; ').replace(/do;/g, 'do')}`;
  const quoted = script.replaceAll("'", "'\\''");
  return `
sync() { :; }
points='${place.dir}/points'
point() {
  echo >>"$points"
  [ "$(command wc -l <"$points")" -eq ${String(n)} ] || return 0
  /usr/bin/setpriv --reuid=${String(NOBODY)} --regid=${String(NOBODY)} --clear-groups /bin/sh -c '${quoted}' sh '${place.dir}' >/dev/null 2>&1 || :
}
${hooks.join('\n')}`;
}

/** Swaps everything back and forth as fast as it can, until it is stopped. */
export class Attacker {
  private constructor(private readonly child: ChildProcess) {}

  static start(place: Place, seconds: number): Attacker {
    const drop = [`--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'];
    const args = [...drop, 'perl', '-e', RACE, place.root, join(place.dir, 'treasure'), String(seconds)];
    return new Attacker(spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  }

  /** @returns how often it swapped something */
  async stop(): Promise<number> {
    let said = '';
    this.child.stdout?.on('data', (data: Buffer) => (said += data.toString()));
    this.child.kill('SIGTERM');
    await once(this.child, 'close');
    return Number(said);
  }
}

const RACE = `
my ($root, $treasure, $seconds) = @ARGV;
my ($n, $end, $app) = (0, time + $seconds, "$root/app");
$SIG{TERM} = sub { print $n; exit };
while (time < $end) {
  for my $name ("$app/sub", "$app/sub/conf") {
    next unless rename $name, "$name.aside";
    symlink $treasure, $name;
    $n++;
    select undef, undef, undef, rand(0.002);
    unlink $name;
    rename "$name.aside", $name;
  }
  for my $stage (glob("$app/.clusterlift-* $app/sub/.clusterlift-*")) {
    next unless rename $stage, "$stage.aside";
    mkdir $stage;
    mkdir "$stage/$_" for qw(new old trash);
    symlink $treasure, "$stage/old/0";
    symlink $treasure, "$stage/conf";
    $n++;
  }
  select undef, undef, undef, rand(0.004);
}
print $n;
`;
