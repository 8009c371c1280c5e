import type { Env } from '../base/paths';
import type { RunContext } from '../engine/control/context';
import type { Event, JournalEntry } from '../engine/journal/events';
import type { RunRecord, Runs } from '../engine/journal/runs';
import type { Asker } from '../ssh/connection';
import type { Secrets } from '../ssh/secrets';
import type { UserInterface } from './ui';

/** What every command is given by the composition root. */
export interface CommandContext {
  readonly env: Env;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly ui: UserInterface;
  /** Answers questions: the one of the user interface, or an attached client. */
  readonly asker: Asker;
  readonly secrets: Secrets;
  readonly runs: Runs;
  /** Of this program. */
  readonly version: string;
  /** `user@host` */
  readonly by: string;
  /** First Ctrl-C: no new node is begun. */
  readonly stop: AbortSignal;
  /** Second Ctrl-C: this process detaches at once. */
  readonly detach: AbortSignal;
  /** Either of the two: for all that comes before the first change. */
  readonly signal: AbortSignal;
  readonly live: LiveRuns;
}

/** Runs that a process works on just now, reached through their control sockets. */
export interface LiveRuns {
  /** Opens the socket of a run that this process works on. */
  serve(ctx: RunContext): Promise<{ close(): Promise<void>; sink(event: Event | JournalEntry): void }>;
  /** Follows a run of another process until it ends, or until `detach`. */
  follow(record: RunRecord, ui: UserInterface, detach: AbortSignal): Promise<void>;
  /** Asks the process of a run to begin no further node. @returns false: no process answers */
  stop(record: RunRecord, by: string): Promise<boolean>;
}
