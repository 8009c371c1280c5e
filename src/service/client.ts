import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import type { RequestType } from 'vscode-jsonrpc';
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { within } from '../base/async';
import { ClusterliftError, ExitStatus, hasCode, messageOf } from '../base/errors';
import { liveness } from '../base/process';
import type { JournalEntry, LiveEvent } from '../engine/journal/events';
import type { Plan } from '../engine/journal/plan';
import { readControlFile, type ControlFile } from './address';
import {
  AnswerRequest,
  BeginRequest,
  EndedRequest,
  EventsNotification,
  FollowRequest,
  HelloRequest,
  majorOf,
  PlannedNotification,
  PROTOCOL,
  PROTOCOL_VERSION,
  proofOf,
  ProveRequest,
  proves,
  QuestionClosed,
  QuestionOpened,
  SaidNotification,
  StatusRequest,
  StopRequest,
  type Followed,
  type Hello,
  type OpenQuestion,
  type RunEnd,
  type RunRequest,
  type RunStatus,
} from './protocol';

/** What a follower is told. Handlers must not throw. */
export interface RunFollower {
  /** The run was planned after following began. */
  planned?(plan: Plan, folder: string): void;
  /** Lines for people, before there is a plan. */
  said?(lines: readonly string[]): void;
  events(events: readonly (JournalEntry | LiveEvent)[]): void;
  question?(open: OpenQuestion): void;
  questionClosed?(id: string): void;
}

/** How following ended: the run said so, or its process (or the link to it) was gone without a word. */
export type FollowEnd =
  { readonly kind: 'ended'; readonly end: RunEnd } | { readonly kind: 'closed' } | { readonly kind: 'lost' };

const CONNECT_MS = 5000;
const REQUEST_MS = 10_000;

/** A connection to the process that works on a run. It needs nothing of ssh2 or undici: the extension uses it as it is. */
export class RunClient {
  readonly #socket: Socket;
  readonly #connection: MessageConnection;
  readonly #end: Promise<FollowEnd>;
  #lastWord: RunEnd | undefined;
  #left = false;
  #closed = false;

