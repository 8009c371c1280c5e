import { StringDecoder } from 'node:string_decoder';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { atMost } from '../base/async';
import { after } from '../base/clock';
import type { Terminal } from '../ssh/reach/ssh-connection';
import type { TerminalSize } from '../ssh/reach/transport';
import { endOfError } from './host';
import type { QueryHost } from './query-host';
import {
  ShellInputNotification,
  ShellSizeNotification,
  ShellTextRequestType,
  type ShellEnd,
  type ShellRequest,
} from './shell-protocol';

/** A terminal on a node, with the connection that it holds. */
export interface OpenedShell extends Terminal {
  release(): Promise<void>;
}

export type OpenShell = (request: ShellRequest, host: QueryHost) => Promise<OpenedShell>;

/** Milliseconds for a shell to go when it is told to, and for its last words. */
const END_MS = 3000;

interface Session {
  terminal: Terminal | undefined;
  size: TerminalSize;
}

/** The service's end of all terminals of a window. */
export class Shells {
  readonly #sessions = new Map<string, Session>();

  constructor(
    private readonly rpc: MessageConnection,
    private readonly open: OpenShell,
  ) {
    rpc.onNotification(ShellInputNotification, ({ id, text }) => {
      this.#sessions.get(id)?.terminal?.stream.write(text);
    });
    rpc.onNotification(ShellSizeNotification, ({ id, size }) => {
      const session = this.#sessions.get(id);
      if (!session) return;
      session.size = size;
      session.terminal?.resize(size);
    });
  }

  /** Opens a terminal and carries it until the shell ends, the link is lost, or the window wants no more. */
  async run(request: ShellRequest, host: QueryHost): Promise<ShellEnd> {
    const session: Session = { terminal: undefined, size: request.size };
    this.#sessions.set(request.id, session);
    let opened: OpenedShell | undefined;
    try {
      opened = await this.open(request, host);
      session.terminal = opened;
      // The window may have been resized while a person was asked.
      if (session.size !== request.size) opened.resize(session.size);
      return { status: await this.#carry(request.id, opened, host.signal), error: null };
    } catch (error) {
      return { status: null, error: endOfError(error).error };
    } finally {
      this.#sessions.delete(request.id);
      await opened?.release();
    }
  }

  async #carry(id: string, terminal: Terminal, signal: AbortSignal): Promise<number | null> {
    const close = (): void => {
      terminal.close();
    };
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    const told = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => after(END_MS, resolve).unref(), { once: true });
    });
    terminal.stream.on('error', () => undefined);
    const spoken = this.#speak(id, terminal.stream).catch(() => undefined);
    try {
      const status = await Promise.race([terminal.closed, told.then(() => null)]);
      // A link that is lost ends no stream: what came until then is all there is.
      await atMost(END_MS, spoken);
      return status;
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  /** Hands on what the node says, a piece at a time: the next is read when the window has taken the one before. */
  async #speak(id: string, stream: NodeJS.ReadableStream): Promise<void> {
    const decoder = new StringDecoder('utf8');
    for await (const chunk of stream) {
      const text = typeof chunk === 'string' ? chunk : decoder.write(chunk);
      if (text !== '') await this.rpc.sendRequest(ShellTextRequestType, { id, text });
    }
  }
}
