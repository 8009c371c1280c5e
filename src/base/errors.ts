import { shellWord } from './shell';
/**
 * How the command line ends (design 3). Each error carries the status it leads to,
 * so that no caller maps codes to numbers a second time.
 */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unknown: 4,
  locked: 5,
  interrupted: 130,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** What an error says besides its message. */
export interface ErrorDetail {
  /** Stable, lower-case, dashed: people search for it, scripts match on it. */
  readonly code: string;
  /** What happened, naming the thing it happened to. One sentence, no trailing period needed. */
  readonly message: string;
  /** The next thing to do, as an imperative sentence or a command. */
  readonly hint: string;
  readonly exit: ExitStatus;
  readonly node?: string | undefined;
  readonly step?: string | undefined;
  /** Last lines of the log of the step that failed; control characters are already stripped. */
  readonly log?: readonly string[] | undefined;
  /** Where in a file: path, line and column (1-based). */
  readonly at?: { readonly file: string; readonly line: number; readonly column: number } | undefined;
  /** The error underneath, for the engine's log only. */
  readonly cause?: unknown;
}

/** The only error that reaches a person: a stable code, the cause, and the next step. */
export class ClusterliftError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly exit: ExitStatus;
  readonly node: string | undefined;
  readonly step: string | undefined;
  readonly log: readonly string[] | undefined;
  readonly at: ErrorDetail['at'];

  constructor(detail: ErrorDetail) {
    super(detail.message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'ClusterliftError';
    this.code = detail.code;
    this.hint = detail.hint;
    this.exit = detail.exit;
    this.node = detail.node;
    this.step = detail.step;
    this.log = detail.log;
    this.at = detail.at;
  }

  /** The same error, told for a node (and step). */
  on(node: string, step?: string): ClusterliftError {
    return new ClusterliftError({ ...this.detail(), node: this.node ?? node, step: this.step ?? step });
  }

  /** The same error of a run: commands in its hint can be pasted. */
  of(run: string): ClusterliftError {
    return new ClusterliftError({ ...this.detail(), hint: hintFor(this.hint, run, this.node ?? '') });
  }

  detail(): ErrorDetail {
    const { code, message, hint, exit, node, step, log, at, cause } = this;
    return { code, message, hint, exit, node, step, log, at, cause };
  }
}

/** Hints are written where the run is not known: in their commands `RUN` stands for its id, `NODE=` for the node. */
export function hintFor(hint: string, run: string, node: string): string {
  return hint.replace(/`[^`]*`/g, (command) => {
    const named = command.replace(/\bRUN\b/g, () => shellWord(run));
    return node === '' ? named : named.replace(/\bNODE=/g, () => `${shellWord(node)}=`);
  });
}

/** Is this our error with that code? */
export function hasCode(error: unknown, code: string): error is ClusterliftError {
  return error instanceof ClusterliftError && error.code === code;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
