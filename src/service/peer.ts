import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { ResponseError } from 'vscode-jsonrpc';
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { sleep } from '../base/async';
import { after, type Timer } from '../base/clock';
import { line } from '../base/text';
import type { Event, JournalEntry } from '../engine/journal/events';
import type { Plan } from '../engine/journal/plan';
import type { Question } from '../ssh/connection';
import type { QuestionClient, Attachment } from './broker';
import { Outbox } from './outbox';
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
  RpcError,
  SaidNotification,
  StatusRequest,
  StopRequest,
  type Followed,
  type Hello,
  type RunEnd,
  type RunRequest,
  type RunStatus,
} from './protocol';

/** What a connection may do with the run. */
export interface RunControls {
  status(): RunStatus;
  run(): { readonly plan: Plan; readonly folder: string } | undefined;
  /** What was said to people so far, before there is a run. */
  said(): readonly string[];
  entriesFrom(seq: number): readonly JournalEntry[];
  stop(by: string): void;
  begin(request: RunRequest): boolean;
  attachment(client: QuestionClient, starter: boolean): Attachment;
  gone(): void;
}

/** Milliseconds to prove the token; nobody who knows it needs longer. */
const PROOF_MS = 10_000;
/** Milliseconds for the answer to get out. */
const REFUSAL_MS = 50;
/** Events wait so long for others, so that a busy run does not send each one alone. */
const BATCH_MS = 50;

type Standing =
  | { readonly kind: 'stranger' }
  | { readonly kind: 'met'; readonly client: Hello; readonly server: Hello }
  | { readonly kind: 'proven' | 'limited' };

/** The server's end of one connection: nothing but the handshake is heard before the token is proven. */
export class Peer implements QuestionClient {
  readonly #connection: MessageConnection;
  readonly #timer: Timer;
  readonly #outbox = new Outbox();
  #standing: Standing = { kind: 'stranger' };
  #attachment: Attachment | undefined;
  #starter = false;
  #follows = false;
  #sending: Promise<void> | undefined;
  #closed = false;

