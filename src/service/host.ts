import { appendFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { within } from '../base/async';
import { wallClock } from '../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import type { LiveRuns } from '../command/context';
import type { RunContext } from '../engine/control/context';
import type { Event, JournalEntry, RunOutcome } from '../engine/journal/events';
import type { Asker } from '../ssh/connection';
import { ControlServer } from './control';
import { requestStop } from '../engine/control/stop';
import { LiveRunService } from './live-runs';
import type { RunEnd, RunRequest } from './protocol';
import { PROCESS_LOG } from './spawn';

/** What the process of a run offers to the engine. */
export interface HostedRun {
  /** Its `serve` uses the socket that is open already. */
  readonly live: LiveRuns;
  /** The client that started the run, else those that are attached. */
  readonly asker: Asker;
  /** Tells people something while there is no plan yet. */
  say(lines: readonly string[]): void;
  /** Gets live events of the time before there is a run (a download). */
  sink(event: Event | JournalEntry): void;
  /** Somebody asked to stop, also before there was a run. */
  readonly stop: AbortSignal;
  /** The process must end (SIGTERM): it detaches, jobs on the nodes continue. */
  readonly detach: AbortSignal;
}

export interface RunProcessDeps {
  readonly env: NodeJS.ProcessEnv;
  /** Does what the words say, as the command line would, without a terminal. */
  execute(request: RunRequest, host: HostedRun): Promise<RunEnd>;
}

/** Milliseconds for the first message. The client that starts a run sends it at once. */
const BEGIN_MS = 30_000;

/**
 * The process of one run: opens its control socket, takes the first message, works, tells how it ended.
 * @param folder the launch folder, made by `spawnRun`; gone when this returns
 * @returns the exit status
 */
export async function runMain(folder: string, deps: RunProcessDeps): Promise<ExitStatus> {
  const run = new RunProcess(folder, deps);
  process.on('uncaughtExceptionMonitor', run.note);
  try {
    return await run.work();
  } catch (error) {
    run.note(error);
    return ExitStatus.failed;
  } finally {
    process.off('uncaughtExceptionMonitor', run.note);
  }
}

class RunProcess {
  readonly #stop = new AbortController();
  readonly #detach = new AbortController();
  readonly #live: LiveRunService;
  #run: RunContext | undefined;
  #server: ControlServer | undefined;

  constructor(
    private readonly folder: string,
    private readonly deps: RunProcessDeps,
  ) {
    this.#live = new LiveRunService({
      env: deps.env,
      terminal: undefined,
      alone: 'wait',
      sink: () => undefined,
      onProblem: this.note,
      server: () => this.#server,
    });
  }

  async work(): Promise<ExitStatus> {
    let begin: (request: RunRequest) => void = () => undefined;
    const request = new Promise<RunRequest>((resolve) => (begin = resolve));
    const { broker } = this.#live;
    const server = await ControlServer.open({ broker, env: this.deps.env, begin, stop: this.#onStop });
    this.#server = server;
    process.on('SIGTERM', this.#letGo);
    // A closed terminal is not ours; and a second one must not end us.
    process.on('SIGHUP', () => undefined);
    try {
      await server.announce(this.folder);
      const end = await this.#execute(await within(BEGIN_MS, request, nobodyBegan));
      server.finish(end);
      await rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
      return end.status as ExitStatus;
    } finally {
      process.off('SIGTERM', this.#letGo);
      broker.close();
      await server.close();
    }
  }

  async #execute(request: RunRequest): Promise<RunEnd> {
    const live = this.#live;
    try {
      return await this.deps.execute(request, {
        asker: live.broker,
        say: (lines) => this.#server?.say(lines),
        sink: (event) => {
          if (!this.#run) this.#server?.sink(event);
        },
        stop: this.#stop.signal,
        detach: this.#detach.signal,
        live: {
          serve: (ctx) => {
            this.#run = ctx;
            // The folder of the extension may go with its next update, the launch folder goes at the end.
            process.chdir(ctx.folder);
            return live.serve(ctx);
          },
          follow: (record, ui, detach) => live.follow(record, ui, detach),
          stop: (record, by) => live.stop(record, by),
        },
      });
    } catch (error) {
      if (!(error instanceof ClusterliftError) && !this.#detach.signal.aborted) this.note(error);
      const end = endOfError(error);
      return this.#detach.signal.aborted ? { ...end, outcome: 'interrupted', status: ExitStatus.interrupted } : end;
    }
  }

  readonly #onStop = (by: string): void => {
    if (this.#run) requestStop(this.#run, by);
    else this.#stop.abort();
  };

  /** Nobody sees the output of this process: what should never happen is kept in a file. */
  readonly note = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    try {
      const file = join(this.#run?.folder ?? this.folder, PROCESS_LOG);
      appendFileSync(file, `${new Date(wallClock()).toISOString()} ${text}\n`, { mode: 0o600 });
    } catch {
      // Then nothing can be kept.
    }
  };

  readonly #letGo = (): void => {
    this.#detach.abort();
  };
}

/** How a run ends that threw: refused before it began, or detached. */
export function endOfError(error: unknown): RunEnd {
  if (!(error instanceof ClusterliftError)) {
    const hint = 'This is a fault of Clusterlift: report it with the journal of the run.';
    return {
      outcome: 'failed',
      status: ExitStatus.failed,
      nodes: {},
      error: { code: 'internal', message: messageOf(error), hint },
    };
  }
  const { code, message, hint, log, node, step, exit } = error;
  const record = {
    code,
    message,
    hint,
    ...(log ? { log } : {}),
    ...(node === undefined ? {} : { node }),
    ...(step === undefined ? {} : { step }),
  };
  return { outcome: outcomeOf(exit), status: exit, nodes: {}, error: record };
}

export function outcomeOf(exit: ExitStatus): RunOutcome {
  switch (exit) {
    case ExitStatus.ok:
      return 'succeeded';
    case ExitStatus.failed:
      return 'failed';
    case ExitStatus.usage:
    case ExitStatus.refused:
    case ExitStatus.locked:
      return 'refused';
    case ExitStatus.unknown:
      return 'unknown';
    case ExitStatus.interrupted:
      return 'interrupted';
  }
}

function nobodyBegan(): ClusterliftError {
  return new ClusterliftError({
    code: 'run-not-begun',
    message: 'Nobody said what to do',
    hint: 'Start the run again.',
    exit: ExitStatus.refused,
  });
}
