import { makeDirectory } from '../../base/directories';
import { advice } from '../../base/shell';
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { wallClock } from '../../base/clock';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { mustHaveRoom, writeOwn } from '../../base/own-files';
import { liveness, self, type ProcessIdentity } from '../../base/process';
import type { JournalEntry } from './events';
import { extendedJournal, Journal, parseJournal, readableJournal } from './journal';
import type { Plan } from './plan';
import { parsePlan } from './schema';
import { viewOf, type RunView } from './view';

/**
 * The folders of runs under the user's state directory, the same for extension and command line:
 * `runs/<run>/plan.json journal.jsonl <node>.log control.json owner.<n> waiting`.
 */

/** The question that a live run waits for, in words; there while it is open. Its process may be dead: see `state`. */
export const WAITING = 'waiting';

/** What can be read of a run without owning it. */
export interface RunRecord {
  readonly run: string;
  readonly folder: string;
  readonly plan: Plan;
  readonly view: RunView;
  /** The process that works on it, if there was ever one. */
  readonly owner: ProcessIdentity | undefined;
  readonly state: 'live' | 'interrupted' | 'finished' | 'undecided' | 'abandoned' | 'elsewhere' | 'damaged';
  /** Why its journal cannot be trusted: the view ends before that line. */
  readonly problem?: ClusterliftError | undefined;
  /** The question that a live run puts to people just now, in words; a foreign text. */
  readonly waitingFor?: string | undefined;
}

/** A run folder whose plan is damaged, or of a later version. */
export interface UnreadableRun {
  readonly run: string;
  readonly folder: string;
  readonly problem: unknown;
}

const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** A run folder that this process owns, open for writing. */
export interface OwnedRun {
  readonly folder: string;
  readonly plan: Plan;
  readonly journal: Journal;
  readonly entries: readonly JournalEntry[];
  release(): Promise<void>;
}

export class Runs {
  /** @param home the user's state directory, such as `~/.local/state/clusterlift` */
  constructor(private readonly home: string) {}

  folder(run: string): string {
    if (!RUN_NAME.test(run)) throw unknownRun(run);
    return join(this.home, 'runs', run);
  }

  /**
   * Writes the plan, synced, and opens a journal next to it.
   * @throws ClusterliftError `state-unwritable`
   */
  async create(plan: Plan): Promise<OwnedRun> {
    const folder = this.folder(plan.run);
    return writeOwn(this.home, async () => {
      await makeDirectory(dirname(folder));
      await mustHaveRoom(this.home, dirname(folder));
      await mkdir(folder, { mode: 0o700 });
      await writeSynced(join(folder, 'plan.json'), planText(plan));
      return openOwned(folder, async () => {
        const journal = await Journal.create(join(folder, 'journal.jsonl'));
        await syncDirectory(folder);
        return { folder, plan, journal, entries: [] };
      });
    });
  }

  /**
   * Takes a run that no living process works on.
   * @throws ClusterliftError `run-unknown`, `run-owned`, `journal-broken`, `plan-changed`
   */
  async take(run: string): Promise<OwnedRun> {
    const folder = this.folder(run);
    const { plan, digest } = await readPlan(folder, run);
    return openOwned(folder, async () => {
      const { journal, entries } = await Journal.open(join(folder, 'journal.jsonl'));
      const first = entries[0];
      if (first?.type === 'run.started' && first.plan !== digest) {
        await journal.close();
        throw planChanged(run);
      }
      return { folder, plan, journal, entries };
    });
  }

  /**
   * Puts a run that the nodes vouch for into its folder. What is here is never overwritten: a damaged journal is kept
   * beside the new one.
   * @throws ClusterliftError `run-here`, `run-owned`, `plan-changed` when the plan here is another one
   */
  async adopt(run: string, plan: string, journal: string): Promise<void> {
    const folder = this.folder(run);
    if (await this.mayAdopt(run)) return writeOwn(this.home, () => putNew(folder, run, plan, journal));
    const release = await writeOwn(this.home, () => own(folder));
    try {
      if ((await readFile(join(folder, 'plan.json'), 'utf8')) !== plan) throw planChanged(run);
      await keepAside(join(folder, 'journal.jsonl'));
      await writeSynced(join(folder, 'journal.jsonl'), journal);
    } finally {
      await release();
    }
  }

