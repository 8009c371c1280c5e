import type { ExitStatus } from './exit-status';

/** What is true of an error code wherever it is used. The message of an error says what happened this time. */
export interface ErrorEntry {
  /**
   * Exit status of a command that ends with it. An array: the first unless the place that throws it says another one.
   * Absent: it is only ever a warning, or recorded in a journal.
   */
  readonly exit?: ExitStatus | readonly [ExitStatus, ...ExitStatus[]];
  /** Why it happens: one or two short sentences. */
  readonly cause: string;
  /** What to do next: an imperative. */
  readonly next: string;
}
