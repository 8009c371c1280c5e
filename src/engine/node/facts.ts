import { wallClock } from '../../base/clock';
import { line } from '../../base/text';
import type {
  NodeFacts,
  OpenJobState,
  OsFacts,
  PathSpace,
  ProductFacts,
  RequestFacts,
  StagedPackage,
  TarFacts,
} from '../../cluster/facts';
import type { NodeConnection } from '../../ssh/connection';
import { broken, type Entries } from '../../ssh/exec/script';
import { ask } from './ask';
import { heldOf, type HeldLock } from './lock';
import gathering from './facts.sh';
import reporting from './lock-report.sh';
import nearest from './nearest.sh';

/** The facts of a node, and who holds its lock. */
export interface GatheredFacts extends NodeFacts {
  readonly lock: HeldLock | undefined;
}

export interface FactsRequest {
  readonly stateDir: string | undefined;
  /** Commands that the package needs, and others of interest; with a slash: programs by their path. */
  readonly commands?: readonly string[];
  /** Paths whose free space is of interest, besides the state directory and the login user's home. `~` is the latter. */
  readonly paths?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Asks a node for everything that the checks want to know, in one exec. Writes nothing there.
 * @throws ClusterliftError of `exec`, `node-answer-broken`
 */
export async function gatherFacts(connection: NodeConnection, request: FactsRequest): Promise<GatheredFacts> {
  const { stateDir, commands = [], paths = [], signal } = request;
  const words = commands.filter((each) => /^[A-Za-z0-9._+-]{1,100}$|^\/[^\0\n]{1,255}$/.test(each));
  const from = wallClock();
  const entries = await ask(connection, {
    text: `${nearest}\n${reporting}\n${gathering}`,
    args: [stateDir ?? '', String(words.length), String(paths.length), ...words, ...paths],
    timeout: 60_000,
    ...(signal && { signal }),
  });
  return parseFacts(entries, connection.node, { from, to: wallClock() }, commands);
}

/** Makes facts of what facts.sh emitted. Pure, but for the look whether the owner of the lock is a process here. */
export function parseFacts(
  entries: Entries,
  node: string,
  asked: { readonly from: number; readonly to: number },
  commands: readonly string[],
): GatheredFacts {
  const text = (key: string): string => line(entries.text(key) ?? '');
  const yes = (key: string): boolean => entries.text(key) === 'yes';
  const has = new Set(entries.all('has'));
  const foreign = yes('state-foreign');
  return {
    node,
    hostname: text('hostname'),
    arch: text('arch'),
    kernel: text('kernel'),
    os: parseOsRelease(entries.all('os')),
    bootId: entries.required('boot').slice(0, 100),
    clock: {
      node: entries.number('time'),
      here: Math.round((asked.from + asked.to) / 2),
      uncertainty: Math.ceil((asked.to - asked.from) / 2) + 500,
    },
    login: { user: text('user'), home: entries.required('home') },
    root: yes('root'),
    systemd: yes('systemd'),
    killsUserProcesses: yes('kills'),
    state: {
      path: entries.required('state-path'),
      exists: yes('state-exists'),
      inode: text('state-inode'),
      foreign,
      noexec: yes('state-noexec'),
      readOnly: yes('state-readonly'),
    },
    space: spaces(entries, node),
    commands: Object.fromEntries(commands.map((each) => [each, has.has(each)])),
    tar: tarOf(entries),
    requests: (['provision', 'reboot'] as const).flatMap((kind) => requestOf(kind, entries.text(`request-${kind}`))),
    products: groups(entries, 'product').map(productOf),
    packages: groups(entries, 'package').flatMap(packageOf),
    openJobs: groups(entries, 'job').map((job) => ({
      id: line(job.get('job') ?? '', 300),
      run: line(job.get('job-run') ?? '', 300),
      state: jobStateOf(job.get('job-state'), node),
    })),
    openRuns: entries.all('open-run').map((each) => line(each, 300)),
    changed: changedBy(entries),
    lastClaim: lineOf(entries.text('last-claim')),
    lock: entries.text('result') === 'held' ? heldOf(entries) : undefined,
  };
}

/** What `lock/changed` says, if it makes sense. */
export function changedBy(entries: Entries): string | undefined {
  const text = (entries.text('changed') ?? '').trim();
  return /^\d{1,15} [A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(text) ? text : undefined;
}

function lineOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : line(text, 300);
}

/** Entries that belong together: each begins with `key` and goes up to the next one. */
export function groups(entries: Entries, key: string): Map<string, string>[] {
  const all: Map<string, string>[] = [];
  for (const { key: each, value } of entries.list()) {
    if (each === key) all.push(new Map());
    const last = all.at(-1);
    if (last && !last.has(each)) last.set(each, value.toString('utf8'));
  }
  return all;
}

/** Lines `KEY=value` of os-release(5); quoting as a shell would read it, nothing is expanded. Pure. */
export function parseOsRelease(lines: readonly string[]): OsFacts {
  const fields = new Map(
    lines.map((each) => {
      const at = each.indexOf('=');
      return [each.slice(0, at), line(unquote(each.slice(at + 1).trim()), 200)];
    }),
  );
  const id = fields.get('ID') ?? '';
  return {
    id,
    like: (fields.get('ID_LIKE') ?? '').split(' ').filter((each) => each !== ''),
    version: fields.get('VERSION_ID') ?? '',
    name: fields.get('PRETTY_NAME') ?? id,
  };
}

function unquote(text: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(text);
  if (!quoted) return text;
  return quoted[1] === '"' ? (quoted[2] ?? '').replace(/\\(.)/g, '$1') : (quoted[2] ?? '');
}

function spaces(entries: Entries, node: string): PathSpace[] {
  return groups(entries, 'path').map((each) => {
    const free = each.get('free') ?? '';
    if (!/^\d{1,18}$/.test(free)) throw broken(node, 'the free space is no number');
    return { path: each.get('path') ?? '', free: Number(free), mount: each.get('mount') ?? '' };
  });
}

function tarOf(entries: Entries): TarFacts {
  const version = entries.text('tar');
  const can = new Set(entries.all('tar-can'));
  return {
    kind: version === undefined ? 'none' : tarKind(version),
    version: line(version ?? '', 100),
    posix: can.has('posix'),
    acls: can.has('acls'),
    xattrs: can.has('xattrs'),
  };
}

function tarKind(version: string): TarFacts['kind'] {
  if (version.includes('GNU tar')) return 'gnu';
  if (version.includes('bsdtar')) return 'bsd';
  return /busybox/i.test(version) ? 'busybox' : 'other';
}

function requestOf(kind: RequestFacts['kind'], text: string | undefined): RequestFacts[] {
  if (text === undefined) return [];
  const fields = objectOf(text);
  const { run, node, time } = fields;
  return [
    {
      kind,
      run: typeof run === 'string' ? line(run, 300) : '',
      node: typeof node === 'string' ? line(node, 300) : '',
      time: typeof time === 'number' ? time : 0,
    },
  ];
}

function objectOf(json: string): Partial<Record<'run' | 'node' | 'time', unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

export function productOf(group: ReadonlyMap<string, string>): ProductFacts {
  return {
    product: line(group.get('product') ?? '', 200),
    record: group.get('record'),
    manifest: group.get('manifest'),
    files: group.get('files'),
  };
}

function packageOf(group: ReadonlyMap<string, string>): StagedPackage[] {
  const sha256 = group.get('package') ?? '';
  if (!/^[0-9a-f]{64}$/.test(sha256)) return [];
  const size = group.get('size');
  return [
    {
      sha256,
      size: size === undefined ? undefined : Number(size),
      part: Number(group.get('part') ?? 0),
      unpacked: group.get('unpacked') === 'yes',
    },
  ];
}

function jobStateOf(text: string | undefined, node: string): OpenJobState {
  const known: readonly OpenJobState[] = ['unclaimed', 'running', 'dead', 'other-boot'];
  const state = known.find((each) => each === text);
  if (state === undefined) throw broken(node, 'the state of a job makes no sense');
  return state;
}
