import * as vscode from 'vscode';
import { questionLine } from '../../terminal/questions';
import type { JournalEntry, LiveEvent } from '../../engine/journal/events';
import type { Plan } from '../../engine/journal/plan';
import { emptyView, fold, type RunView } from '../../engine/journal/view';
import type { FollowEnd, RunClient } from '../../service/client';
import type { RunRequest } from '../../service/protocol';
import type { Launcher } from '../../service/spawn';
import type { Asker, Question } from '../../ssh/connection';
import { Store } from '../shared/store';

export type RunEventList = readonly (JournalEntry | LiveEvent)[];

/** This window's attachment to the process of a run: its events, its questions, and how it ended. Closing it stops nothing. */
export class RunSession extends Store {
  readonly #planned = this.add(new vscode.EventEmitter<Plan>());
  readonly onPlanned = this.#planned.event;
  readonly #events = this.add(new vscode.EventEmitter<RunEventList>());
  readonly onEvents = this.#events.event;
  readonly #said = this.add(new vscode.EventEmitter<readonly string[]>());
  /** Lines for people that belong to no event: the report of the checks, why a package was chosen. */
  readonly onSaid = this.#said.event;
  readonly #questions = new Map<string, AbortController>();
  readonly #answered: Question[] = [];
  #client: RunClient | undefined;
  #starting: Promise<RunClient> | undefined;
  #view: RunView | undefined;
  #folder: string | undefined;

  constructor(private readonly asker: Asker) {
    super();
    this.add({
      dispose: () => {
        for (const open of this.#questions.values()) open.abort();
        this.#client?.close();
      },
    });
  }

  /** Undefined until the plan is made. */
  get view(): RunView | undefined {
    return this.#view;
  }

  /** The folder of the run, once there is a plan. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** Starts a process for a run. @throws ClusterliftError `run-process` */
  async start(launcher: Launcher, request: RunRequest): Promise<FollowEnd> {
    const { spawnRun } = await import(/* webpackChunkName: "on-demand" */ '../../service/spawn');
    this.#starting = spawnRun(launcher, request, this.#follower);
    this.#client = await this.#starting;
    return this.#finish(this.#client);
  }

  /** Attaches to the run of a folder, from its first line on. @throws ClusterliftError `run-not-live` */
  async attach(folder: string): Promise<FollowEnd> {
    const { RunClient } = await import(/* webpackChunkName: "on-demand" */ '../../service/client');
    this.#client = await RunClient.connect(folder);
    const { plan, folder: told } = await this.#client.follow(1, this.#follower);
    if (plan) this.#begin(plan, told ?? folder);
    return this.#finish(this.#client);
  }

  /** What a person at this window answered, or the secret storage did: who goes on with the run asks the same again. */
  get answered(): readonly Question[] {
    return this.#answered;
  }

  /** Also while its process is being started. */
  async stop(by: string): Promise<void> {
    const client = this.#client ?? (await this.#starting);
    await client?.stop(by);
  }

  get attached(): boolean {
    return this.#client !== undefined && !this.disposed;
  }

  async #finish(client: RunClient): Promise<FollowEnd> {
    if (this.disposed) client.close();
    const end = await client.end;
    for (const open of this.#questions.values()) open.abort();
    return end;
  }

  readonly #follower = {
    planned: (plan: Plan, folder: string): void => {
      this.#begin(plan, folder);
    },
    said: (lines: readonly string[]): void => {
      this.#said.fire(lines);
    },
    events: (events: RunEventList): void => {
      for (const event of events) this.#view = this.#view && fold(this.#view, event);
      this.#events.fire(events);
    },
    question: ({ id, question }: { id: string; question: Question }): void => {
      const open = new AbortController();
      this.#questions.set(id, open);
      // Who comes later was not told that it was opened: the terminal shows what the run waits for.
      this.#events.fire([{ type: 'question', id, open: true, text: questionLine(question) }]);
      void this.asker
        .ask(question, open.signal)
        .then((answer) => {
          if (open.signal.aborted) return false;
          this.#answered.push(question);
          return this.#client?.answer(id, answer);
        })
        .catch(() => false)
        .finally(() => this.#questions.delete(id));
    },
    questionClosed: (id: string): void => {
      this.#questions.get(id)?.abort();
    },
  };

  #begin(plan: Plan, folder: string): void {
    if (this.#view) return;
    this.#view = emptyView(plan);
    this.#folder = folder;
    this.#planned.fire(plan);
  }
}
