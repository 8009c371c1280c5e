import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import {
  CancellationTokenSource,
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { cancelled } from '../base/async';
import { ClusterliftError, ExitStatus, hasCode, messageOf } from '../base/errors';
import { lastLines } from '../base/text';
import type { Asker } from '../ssh/connection';
import { AskRequestType, QueryRequestType, type QueryRequest, type QueryResult } from './query-protocol';
import {
  ShellInputNotification,
  ShellRequestType,
  ShellSizeNotification,
  ShellTextRequestType,
  type ShellEnd,
  type ShellRequest,
} from './shell-protocol';
import { childEnv, SERVICE_WORD, type Launcher } from './spawn';

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

interface Service {
  readonly child: Child;
  readonly rpc: MessageConnection;
  readonly gone: Promise<ClusterliftError>;
}

/** A terminal on a node. */
export interface Shell {
  /** How the shell ended. @throws ClusterliftError `service-lost`, `cancelled` */
  readonly ended: Promise<ShellEnd>;
  input(text: string): void;
  resize(size: ShellRequest['size']): void;
  close(): void;
}

const KEPT_STDERR = 8192;

/** The window's end of the service process: starts it on first need, and again when it has ended. */
export class QueryClient {
  readonly #launcher: Omit<Launcher, 'stateHome'>;
  readonly #asker: Asker;
  /** Takes what the shells say, by id. */
  readonly #shells = new Map<string, (text: string) => void>();
  #service: Service | undefined;
  #disposed = false;

  /** @param asker gets the questions of queries (host keys, passwords) */
  constructor(launcher: Omit<Launcher, 'stateHome'>, asker: Asker) {
    this.#launcher = launcher;
    this.#asker = asker;
  }

  /**
   * Runs a command that changes nothing.
   * @throws ClusterliftError `service-lost`, `cancelled`; what the command itself has to say is in the result
   */
  async query(request: QueryRequest, signal?: AbortSignal): Promise<QueryResult> {
    return this.#ask('The query', (rpc, token) => rpc.sendRequest(QueryRequestType, request, token), signal);
  }

  /** Opens a terminal on a node. @param onText gets what it says */
  shell(request: Omit<ShellRequest, 'id'>, onText: (text: string) => void): Shell {
    const id = randomBytes(8).toString('hex');
    const close = new AbortController();
    let used = false;
    this.#shells.set(id, (text) => {
      used = true;
      onText(text);
    });
    const tell = (send: (rpc: MessageConnection) => Promise<void>): void => {
      if (this.#service) void send(this.#service.rpc).catch(() => undefined);
    };
    const ended = this.#ask(
      'The terminal',
      (rpc, token) => rpc.sendRequest(ShellRequestType, { ...request, id }, token),
      close.signal,
      () => !used,
    ).finally(() => this.#shells.delete(id));
    return {
      ended,
      input: (text) => {
        tell((rpc) => rpc.sendNotification(ShellInputNotification, { id, text }));
      },
      resize: (size) => {
        tell((rpc) => rpc.sendNotification(ShellSizeNotification, { id, size }));
      },
      close: () => {
        close.abort();
      },
    };
  }

  /** @param repeatable may it be asked again when the service ended meanwhile? It may have been idle just then. */
  async #ask<T>(
    what: string,
    send: (rpc: MessageConnection, token: CancellationToken) => Promise<T>,
    signal: AbortSignal | undefined,
    repeatable: () => boolean = () => true,
  ): Promise<T> {
    if (this.#disposed || isOver(signal)) throw cancelled(what);
    const running = this.#service;
    try {
      return await this.#askOnce(what, running ?? (this.#service = this.#start()), send, signal);
    } catch (error) {
      const again = running && repeatable() && !this.#isDisposed();
      if (!again || !hasCode(error, 'service-lost')) throw error;
      return this.#askOnce(what, (this.#service ??= this.#start()), send, signal);
    }
  }

  #isDisposed(): boolean {
    return this.#disposed;
  }

  async #askOnce<T>(
    what: string,
    { rpc, gone }: Service,
    send: (rpc: MessageConnection, token: CancellationToken) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const source = new CancellationTokenSource();
    const onAbort = (): void => {
      source.cancel();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const lost = gone.then((error) => {
        throw error;
      });
      return await Promise.race([send(rpc, source.token), lost]);
    } catch (error) {
      if (isOver(signal)) throw cancelled(what);
      throw error instanceof ClusterliftError ? error : serviceLost(messageOf(error), '');
    } finally {
      signal?.removeEventListener('abort', onAbort);
      source.dispose();
    }
  }

  /** Process id while it runs, for people who look for it. */
  get pid(): number | undefined {
    return this.#service?.child.pid;
  }

  /** Ends the service: its input ends, and with that it does. */
  dispose(): void {
    this.#disposed = true;
    this.#service?.child.stdin.end();
    this.#service = undefined;
  }

  #start(): Service {
    const { execPath, script, env } = this.#launcher;
    const child = spawn(execPath, [script, SERVICE_WORD], {
      env: childEnv(env),
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT_STDERR);
    });
    child.stdin.on('error', () => undefined);
    const rpc = createMessageConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
    rpc.onRequest(AskRequestType, async ({ question }, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => {
        stop.abort();
      });
      return { answer: (await this.#asker.ask(question, stop.signal)) ?? null };
    });
    rpc.onRequest(ShellTextRequestType, ({ id, text }) => {
      this.#shells.get(id)?.(text);
      return null;
    });
    const gone = new Promise<ClusterliftError>((resolve) => {
      const end = (why: string): void => {
        if (this.#service?.child === child) this.#service = undefined;
        resolve(serviceLost(why, stderr));
        setImmediate(() => {
          rpc.dispose();
        });
      };
      child.on('error', (error) => {
        end(error.message);
      });
      child.on('close', (code, signal) => {
        end(`it ended with ${signal ?? String(code)}`);
      });
    });
    rpc.listen();
    return { child, rpc, gone };
  }
}

function isOver(signal: AbortSignal | undefined): boolean {
  return signal?.aborted ?? false;
}

function serviceLost(why: string, stderr: string): ClusterliftError {
  return new ClusterliftError({
    code: 'service-lost',
    message: `The service process of Clusterlift is gone: ${why}`,
    hint: 'Try again; it is then started again.',
    exit: ExitStatus.failed,
    log: lastLines(stderr),
  });
}
