import { ageOf } from '../base/clock';
import type { Entries } from '../ssh/exec/script';
import { shapeProblem, type PathFacts } from './paths';
import probeScript from './probe.sh';
import type { BackupNode } from './points/store';
import tarScript from './archive/tar.sh';
import { askNode } from './points/task';

/** What a node says of the paths of a backup. */
export interface ProbedPath {
  readonly path: string;
  /** Links in its parent directories followed. */
  readonly real: string;
  /** Free bytes on its file system. */
  readonly free: number;
  /** Mount point of its file system. */
  readonly device: string;
  /** Disk space that it takes; undefined: it is not there. */
  readonly bytes: number | undefined;
  /** Files and directories that changed since the time that was asked for; at most 10000 are counted. */
  readonly changed: number | undefined;
  /**
   * The directory on its file system where a restore can keep things, because only root can write there; undefined: there is
   * none, and the restore keeps a copy in the state directory.
   */
  readonly stage: string | undefined;
  /** Why no restore can be sure where the path leads; undefined: it can. */
  readonly unsafe: string | undefined;
  /** Others may write below it, and the tar of the node opens by name what it has looked at. */
  readonly loose: boolean;
}

export interface Probe {
  readonly facts: PathFacts;
  readonly paths: readonly ProbedPath[];
  /** Of the file system of the state directory. */
  readonly state: { readonly free: number; readonly device: string };
  readonly tar: 'gnu' | 'busybox' | 'none';
  /** What its tar cannot keep. */
  readonly lost: readonly string[];
  /** Types of file systems by mount point. */
  readonly mounts: ReadonlyMap<string, string>;
}

/**
 * Looks at the paths on a node; changes nothing.
 * @param location the directory of the location on that node, if it is one
 * @param changedSince counts what changed since then
 */
export async function probe(
  node: BackupNode,
  paths: readonly string[],
  location: string | undefined,
  changedSince?: Date,
  signal?: AbortSignal,
): Promise<Probe> {
  const minutes = changedSince ? Math.max(1, Math.ceil(ageOf(changedSince.getTime()) / 60_000)) : 0;
  // What has no proper shape is refused by name alone.
  const asked = paths.filter((each) => shapeProblem(each) === undefined && each !== '/');
  const options = signal ? { signal } : {};
  const [entries, home] = await Promise.all([
    askNode(node.connection, [tarScript, probeScript], {
      args: ['probe', node.stateDir, String(minutes), location ?? '', ...asked],
      timeout: 10 * 60_000,
      ...options,
    }),
    node.connection.exec({ script: 'cd && pwd -P', as: 'login', timeout: 60_000, ...options }),
  ]);
  const mounts = new Map(entries.all('mount').map((each) => readMount(each)));
  const probed = readPaths(entries);
  const tar = entries.required('tar');
  return {
    tar: tar === 'gnu' || tar === 'busybox' ? tar : 'none',
    lost: (entries.text('lost') ?? '').split(' ').filter((each) => each !== ''),
    mounts,
    paths: probed,
    state: { free: Number(entries.text('state-free-kb') ?? 0) * 1024, device: entries.text('state-device') ?? '' },
    facts: {
      node: node.name,
      stateDir: node.stateDir,
      home: home.stdout.trim() || '/root',
      mounts: [...mounts.keys()],
      location,
      unsafe: Object.fromEntries(probed.flatMap(({ path, unsafe }) => (unsafe === undefined ? [] : [[path, unsafe]]))),
      real: {
        ...Object.fromEntries(probed.map((each) => [each.path, each.real])),
        [node.stateDir]: entries.text('state-real') ?? node.stateDir,
        ...(location !== undefined && { [location]: entries.text('location-real') ?? location }),
      },
    },
  };
}

/** proc(5): spaces and backslashes in /proc/mounts are octal escapes. */
function readMount(text: string): [string, string] {
  const [type = '', at = ''] = text.split(' ');
  return [at.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), type];
}

function readPaths(entries: Entries): ProbedPath[] {
  const found: { -readonly [K in keyof ProbedPath]: ProbedPath[K] }[] = [];
  for (const { key, value } of entries.list()) {
    const text = value.toString('utf8');
    if (key === 'path')
      found.push({
        ...{ path: text, real: text, free: 0, device: '', loose: false },
        ...{ bytes: undefined, changed: undefined, stage: undefined, unsafe: undefined },
      });
    const last = found.at(-1);
    if (!last) continue;
    if (key === 'real') last.real = text;
    else if (key === 'free-kb') last.free = Number(text) * 1024;
    else if (key === 'device') last.device = text;
    else if (key === 'kb') last.bytes = Number(text) * 1024;
    else if (key === 'changed') last.changed = Number(text);
    else if (key === 'stage') last.stage = text;
    else if (key === 'unsafe') last.unsafe = text;
    else if (key === 'loose') last.loose = true;
  }
  return found;
}
