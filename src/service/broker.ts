import { randomBytes } from 'node:crypto';
import { after, type Timer } from '../base/clock';
import { questionLine } from '../terminal/questions';
import type { EventSink } from '../engine/journal/events';
import type { Asker, Question } from '../ssh/connection';

/** Somebody who can be asked: the terminal that the run was started on, or a client of the control socket. */
export interface QuestionClient {
  open(id: string, question: Question): void;
  /** It was answered elsewhere, or nobody needs to know any more. */
  close(id: string): void;
}

/** The place of a client at the broker. */
export interface Attachment {
  /** @returns false when the question is not open (any more), or was not put to this client */
  answer(id: string, answer: string | undefined): boolean;
  leave(): void;
}

export interface BrokerOptions {
  /** Gets `question` events. */
  readonly sink: EventSink;
  /**
   * Milliseconds that a question waits while no client is attached; read each time, because it waits longer
   * after the first change than before. 0: as unattended, at once.
   */
  readonly maxWait: () => number;
}

interface Pending {
  readonly id: string;
  readonly question: Question;
  readonly settle: (answer: string | undefined) => void;
}

interface Member {
  readonly client: QuestionClient;
  readonly starter: boolean;
}

/** Even with somebody attached nothing waits for ever. */
const ATTENDED_MS = 24 * 3_600_000;

/**
 * Puts the questions of a run to people: one at a time, to the client that started the run, else to all that are attached.
 * The first answer wins, the others are closed; a cancel is an answer (undefined) and counts for that question only.
 */
export class QuestionBroker implements Asker {
  readonly #options: BrokerOptions;
  readonly #members = new Set<Member>();
  readonly #queue: Pending[] = [];
  #current: { readonly pending: Pending; readonly asked: Set<Member>; timer: Timer } | undefined;
  #closed = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  async ask(question: Question, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#closed || signal?.aborted === true) return undefined;
    // Nobody waits for a person that nobody expects: nothing is announced, either.
    if (this.#members.size === 0 && this.#options.maxWait() === 0) return undefined;
    return new Promise((resolve) => {
      const id = randomBytes(8).toString('hex');
      const onAbort = (): void => {
        this.#settle(id, undefined);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (answer: string | undefined): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(answer);
      };
      this.#queue.push({ id, question, settle });
      this.#next();
    });
  }

  /** @param starter it started the run: it alone is asked as long as it is there */
  attach(client: QuestionClient, starter: boolean): Attachment {
    const member: Member = { client, starter };
    this.#members.add(member);
    this.#dispatch();
    return {
      answer: (id, answer) => {
        const current = this.#current;
        if (current?.pending.id !== id || !current.asked.has(member)) return false;
        this.#settle(id, answer, member);
        return true;
      },
      leave: () => {
        this.#members.delete(member);
        this.#current?.asked.delete(member);
        this.#dispatch();
      },
    };
  }

  /** Seats an asker of this process. */
  attachAsker(asker: Asker): Attachment {
    const open = new Map<string, AbortController>();
    const attachment = this.attach(
      {
        open: (id, question) => {
          const stop = new AbortController();
          open.set(id, stop);
          void asker
            .ask(question, stop.signal)
            .catch(() => undefined)
            .then((answer) => {
              open.delete(id);
              if (!stop.signal.aborted) attachment.answer(id, answer);
            });
        },
        close: (id) => open.get(id)?.abort(),
      },
      true,
    );
    return attachment;
  }

  /** The question that is open now, in words. */
  get waitingFor(): string | undefined {
    return this.#current && questionLine(this.#current.pending.question);
  }

  /** Nobody is asked any more: all that is open is answered with undefined. */
  close(): void {
    this.#closed = true;
    for (const { id } of [...(this.#current ? [this.#current.pending] : []), ...this.#queue])
      this.#settle(id, undefined);
  }

  #next(): void {
    if (this.#current) return;
    const pending = this.#queue.shift();
    if (!pending) return;
    this.#current = { pending, asked: new Set(), timer: this.#deadline(pending, false) };
    this.#tell(pending, true);
    this.#dispatch();
  }

  /** Puts the open question to those who should have it and do not have it yet. */
  #dispatch(): void {
    const current = this.#current;
    if (!current) return;
    const starters = [...this.#members].filter((each) => each.starter);
    for (const member of starters.length > 0 ? starters : [...this.#members]) {
      if (current.asked.has(member)) continue;
      current.asked.add(member);
      member.client.open(current.pending.id, current.pending.question);
      if (this.#current !== current) return;
    }
    current.timer.cancel();
    current.timer = this.#deadline(current.pending, current.asked.size > 0);
  }

  #deadline(pending: Pending, attended: boolean): Timer {
    const ms = attended ? ATTENDED_MS : this.#options.maxWait();
    return after(ms, () => {
      this.#settle(pending.id, undefined);
    });
  }

  #settle(id: string, answer: string | undefined, by?: Member): void {
    const current = this.#current;
    if (current?.pending.id !== id) {
      const index = this.#queue.findIndex((each) => each.id === id);
      if (index >= 0) this.#queue.splice(index, 1)[0]?.settle(answer);
      return;
    }
    this.#current = undefined;
    current.timer.cancel();
    for (const member of current.asked) if (member !== by) member.client.close(id);
    this.#tell(current.pending, false);
    current.pending.settle(answer);
    this.#next();
  }

  #tell(pending: Pending, open: boolean): void {
    this.#options.sink({ type: 'question', id: pending.id, open, text: questionLine(pending.question) });
  }
}