  private constructor(
    socket: Socket,
    readonly control: ControlFile,
  ) {
    this.#socket = socket;
    this.#connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
    this.#connection.onRequest(EndedRequest, (end) => {
      this.#lastWord = end;
      return null;
    });
    this.#end = new Promise((resolve) => {
      socket.on('close', () => {
        this.#closed = true;
        const end = this.#lastWord;
        resolve(end ? { kind: 'ended', end } : { kind: this.#left ? 'closed' : 'lost' });
        // Later, so that who waits for an answer learns the reason and not that a connection was disposed.
        setImmediate(() => {
          this.#connection.dispose();
        });
      });
    });
    this.#connection.onError(() => socket.destroy());
  }

  /** The other side has another major version: only `stop` is possible, and reading the journal. */
  get limited(): boolean {
    return majorOf(this.control.protocol) !== PROTOCOL.major;
  }

  /**
   * Connects to the run of a folder and proves the token, both ways.
   * @throws ClusterliftError `run-not-live` when no process works on it; `control-refused` when the other side is not that process;
   * `control-file` when control.json cannot be trusted
   */
  static async connect(folder: string): Promise<RunClient> {
    const control = await readControlFile(folder);
    if (!control || liveness(control) === 'dead') throw notLive(folder);
    const socket = await openSocket(control.address, folder);
    const client = new RunClient(socket, control);
    client.#connection.listen();
    try {
      await within(CONNECT_MS, client.#shakeHands(), () => refused('it did not prove itself in time'));
      return client;
    } catch (error) {
      client.close();
      throw error instanceof ClusterliftError ? error : refused(messageOf(error));
    }
  }

  /** The server proves first: another process learns nothing that it could use. */
  async #shakeHands(): Promise<void> {
    const { token } = this.control;
    const mine: Hello = { version: PROTOCOL_VERSION, nonce: randomBytes(32).toString('hex') };
    const reply = await this.#connection.sendRequest(HelloRequest, mine);
    const theirs: Hello = { version: reply.version, nonce: reply.nonce };
    if (!proves(reply.proof, proofOf('server', token, mine, theirs))) throw refused('it does not know the token');
    await this.#connection.sendRequest(ProveRequest, { proof: proofOf('client', token, mine, theirs) });
  }

  /**
   * Follows: first all journal lines from `fromSeq` on, then what happens, in batches.
   * @returns the plan, if there is one already
   */
  async follow(fromSeq: number, follower: RunFollower): Promise<Followed> {
    this.#listen(follower);
    return this.#ask(FollowRequest, { fromSeq });
  }

  #listen(follower: RunFollower): void {
    const rpc = this.#connection;
    rpc.onNotification(EventsNotification, ({ events }) => {
      follower.events(events);
    });
    rpc.onNotification(PlannedNotification, ({ plan, folder }) => follower.planned?.(plan, folder));
    rpc.onNotification(SaidNotification, ({ lines }) => follower.said?.(lines));
    rpc.onNotification(QuestionOpened, (open) => follower.question?.(open));
    rpc.onNotification(QuestionClosed, ({ id }) => follower.questionClosed?.(id));
  }

  /** No further node begins; those begun are finished. */
  async stop(by: string): Promise<void> {
    await this.#ask(StopRequest, { by });
  }

  async status(): Promise<RunStatus> {
    return this.#timed(() => this.#connection.sendRequest(StatusRequest));
  }

  /**
   * Answers an open question; undefined cancels it.
   * @returns false when somebody else was faster
   */
  async answer(id: string, answer: string | undefined): Promise<boolean> {
    return (await this.#ask(AnswerRequest, { id, answer: answer ?? null })).accepted;
  }

  /** Tells a run process that was just started what to do, and follows it: also one that ends at once is heard. */
  async begin(request: RunRequest, follower: RunFollower): Promise<void> {
    this.#listen(follower);
    await this.#ask(BeginRequest, request);
  }

  /** Settles when there is nothing more to come. Never rejects. */
  get end(): Promise<FollowEnd> {
    return this.#end;
  }

  /** Detaches; the run continues. */
  close(): void {
    this.#left = true;
    this.#socket.destroy();
  }

  #ask<P, R>(type: RequestType<P, R, undefined>, params: P): Promise<R> {
    // The library's type of parameters cannot be told from P while P is open.
    return this.#timed(() => this.#connection.sendRequest(type, params as never));
  }

  async #timed<R>(send: () => Promise<R>): Promise<R> {
    if (this.#closed) throw lost();
    const gone = this.#end.then(() => {
      throw lost();
    });
    try {
      return await within(REQUEST_MS, Promise.race([send(), gone]), lost);
    } catch (error) {
      if (error instanceof ClusterliftError) throw error;
      throw this.limited ? otherVersion(this.control) : refused(messageOf(error));
    }
  }
}

async function openSocket(address: string, folder: string): Promise<Socket> {
  const socket = createConnection(address);
  // Told by `close`; without a listener it would end the process.
  const open = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('connect', resolve);
  });
  try {
    await within(CONNECT_MS, open, () => new Error('timed out'));
    return socket;
  } catch {
    socket.destroy();
    throw notLive(folder);
  }
}

function notLive(folder: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-not-live',
    message: `No process works on the run in ${folder}`,
    hint: 'Go on with it: `clusterlift resume`.',
    exit: ExitStatus.usage,
  });
}

export function isNotLive(error: unknown): boolean {
  return hasCode(error, 'run-not-live');
}

function refused(why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'control-refused',
    message: `The process behind the control socket of the run could not be trusted or did not accept us: ${why}`,
    hint: 'Look at the run with `clusterlift runs`, which reads its journal only.',
    exit: ExitStatus.refused,
  });
}

function otherVersion(control: ControlFile): ClusterliftError {
  return new ClusterliftError({
    code: 'control-version',
    message: `The run belongs to another version of Clusterlift (protocol ${control.protocol}, ours is ${PROTOCOL_VERSION})`,
    hint: 'It can be stopped from here, and read with `clusterlift runs`; to follow it, use the version that started it.',
    exit: ExitStatus.usage,
  });
}

function lost(): ClusterliftError {
  return new ClusterliftError({
    code: 'run-lost',
    message: 'The process of the run is gone or does not answer',
    hint: 'Look at it with `clusterlift runs`; go on with `clusterlift resume`.',
    exit: ExitStatus.unknown,
  });
}