  /**
   * May the run be taken from the nodes: it is not here, or its journal here is damaged and nobody works on it?
   * @returns true: it is not here
   * @throws ClusterliftError `run-here`, `run-owned`
   */
  async mayAdopt(run: string): Promise<boolean> {
    const folder = this.folder(run);
    const names = await readdir(folder).catch(() => undefined);
    if (names === undefined) return true;
    const record = await this.read(run);
    if (record.state === 'live' || record.state === 'elsewhere') throw owned(folder, record.owner);
    if (record.problem === undefined) throw runHere(run);
    return false;
  }

  /**
   * Closes a run whose journal is damaged, after its last good line. The damaged journal is kept beside the new one.
   * @throws ClusterliftError `run-owned`
   */
  async closeDamaged(run: string, reason: string, by: string): Promise<void> {
    const folder = this.folder(run);
    const path = join(folder, 'journal.jsonl');
    const release = await own(folder);
    try {
      const text = await readFile(path, 'utf8');
      const good = Buffer.from(text).subarray(0, readableJournal(text, path).goodBytes).toString();
      await keepAside(path);
      await writeSynced(path, extendedJournal(good, path, [{ type: 'run.abandoned', reason, by }]));
    } finally {
      await release();
    }
  }

  /** One run, read only; of a damaged journal the lines before the damage. @throws ClusterliftError `run-unknown`, `plan-invalid` */
  async read(run: string): Promise<RunRecord> {
    const folder = this.folder(run);
    const { plan } = await readPlan(folder, run);
    const text = await readFile(join(folder, 'journal.jsonl'), 'utf8').catch(() => '');
    const { entries, problem } = readableJournal(text, join(folder, 'journal.jsonl'));
    const view = viewOf(plan, entries);
    const last = (await owners(folder)).at(-1);
    const owner = last?.identity;
    const state = problem && (!last || last.released) ? 'damaged' : stateOf(view, owner, problem !== undefined);
    const waitingFor = state === 'live' ? await readFile(join(folder, WAITING), 'utf8').catch(() => '') : '';
    const more = { ...(waitingFor === '' ? {} : { waitingFor }), ...(problem ? { problem } : {}) };
    return { run, folder, plan, view, owner, state, ...more };
  }

  /** The journal of a run, read only. */
  async entries(run: string): Promise<{ entries: JournalEntry[] }> {
    const path = join(this.folder(run), 'journal.jsonl');
    return parseJournal(await readFile(path, 'utf8').catch(() => ''), path);
  }