  constructor(
    private readonly socket: Socket,
    private readonly token: string,
    private readonly controls: RunControls,
  ) {
    this.#timer = after(PROOF_MS, () => {
      this.end();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#onClose();
    });
    this.#connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
    this.#connection.onError(() => {
      this.end();
    });
    this.#listen();
    this.#connection.listen();
  }

  get follows(): boolean {
    return this.#follows;
  }

  #listen(): void {
    const rpc = this.#connection;
    rpc.onRequest(HelloRequest, (hello) => this.#hello(hello));
    rpc.onRequest(ProveRequest, ({ proof }) => this.#prove(proof));
    rpc.onRequest(StopRequest, ({ by }) => {
      this.#demand('limited');
      this.controls.stop(line(by, 200));
      return null;
    });
    rpc.onRequest(StatusRequest, () => {
      this.#demand('proven');
      return this.controls.status();
    });
    rpc.onRequest(BeginRequest, (request) => {
      this.#demand('proven');
      // Before the run can ask its first question, its starter must be there to be asked.
      this.#starter = true;
      if (!this.controls.begin(request)) throw new ResponseError(RpcError.notNow, 'this run knows already what to do');
      this.#follow(1);
      return null;
    });
    rpc.onRequest(FollowRequest, ({ fromSeq }) => {
      this.#demand('proven');
      return this.#follow(Number.isSafeInteger(fromSeq) ? fromSeq : 1);
    });
    rpc.onRequest(AnswerRequest, ({ id, answer }) => {
      this.#demand('proven');
      return { accepted: this.#attachment?.answer(id, answer ?? undefined) ?? false };
    });
  }

  #hello(hello: Hello): Hello & { proof: string } {
    if (
      this.#standing.kind !== 'stranger' ||
      majorOf(hello.version) === undefined ||
      !/^[0-9a-f]{64}$/.test(hello.nonce)
    ) {
      return this.#refuse();
    }
    const server: Hello = { version: PROTOCOL_VERSION, nonce: randomBytes(32).toString('hex') };
    const client: Hello = { version: hello.version, nonce: hello.nonce };
    this.#standing = { kind: 'met', client, server };
    return { ...server, proof: proofOf('server', this.token, client, server) };
  }

  #prove(proof: unknown): { limited: boolean } {
    const standing = this.#standing;
    if (standing.kind !== 'met' || !proves(proof, proofOf('client', this.token, standing.client, standing.server))) {
      return this.#refuse();
    }
    this.#timer.cancel();
    const limited = majorOf(standing.client.version) !== PROTOCOL.major;
    this.#standing = { kind: limited ? 'limited' : 'proven' };
    return { limited };
  }

  #demand(least: 'limited' | 'proven'): void {
    const { kind } = this.#standing;
    if (kind === 'proven' || kind === least) return;
    if (kind === 'limited') {
      throw new ResponseError(
        RpcError.otherVersion,
        `this run speaks protocol ${PROTOCOL_VERSION}: only stop is possible`,
      );
    }
    this.#refuse();
  }

  /** Answers once, then hangs up. */
  #refuse(): never {
    after(REFUSAL_MS, () => {
      this.end();
    });
    throw new ResponseError(RpcError.wrongProof, 'the token was not proven');
  }

  #follow(fromSeq: number): Followed {
    const run = this.controls.run();
    const entries = this.controls.entriesFrom(fromSeq);
    if (!this.#follows) {
      this.#follows = true;
      for (const entry of entries) this.#outbox.add(entry);
      const said = run ? [] : this.controls.said();
      if (said.length > 0) setImmediate(() => { this.said(said); }); // prettier-ignore
      // After the reply: events must not come before the plan that they are folded into.
      setImmediate(() => {
        this.#attachment ??= this.#closed ? undefined : this.controls.attachment(this, this.#starter);
        this.#send();
      });
    }
    return { plan: run?.plan ?? null, folder: run?.folder ?? null, seq: this.controls.entriesFrom(0).at(-1)?.seq ?? 0 };
  }

  planned(plan: Plan, folder: string): void {
    if (!this.#follows) return;
    for (const entry of this.controls.entriesFrom(0)) this.#outbox.add(entry);
    void this.#connection.sendNotification(PlannedNotification, { plan, folder }).catch(() => undefined);
  }

  said(lines: readonly string[]): void {
    if (this.#follows) void this.#connection.sendNotification(SaidNotification, { lines }).catch(() => undefined);
  }

  tell(event: Event | JournalEntry): void {
    if (!this.#follows || this.#closed) return;
    this.#outbox.add(event);
    this.#send();
  }

  /** One message is under way at a time: a slow reader makes the outbox merge, not grow. */
  #send(): void {
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
    });
  }

  async #drain(): Promise<void> {
    try {
      while (!this.#closed && !this.#outbox.empty) {
        await sleep(BATCH_MS);
        await this.#connection.sendNotification(EventsNotification, { events: this.#outbox.take() });
      }
    } catch {
      this.end();
    }
  }

  open(id: string, question: Question): void {
    void this.#connection.sendNotification(QuestionOpened, { id, question }).catch(() => undefined);
  }

  close(id: string): void {
    void this.#connection.sendNotification(QuestionClosed, { id }).catch(() => undefined);
  }

  /** Sends the rest and how it ended, then hangs up. */
  async farewell(end: RunEnd | undefined): Promise<void> {
    if (this.#closed) return;
    if (this.#follows) {
      await this.#sending;
      if (!this.#outbox.empty) await this.#drain();
      if (end) await this.#connection.sendRequest(EndedRequest, end).catch(() => undefined);
    }
    await new Promise<void>((resolve) => this.socket.end(resolve));
  }

  end(): void {
    this.socket.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#connection.dispose();
    this.#attachment?.leave();
    this.controls.gone();
  }
}
