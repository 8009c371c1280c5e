import { ResponseError } from 'vscode-jsonrpc';
import {
  CancellationTokenSource,
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { after, type Timer } from '../base/clock';
import { messageOf } from '../base/errors';
import type { Asker, Question } from '../ssh/connection';
import type { QueryHost } from './query-host';
import { AskRequestType, QueryRequestType, type QueryRequest, type QueryResult } from './query-protocol';
import { ShellRequestType } from './shell-protocol';
import { Shells, type OpenShell } from './shells';

export interface ServiceDeps {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Runs a command that only reads; one that would change something is an error result. It must not write to `output`. */
  query(request: QueryRequest, host: QueryHost): Promise<QueryResult>;
  /** Opens a terminal on a node. */
  readonly shell: OpenShell;
  /** Milliseconds without a request after which the process ends. */
  readonly idle?: number;
}

const IDLE_MS = 5 * 60_000;

/** The service process: answers until the window is gone, or nobody wanted anything for five minutes. */
export async function serviceMain(deps: ServiceDeps): Promise<void> {
  const rpc = createMessageConnection(new StreamMessageReader(deps.input), new StreamMessageWriter(deps.output));
  const gone = new AbortController();
  const asker = new RemoteAsker(rpc);
  let busy = 0;
  let timer: Timer | undefined;
  await new Promise<void>((resolve) => {
    const rest = (): void => {
      timer?.cancel();
      timer = after(deps.idle ?? IDLE_MS, resolve);
    };
    deps.output.on('error', resolve);
    deps.input.on('end', resolve);
    deps.input.on('close', resolve);
    rpc.onError(() => {
      resolve();
    });
    const serve = async <T>(token: CancellationToken, work: (host: QueryHost) => Promise<T>): Promise<T> => {
      busy++;
      timer?.cancel();
      const [signal, done] = signalOf(token, gone.signal);
      try {
        return await work({ asker, signal });
      } catch (error) {
        throw new ResponseError(1, messageOf(error));
      } finally {
        done();
        busy--;
        if (busy === 0) rest();
      }
    };
    const shells = new Shells(rpc, deps.shell);
    rpc.onRequest(QueryRequestType, (request, token) => serve(token, (host) => deps.query(request, host)));
    rpc.onRequest(ShellRequestType, (request, token) => serve(token, (host) => shells.run(request, host)));
    rpc.listen();
    rest();
  });
  timer?.cancel();
  gone.abort();
  rpc.dispose();
}

function signalOf(token: CancellationToken, also: AbortSignal): [AbortSignal, () => void] {
  const controller = new AbortController();
  const cancelled = token.onCancellationRequested(() => {
    controller.abort();
  });
  if (token.isCancellationRequested) controller.abort();
  return [
    AbortSignal.any([controller.signal, also]),
    () => {
      cancelled.dispose();
    },
  ];
}

/** Asks on the other side of the connection, one question at a time. */
class RemoteAsker implements Asker {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly rpc: MessageConnection) {}

  async ask(question: Question, signal?: AbortSignal): Promise<string | undefined> {
    const turn = this.#last.then(() => this.#ask(question, signal));
    this.#last = turn;
    return turn;
  }

  async #ask(question: Question, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (signal?.aborted === true) return undefined;
    const source = new CancellationTokenSource();
    const onAbort = (): void => {
      source.cancel();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return (await this.rpc.sendRequest(AskRequestType, { question }, source.token)).answer ?? undefined;
    } catch {
      // The window is gone, or it cancelled: nobody is there.
      return undefined;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      source.dispose();
    }
  }
}
