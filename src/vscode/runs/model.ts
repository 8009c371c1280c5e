import { watch, type FSWatcher } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { after, stopwatch, type Timer } from '../../base/clock';
import type { RunRecord, Runs } from '../../engine/journal/runs';
import { Store } from '../shared/store';

/** Milliseconds between two looks: while a run is on, and otherwise (in case that the system tells us nothing). */
const LIVE_MS = 1000;
const IDLE_MS = 10_000;
const SETTLE_MS = 100;
/** Runs beyond these are old; the command line lists them all. */
const MOST = 50;

/** A run that was live a moment ago and is not any more. */
export interface EndedRun {
  readonly record: RunRecord;
}

/** The runs in the folders of this machine, started by any client. Looks at local files only and starts no process. */
export class RunsModel extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<void>());
  readonly onDidChange = this.#changed.event;
  readonly #ended = this.add(new vscode.EventEmitter<EndedRun>());
  readonly onDidEnd = this.#ended.event;
  #runs: Promise<Runs> | undefined;
  readonly #directory: string;
  readonly #known = new Map<string, { readonly stamp: string; readonly record: RunRecord }>();
  #records: readonly RunRecord[] = [];
  #timer: Timer | undefined;
  #watcher: FSWatcher | undefined;
  #busy: Promise<void> | undefined;
  #read = false;

  /** @param home the user's state directory */
  constructor(private readonly home: string) {
    super();
    this.#directory = join(home, 'runs');
    this.add({
      dispose: () => {
        this.#timer?.cancel();
        this.#watcher?.close();
      },
    });
    void this.refresh();
  }

  /** Running ones first, then the newest first. */
  get records(): readonly RunRecord[] {
    return this.#records;
  }

  /** Were the folders looked at already? */
  get ready(): boolean {
    return this.#read;
  }

  find(run: string): RunRecord | undefined {
    return this.#records.find((each) => each.run === run);
  }

  /** The newest run of a cluster. */
  latest(cluster: string, configFile: string): RunRecord | undefined {
    const of = this.#records.filter(({ plan }) => plan.cluster === cluster && plan.configFile === configFile);
    return of.sort((a, b) => b.run.localeCompare(a.run))[0];
  }

  /** One run as it is now, also one that was not looked at yet. @throws as `Runs.read` */
  async read(run: string): Promise<RunRecord> {
    this.#runs ??= import(/* webpackChunkName: "readers" */ '../shared/readers').then(
      ({ Runs }) => new Runs(this.home),
    );
    return (await this.#runs).read(run);
  }

  /** Looks at the folders; only what changed is read. */
  async refresh(): Promise<void> {
    const watch = stopwatch();
    this.#busy ??= this.#scan().finally(() => {
      this.#busy = undefined;
      this.#schedule(pauseAfter(watch.ms, this.#isLive()));
    });
    return this.#busy;
  }

  async #scan(): Promise<void> {
    const names = (await readdir(this.#directory).catch(() => [])).sort().reverse().slice(0, MOST);
    let changed = !this.#read || names.length !== this.#known.size;
    for (const gone of [...this.#known.keys()].filter((name) => !names.includes(name))) this.#known.delete(gone);
    const ended: RunRecord[] = [];
    await Promise.all(
      names.map(async (name) => {
        const before = this.#known.get(name);
        const stamp = await stampOf(join(this.#directory, name));
        if (before?.stamp === stamp && before.record.state !== 'live') return;
        const record = await this.read(name).catch(() => undefined);
        if (!record) return;
        const { state, waitingFor } = record;
        if (before?.stamp === stamp && before.record.state === state && before.record.waitingFor === waitingFor) return;
        changed = true;
        this.#known.set(name, { stamp, record });
        if (before?.record.state === 'live' && record.state !== 'live') ended.push(record);
      }),
    );
    this.#read = true;
    this.#watch();
    if (!changed || this.disposed) return;
    const rank = ({ record }: { record: RunRecord }): number => (record.state === 'live' ? 0 : 1);
    this.#records = [...this.#known.values()]
      .sort((a, b) => rank(a) - rank(b) || b.record.run.localeCompare(a.record.run))
      .map(({ record }) => record);
    this.#changed.fire();
    for (const record of ended) this.#ended.fire({ record });
  }

  /** New folders are seen at once where the system tells; the timer is for the rest. */
  #watch(): void {
    if (this.#watcher || this.disposed) return;
    try {
      this.#watcher = watch(this.#directory, () => this.#schedule(SETTLE_MS));
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      // There is no run yet, and so no folder of runs.
    }
  }

  #isLive(): boolean {
    return this.#records.some(({ state }) => state === 'live');
  }

  #schedule(ms: number): void {
    if (this.disposed) return;
    this.#timer?.cancel();
    this.#timer = after(ms, () => void this.refresh());
  }
}

/**
 * Milliseconds to the next look. The journal of 500 nodes takes a tenth of a second to read, in a process that all
 * extensions share: no more than a twentieth of its time is spent on that.
 */
export function pauseAfter(took: number, live: boolean): number {
  return Math.max(live ? LIVE_MS : IDLE_MS, 20 * took);
}

/** Changes whenever journal or owner do. */
async function stampOf(folder: string): Promise<string> {
  const journal = await stat(join(folder, 'journal.jsonl')).catch(() => undefined);
  const owners = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('owner.'));
  return `${String(journal?.size ?? -1)} ${String(journal?.mtimeMs ?? 0)} ${owners.join()}`;
}
