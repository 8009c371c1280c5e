import { type ErrorCode, exitOf, type ReadCode } from './catalogue';
import { ExitStatus } from './catalogue/exit-status';
import { shellWord } from './shell';

export { ExitStatus };

/** What an error says besides its message. */
export interface ErrorDetail {
  /** Stable: people search for it, scripts match on it. Add a new one to `base/catalogue/`. */
  readonly code: ReadCode;
  /** What happened, naming the thing it happened to. One sentence, no trailing period needed. */
  readonly message: string;
  /** The next thing to do, as an imperative sentence or a command. */
  readonly hint: string;
  /** Default: that of the catalogue. */
  readonly exit?: ExitStatus | undefined;
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
  readonly code: ReadCode;
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
    this.exit = detail.exit ?? exitOf(detail.code);
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
export function hasCode(error: unknown, code: ErrorCode): error is ClusterliftError {
  return error instanceof ClusterliftError && error.code === code;
}

/** The message with its code at the end, so that it can be looked up in docs/errors.md. */
export function withCode({ message, code }: Pick<ErrorDetail, 'message' | 'code'>): string {
  return `${message} [${code}]`;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
