import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../base/async';
import { deadlineIn } from '../base/clock';
import { ExitStatus } from '../base/errors';
import { liveness } from '../base/process';
import type { LiveRuns } from '../command/context';
import type { UserInterface } from '../command/ui';
import type { RunContext } from '../engine/control/context';
import type { Event, JournalEntry, LiveEvent } from '../engine/journal/events';
import { parseJournal } from '../engine/journal/journal';
import { requestStop } from '../engine/control/stop';
import type { RunRecord } from '../engine/journal/runs';
import { changesBegun, type RunView } from '../engine/journal/view';
import type { Asker } from '../ssh/connection';
import { QuestionBroker } from './broker';
import { isNotLive, RunClient, type FollowEnd } from './client';
import { ControlServer } from './control';
import type { RunEnd } from './protocol';
import { WaitingNote } from './waiting';

/** Milliseconds that a question waits with nobody there: a run that changed nothing yet can simply be started again. */
const BEFORE_FIRST_CHANGE = 10 * 60_000;
/** Milliseconds from the last word of a process to its end. */
const GOODBYE_MS = 3000;
const AFTER_FIRST_CHANGE = 24 * 3_600_000;

export interface LiveRunsOptions {
  readonly env: NodeJS.ProcessEnv;
  /**
   * Who is asked first: the terminal of this process. Undefined: no terminal.
   */
  readonly terminal: Asker | undefined;
  /** With nobody there, `wait` for somebody to attach, or answer as unattended at once. */
  readonly alone: 'wait' | 'refuse';
  /** Gets `question` events of this process. */
  readonly sink: (event: LiveEvent) => void;
  /** The run goes on without a control socket; people should know why `attach` finds nothing. */
  readonly onProblem: (error: unknown) => void;
  /** The one that is open already, in a process that was started for one run. */
  readonly server?: () => ControlServer | undefined;
}

/** Runs that processes work on: opens the socket of ours, and reaches those of others. */
export class LiveRunService implements LiveRuns {
  readonly broker: QuestionBroker;
  readonly #options: LiveRunsOptions;
  #view: (() => RunView) | undefined;
  #control: ControlServer | undefined;
  #note: WaitingNote | undefined;

  constructor(options: LiveRunsOptions) {
    this.#options = options;
    this.broker = new QuestionBroker({
      sink: (event) => {
        options.sink(event as LiveEvent);
        this.#control?.sink(event);
        this.#note?.set(this.broker.waitingFor);
      },
      maxWait: () => this.#maxWait(),
    });
    if (options.terminal) this.broker.attachAsker(options.terminal);
  }

  /** Opens the control socket of a run that this process works on. Without one the run goes on all the same. */
  async serve(ctx: RunContext): Promise<{ close(): Promise<void>; sink(event: Event | JournalEntry): void }> {
    this.#view = () => ctx.view;
    const note = new WaitingNote(ctx.folder);
    note.set(this.broker.waitingFor);
    this.#note = note;
    const server = await this.#open(ctx).catch((error: unknown) => {
      this.#options.onProblem(error);
      return undefined;
    });
    if (!server) return { close: () => note.close(), sink: () => undefined };
    this.#control = server;
    return {
      sink: server.sink,
      close: async () => {
        await note.close();
        server.finish(endOf(ctx.view, ctx.signal.aborted));
        // A socket that was opened for the process is closed by the process, after it told how all ended.
        if (!this.#options.server) await server.close();
      },
    };
  }

  async #open(ctx: RunContext): Promise<ControlServer> {
    const server =
      this.#options.server?.() ??
      (await ControlServer.open({
        broker: this.broker,
        env: this.#options.env,
        stop: (by) => {
          requestStop(ctx, by);
        },
      }));
    try {
      await server.announce(ctx.folder);
      const text = await readFile(join(ctx.folder, 'journal.jsonl'), 'utf8');
      server.adopt(ctx.plan, ctx.folder, parseJournal(text, ctx.folder).entries);
      return server;
    } catch (error) {
      if (!this.#options.server) await server.close();
      throw error;
    }
  }

  #maxWait(): number {
    if (this.#options.alone === 'refuse') return 0;
    const changed = Object.values(this.#view?.().nodes ?? {}).some(changesBegun);
    return changed ? AFTER_FIRST_CHANGE : BEFORE_FIRST_CHANGE;
  }

  /** Replays the run on a user interface and follows it; its questions are asked there. Ends when the run does, or with `detach`. */
  async follow(record: RunRecord, ui: UserInterface, detach: AbortSignal): Promise<void> {
    let client: RunClient;
    try {
      client = await RunClient.connect(record.folder);
    } catch (error) {
      // It ended between the look at its folder and now: the caller reads the journal.
      if (isNotLive(error)) return;
      throw error;
    }
    const onDetach = (): void => {
      client.close();
    };
    detach.addEventListener('abort', onDetach, { once: true });
    try {
      await followOn(client, ui);
      if (!detach.aborted) await gone(client);
    } finally {
      detach.removeEventListener('abort', onDetach);
      client.close();
    }
  }

  async stop(record: RunRecord, by: string): Promise<boolean> {
    let client: RunClient | undefined;
    try {
      client = await RunClient.connect(record.folder);
      await client.stop(by);
      return true;
    } catch (error) {
      if (isNotLive(error)) return false;
      throw error;
    } finally {
      client?.close();
    }
  }
}

/** The owner says goodbye a moment before it is gone; only then its folder tells how it stands. */
async function gone(client: RunClient): Promise<void> {
  const deadline = deadlineIn(GOODBYE_MS);
  while (liveness(client.control) === 'alive' && !deadline.passed) await sleep(50);
}

async function followOn(client: RunClient, ui: UserInterface): Promise<FollowEnd> {
  const open = new Map<string, AbortController>();
  const { plan } = await client.follow(1, {
    planned: (later) => {
      ui.begin(later);
    },
    said: (lines) => {
      ui.say(...lines);
    },
    events: (events) => {
      for (const event of events) ui.sink(event);
    },
    question: ({ id, question }) => {
      const stop = new AbortController();
      open.set(id, stop);
      void ui.asker
        .ask(question, stop.signal)
        .then((answer) => (stop.signal.aborted ? false : client.answer(id, answer)))
        .catch(() => false);
    },
    questionClosed: (id) => open.get(id)?.abort(),
  });
  if (plan) ui.begin(plan);
  const end = await client.end;
  for (const stop of open.values()) stop.abort();
  return end;
}

function endOf(view: RunView, letGo: boolean): RunEnd {
  const status = view.exit ?? (letGo ? ExitStatus.interrupted : ExitStatus.unknown);
  return { outcome: view.outcome ?? 'interrupted', status, nodes: view.results ?? {}, error: null };
}
