import { ParameterStructures, RequestType } from 'vscode-jsonrpc';
import type { ErrorRecord } from '../engine/journal/events';
import type { Question } from '../ssh/connection';

/** The protocol with the service process, over its stdin and stdout: queries only, nothing that changes a node. */

export interface QueryRequest {
  /** The words of a command that changes nothing: `status`, `check`, `runs`, `package inspect`, `backup list`, any `--dry-run`. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** By name; kept as long as the request. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly by: string;
}

export interface QueryResult {
  /** The exit status of docs/commands.md. */
  readonly status: number;
  /** What `--json` gives, an element a line. */
  readonly rows: readonly unknown[];
  /** Lines for people. */
  readonly lines: readonly string[];
  readonly error:
    (ErrorRecord & { readonly node?: string; readonly at?: { file: string; line: number; column: number } }) | null;
}

const one = ParameterStructures.byName;

export const QueryRequestType = new RequestType<QueryRequest, QueryResult, undefined>('query', one);
/** From the service to the window that sent the query. Null: cancelled, or the window is gone. */
export const AskRequestType = new RequestType<
  { readonly question: Question },
  { readonly answer: string | null },
  undefined
>('ask', one);
