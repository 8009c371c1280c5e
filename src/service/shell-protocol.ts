import { NotificationType, ParameterStructures, RequestType } from 'vscode-jsonrpc';
import type { TerminalSize } from '../ssh/reach/transport';
import type { QueryResult } from './query-protocol';

/**
 * Terminals of a window, over the service process: the window has the keyboard, the service the connection with its
 * host-key check. A terminal is one long request: it is answered when the shell has ended, cancelled to end it.
 */

export interface ShellRequest {
  /** Made by the window; names the terminal in all that follows. */
  readonly id: string;
  readonly cluster: string;
  /** The clusters.json; null: the nearest from `cwd` upwards, as for every command. */
  readonly config: string | null;
  readonly node: string;
  readonly cwd: string;
  readonly size: TerminalSize;
}

export interface ShellEnd {
  /** Of the shell; null: a signal, the link went away, or there was none (`error`). */
  readonly status: number | null;
  readonly error: QueryResult['error'];
}

const one = ParameterStructures.byName;

export const ShellRequestType = new RequestType<ShellRequest, ShellEnd, undefined>('shell', one);
/** From the service. A request, so that a node that prints without end waits for the window. */
export const ShellTextRequestType = new RequestType<{ readonly id: string; readonly text: string }, null, undefined>(
  'shell.text',
  one,
);
/** From the window: what was typed. */
export const ShellInputNotification = new NotificationType<{ readonly id: string; readonly text: string }>(
  'shell.input',
  one,
);
export const ShellSizeNotification = new NotificationType<{ readonly id: string; readonly size: TerminalSize }>(
  'shell.size',
  one,
);
