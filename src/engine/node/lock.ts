import { ClusterliftError, ExitStatus } from '../../base/errors';
import { bootId, liveness, type ProcessIdentity } from '../../base/process';
import { line } from '../../base/text';
import { formatDuration } from '../../base/units';
import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import type { Entries } from '../../ssh/exec/script';
import { ask } from './ask';
import reporting from './lock-report.sh';
import locking from './lock.sh';
import { otherName } from './twins';

const text = `${reporting}\n${locking}`;

/**
 * The lock of a node (docs/on-a-node.md). On the node a claim is one atomic rename, numbered by its epoch; the highest counts.
 * Every changing command names run and epoch, and refuses itself when they are not the holder's (code `fenced`).
 */

/** Seconds without a heartbeat after which a lock may be taken over. */
const STALE_AFTER = 120;

/** Who holds a lock, as the node knows it. Text from the node: bounded and printable. */
export interface LockOwner extends ProcessIdentity {
  readonly run: string;
  readonly epoch: number;
  /** The node's clock, seconds since 1970. */
  readonly heartbeat: number;
  /** Seconds since the heartbeat, by the node's own clock. */
  readonly age: number;
  readonly user: string;
  readonly command: string;
}

export interface HeldLock {
  readonly kind: 'held';
  readonly owner: LockOwner;
  readonly stale: boolean;
  readonly staleReason: 'no-heartbeat' | 'process-dead' | undefined;
  /** Jobs of the owner's run that live: while there are any, nobody takes the lock. */
  readonly jobsAlive: readonly string[];
  /** The owner's run is over, it only never released. */
  readonly runClosed: boolean;
  /** The owner does not have all of its locks yet: it may give this one back. */
  readonly trying: boolean;
}

/** `n1 is locked by run 2026…-lab-0be8 (root@desk, process 4711, last heard of 12s ago)`. Pure. */
export function lockedBy(node: string, { run, user, host, pid, age }: LockOwner): string {
  const who = user.includes('@') ? user : `${user} on ${host}`;
  const heard = formatDuration(Math.max(0, age) * 1000);
  return `${node} is locked by run ${run} (${who}, process ${String(pid)}, last heard of ${heard} ago)`;
}

export type TakeResult =
  | {
      /** `reentered`: the same run held it before, a resume. */
      readonly kind: 'taken' | 'reentered';
      readonly epoch: number;
      /** The state directory does not have what it had when this run locked the node before. */
      readonly lost?: true;
    }
  | HeldLock;

export interface TakeRequest {
  readonly stateDir: string | undefined;
  readonly run: string;
  /** Its name in the run: a claim of this run under another name is not taken over. None: no name is compared. */
  readonly node?: string;
  /** This process (`self()`). */
  readonly me: ProcessIdentity;
  /** Random, one per process, run and node: a repeated call finds its own claim again. */
  readonly token: string;
  /** The tokens of this process for other nodes of the run: a claim with one of them proves that two names are one machine. */
  readonly tokenOf?: (node: string) => string;
  readonly user: string;
  readonly command: string;
  /** Lowest epoch to take, when earlier ones are known from the journal. */
  readonly leastEpoch?: number;
  /** More locks are needed before anything is done: until `beatLock` says that we have them, others wait. Default: no. */
  readonly trying?: boolean;
  /** The epoch in which this run locked the node before; none: it did not. */
  readonly lockedIn?: number | undefined;
  /** A person or `--override stale-lock` decided to take over the lock of this (stale) holder. */
  readonly takeOver?: HeldLock;
  /** Seconds; `STALE_AFTER` unless a test says otherwise. */
  readonly staleAfter?: number;
  readonly signal?: AbortSignal;
}

/**
 * Takes the lock of a node, or says who has it. A stale lock of the same run, or of one that is closed, is taken at once;
 * that of another run only with `takeOver`, and none while a job of its run lives. May be repeated after a lost link.
 * @throws ClusterliftError `state-…` when the state directory cannot be used, `lock-busy`; `machine-twice`, `state-shared`,
 *   `lock-other-name` when this run took it under the name of another node
 */
export async function takeLock(connection: NodeConnection, request: TakeRequest): Promise<TakeResult> {
  const wanted = request.takeOver;
  const first = await attempt(connection, request, wanted ? reasonOf(wanted) : '', wanted?.owner.epoch ?? 0);
  if (first.kind !== 'held' || !first.stale) return first;
  const ours = first.owner.run === request.run;
  const over = first.runClosed && first.jobsAlive.length === 0;
  if (!ours && !over) return first;
  return attempt(connection, request, reasonOf(first), first.owner.epoch);
}

function reasonOf(held: HeldLock): 'dead' | 'stale' {
  return held.staleReason === 'process-dead' ? 'dead' : 'stale';
}