  /** All runs whose plan can be read, oldest first. */
  async list(): Promise<RunRecord[]> {
    return (await this.#all()).filter((each) => 'plan' in each);
  }

  /** The runs whose plan cannot be read. */
  async unreadable(): Promise<UnreadableRun[]> {
    return (await this.#all()).filter((each): each is UnreadableRun => !('plan' in each));
  }

  async #all(): Promise<(RunRecord | UnreadableRun)[]> {
    const names = (await readdir(join(this.home, 'runs')).catch(() => [])).filter((name) => RUN_NAME.test(name));
    const all = await Promise.all(
      names.sort().map((run) =>
        this.read(run).catch((error: unknown): UnreadableRun | undefined =>
          // A folder without a plan is not a run: nothing began.
          hasCode(error, 'run-unknown') ? undefined : { run, folder: this.folder(run), problem: error },
        ),
      ),
    );
    return all.filter((each) => each !== undefined);
  }

  /** Removes the folder of a closed run. */
  async remove(run: string): Promise<void> {
    await rm(this.folder(run), { recursive: true, force: true });
  }
}

/** `20261122T201755Z-staging-4f2a` */
export function newRunId(cluster: string, now = new Date(wallClock())): string {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${cluster.replace(/[^A-Za-z0-9_-]/g, '_')}-${randomBytes(2).toString('hex')}`;
}

export function planText(plan: Plan): string {
  return `${JSON.stringify(plan, undefined, 2)}\n`;
}

/** sha256 of plan.json, as the journal's first line has it. */
export function planDigest(plan: Plan): string {
  return sha256(planText(plan));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function stateOf(view: RunView, owner: ProcessIdentity | undefined, damaged: boolean): RunRecord['state'] {
  if (damaged) return owner && liveness(owner) === 'alive' ? 'live' : 'damaged';
  if (view.state === 'abandoned') return 'abandoned';
  if (view.state === 'finished') return view.outcome === 'unknown' ? 'undecided' : 'finished';
  const alive = owner ? liveness(owner) : 'dead';
  return alive === 'alive' ? 'live' : alive === 'unknown' ? 'elsewhere' : 'interrupted';
}

async function readPlan(folder: string, run: string): Promise<{ plan: Plan; digest: string }> {
  let text: string;
  try {
    text = await readFile(join(folder, 'plan.json'), 'utf8');
  } catch {
    throw unknownRun(run);
  }
  return { plan: parsePlan(text, join(folder, 'plan.json')), digest: sha256(text) };
}

/** Whole or not at all: two that adopt at once do not mix. */
async function putNew(folder: string, run: string, plan: string, journal: string): Promise<void> {
  const temporary = join(dirname(folder), `.adopt-${String(process.pid)}-${randomBytes(4).toString('hex')}`);
  await makeDirectory(temporary);
  try {
    await writeSynced(join(temporary, 'plan.json'), plan);
    await writeSynced(join(temporary, 'journal.jsonl'), journal);
    await rename(temporary, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'EPERM' ? runHere(run) : error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  await syncDirectory(dirname(folder));
}

async function keepAside(path: string): Promise<void> {
  await rename(path, `${path}.damaged-${new Date(wallClock()).toISOString().replace(/[-:.]/g, '')}`);
}

interface OwnerFile {
  readonly number: number;
  readonly identity: ProcessIdentity;
  readonly released: boolean;
}

/**
 * Owning is a file `owner.<n>` that appears at once with its content (a hard link never overwrites).
 * A dead owner is followed by n + 1: of two that try, one finds the name taken. Nothing is ever removed to get in.
 */
async function own(folder: string): Promise<() => Promise<void>> {
  const last = (await owners(folder)).at(-1);
  if (last && !last.released && liveness(last.identity) !== 'dead') throw owned(folder, last.identity);
  const identity = self();
  const name = join(folder, `owner.${String((last?.number ?? 0) + 1)}`);
  const temporary = join(folder, `.owner-${String(process.pid)}-${randomBytes(4).toString('hex')}`);
  await writeSynced(temporary, JSON.stringify(identity));
  try {
    await link(temporary, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw owned(folder, (await owners(folder)).at(-1)?.identity);
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  // A full disk or a folder that was removed must not hide how the run ended: the owner counts as dead with its process.
  return async () => {
    try {
      await writeFile(temporary, JSON.stringify({ ...identity, released: true }), { mode: 0o600 });
      await rename(temporary, name);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  };
}

/** Owns the folder for as long as its journal is open, or not at all. */
async function openOwned(folder: string, open: () => Promise<Omit<OwnedRun, 'release'>>): Promise<OwnedRun> {
  const release = await writeOwn(dirname(dirname(folder)), () => own(folder));
  try {
    const run = await open();
    return {
      ...run,
      release: async () => {
        await run.journal.close();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function owners(folder: string): Promise<OwnerFile[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^owner\.\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name): Promise<OwnerFile | undefined> => {
      try {
        const value = JSON.parse(await readFile(join(folder, name), 'utf8')) as ProcessIdentity & {
          released?: boolean;
        };
        return { number: Number(name.slice(6)), identity: value, released: value.released === true };
      } catch {
        return undefined;
      }
    }),
  );
  return found.filter((each) => each !== undefined).sort((a, b) => a.number - b.number);
}

/** Writes a file so that it is whole and on disk, or not there. */
async function writeSynced(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.tmp-${String(process.pid)}`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function syncDirectory(path: string): Promise<void> {
  // Directories cannot be opened for syncing on every system; there the rename is as good as it gets.
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

function unknownRun(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-unknown',
    message: `There is no run "${run}" here`,
    hint: 'List the runs with `clusterlift runs`; a run of another machine is found with `clusterlift resume --from-nodes`.',
    exit: ExitStatus.usage,
  });
}

function runHere(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-here',
    message: `Run ${run} is known on this machine; it is not overwritten by what the nodes keep`,
    hint: advice`Go on with it: \`clusterlift resume ${run}\`.`,
    exit: ExitStatus.refused,
  });
}

function owned(folder: string, by: ProcessIdentity | undefined): ClusterliftError {
  const run = basename(folder);
  const who = by ? `process ${String(by.pid)} on ${by.host}` : 'another process';
  return new ClusterliftError({
    code: 'run-owned',
    message: `The run in ${folder} is worked on by ${who}`,
    hint: advice`Follow it with \`clusterlift attach ${run}\`, or ask it to stop with \`clusterlift stop ${run}\`.`,
    exit: ExitStatus.locked,
  });
}

function planChanged(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'plan-changed',
    message: `The plan of run ${run} is not the one that its journal began with`,
    hint: advice`Do not go on with it: close it with \`clusterlift runs abandon ${run}\` and look at the nodes with \`clusterlift status\`.`,
    exit: ExitStatus.unknown,
  });
}