async function attempt(
  connection: NodeConnection,
  request: TakeRequest,
  why: '' | 'dead' | 'stale',
  expected: number,
): Promise<TakeResult> {
  const { stateDir, run, me, token, user, command, leastEpoch, signal } = request;
  const staleAfter = request.staleAfter ?? STALE_AFTER;
  const { host, bootId, pid, pidStart } = me;
  const owner = JSON.stringify({
    host,
    bootId,
    pid,
    pidStart,
    user,
    command: line(command, 1000),
    run: checkedRun(run),
  });
  const numbers = { least: leastEpoch ?? 1, staleAfter, expected };
  const entries = await ask(connection, {
    text,
    args: [
      'take',
      stateDir ?? '',
      run,
      token,
      owner,
      String(numbers.least),
      String(numbers.staleAfter),
      why,
      String(numbers.expected),
      request.trying === true ? 'trying' : '',
      request.node ?? '',
    ],
    ...(signal && { signal }),
  });
  const result = entries.required('result');
  if (result === 'held') return heldOf(entries, staleAfter);
  if (result === 'other-name') throw otherName(connection.node, entries, request);
  const kind = result === 'reentered' ? 'reentered' : 'taken';
  const { lockedIn = 0 } = request;
  const lost = entries.number('last') < lockedIn || (lockedIn > 0 && entries.text('jobs') !== 'yes');
  return { kind, epoch: entries.number('epoch'), ...(lost ? { lost } : {}) };
}

/** Who holds the lock of a node now; undefined: nobody. Changes nothing. */
export async function showLock(
  connection: NodeConnection,
  stateDir: string | undefined,
  staleAfter = STALE_AFTER,
): Promise<HeldLock | undefined> {
  const entries = await ask(connection, { text, args: ['show', stateDir ?? ''] });
  return entries.required('result') === 'held' ? heldOf(entries, staleAfter) : undefined;
}

/** Reads what lock.sh reports about a holder. */
export function heldOf(entries: Entries, staleAfter = STALE_AFTER): HeldLock {
  const owner = parseOwner(entries);
  // Another boot id under the same host name may be another machine: then only the heartbeat tells.
  const dead = owner.pid > 0 && owner.bootId === bootId() && liveness(owner) === 'dead';
  const silent = owner.age >= staleAfter;
  return {
    kind: 'held',
    owner,
    stale: dead || silent,
    staleReason: dead ? 'process-dead' : silent ? 'no-heartbeat' : undefined,
    jobsAlive: entries.lines('jobs'),
    runClosed: entries.text('closed') === '1',
    trying: entries.text('trying') === '1',
  };
}

function parseOwner(entries: Entries): LockOwner {
  const fields = objectOf(entries.text('owner') ?? '');
  const textOf = (key: string): string => {
    const value = fields[key];
    return typeof value === 'string' ? line(value, 1000) : '';
  };
  const pid = fields['pid'];
  return {
    host: textOf('host'),
    bootId: textOf('bootId'),
    pid: typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 ? pid : 0,
    pidStart: textOf('pidStart'),
    user: textOf('user'),
    command: textOf('command'),
    run: textOf('run'),
    epoch: entries.number('epoch'),
    heartbeat: entries.number('heartbeat'),
    age: entries.number('age'),
  };
}

function objectOf(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/**
 * The heartbeat, every 10 s.
 * @param isComplete the run has all of its locks
 * @throws ClusterliftError `fenced` when the lock is no longer ours
 */
export async function beatLock(
  connection: NodeConnection,
  stateDir: string | undefined,
  fence: Fence,
  isComplete = true,
): Promise<void> {
  const args = ['beat', stateDir ?? '', fence.run, epochArgument(fence), isComplete ? 'complete' : ''];
  await ask(connection, { text, args });
}

/**
 * Gives the lock back; repeating it, or releasing what is no longer ours, changes nothing.
 * @throws ClusterliftError `lock-jobs-alive` while a job of the run lives
 */
export async function releaseLock(
  connection: NodeConnection,
  stateDir: string | undefined,
  fence: Fence,
): Promise<void> {
  await ask(connection, { text, args: ['release', stateDir ?? '', fence.run, epochArgument(fence)] });
}

/**
 * `unlock --reason`: frees the lock of a holder that was shown before. Its run is told who did that, and why.
 * @throws ClusterliftError `lock-jobs-alive`, `lock-changed` when somebody else holds it by now
 */
export async function breakLock(
  connection: NodeConnection,
  stateDir: string | undefined,
  held: HeldLock,
  { reason, by }: { readonly reason: string; readonly by: string },
): Promise<void> {
  await ask(connection, {
    text,
    args: ['break', stateDir ?? '', String(held.owner.epoch), line(`by ${by}: ${reason}`)],
  });
}

/** May it be the name of a run? What a node says may be anything, and these stand in commands that people copy. */
export function isRunName(run: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(run);
}

/** Run ids are names of directories on nodes. @throws ClusterliftError `run-unknown` */
export function checkedRun(run: string): string {
  if (isRunName(run)) return run;
  throw new ClusterliftError({
    code: 'run-unknown',
    message: `${line(run, 80)} cannot be the name of a run`,
    hint: 'List the runs with `clusterlift runs`.',
    exit: ExitStatus.usage,
  });
}
