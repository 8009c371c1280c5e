import type { Readable, Writable } from 'node:stream';
import { after, type Timer } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines } from '../../base/text';
import { BOOT_MARK } from './command';
import type { ExecRequest, ExecResult } from '../connection';
import { abortReason } from '../errors';
import { deferred } from '../deferred';

/** A started bootstrap, whether at the end of an SSH channel or as a child of ours. */
export interface Pipe {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the process ended and both outputs were read; rejects when its outcome cannot be known any more. */
  readonly ended: Promise<Ending>;
  /** Detaches at once: closes the channel. The process may live on. */
  abandon(): void;
  /** While it rests, it does not keep our own process alive. */
  rest?(rests: boolean): void;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: string | undefined;
}

/** How the bootstrap became root, as far as the conversation is concerned. */
export interface Conversation {
  readonly node: string;
  /** Random; printed on both outputs when the script begins. */
  readonly mark: string;
  /** Random; printed on both outputs when the script ended, on stdout with its status. Absent: its shell ends with it. */
  readonly endMark?: string;
  /** Sent once the shell reads its stdin. */
  readonly opening: Buffer;
  /** sudo's prompt and what to answer. */
  readonly password: { readonly prompt: string; readonly value: string } | undefined;
  /** The script has begun. */
  readonly onReady: () => void;
}

/** The script surely never began; `text` is what the node said. The caller tells why. */
export class NotStarted extends Error {
  constructor(
    readonly reason: 'ended' | 'wrong-password' | 'silent',
    readonly text: string,
    readonly code: number | null,
  ) {
    super(`not started: ${reason}`);
  }
}

/** Milliseconds until the script must have begun: covers sudo's delay after a wrong password, never a person. */
const START_DEADLINE = 60_000;
const DEFAULT_MAX_OUTPUT = 4 * 1024 * 1024;
/** Noise kept from before the script began. */
const MAX_NOISE = 64 * 1024;

/**
 * Holds the conversation with one bootstrap: password, payload, stdin, outputs, deadlines.
 * @throws NotStarted when the script did not begin
 * @throws ClusterliftError `node-timeout`, `node-output-too-long`, `link-lost`, `cancelled`
 */
export async function converse(pipe: Pipe, request: ExecRequest, conversation: Conversation): Promise<ExecResult> {
  const session = new Session(pipe, request, conversation);
  try {
    if (request.signal?.aborted === true) throw abortReason(request.signal, `the command on ${conversation.node}`);
    return await session.run();
  } catch (error) {
    pipe.abandon();
    throw error;
  }
}

class Session {
  private readonly out: Output;
  private readonly err: Output;
  private readonly failure = deferred<never>();
  private timer: Timer | undefined;
  private stage: 'asking' | 'starting' | 'running' = 'starting';
  private answered = false;

  constructor(
    private readonly pipe: Pipe,
    private readonly request: ExecRequest,
    private readonly conversation: Conversation,
  ) {
    const limit = request.maxOutput ?? DEFAULT_MAX_OUTPUT;
    const mark = `${conversation.mark}\n`;
    this.out = new Output(mark, conversation.endMark, limit, request.onStdout);
    this.err = new Output(mark, conversation.endMark, limit, undefined);
    if (conversation.password) this.stage = 'asking';
  }

  async run(): Promise<ExecResult> {
    const { signal } = this.request;
    const onAbort = (): void => {
      this.failure.reject(abortReason(signal, `the command on ${this.conversation.node}`));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.arm(START_DEADLINE, () => this.silence());
    const followed = [new Followed(this.pipe.stdout), new Followed(this.pipe.stderr)] as const;
    try {
      const outputs = Promise.all([this.follow(followed[0], this.out), this.follow(followed[1], this.err)]);
      if (this.stage === 'starting') this.sendOpening();
      const ending = await Promise.race([this.endOfShell(outputs), this.endOfScript(outputs), this.failure.promise]);
      if (this.stage !== 'running') throw new NotStarted('ended', this.noise(), ending.code);
      return { ...ending, stdout: this.out.text(), stderr: this.err.text() };
    } finally {
      this.timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      for (const each of followed) each.release();
    }
  }

  private async endOfShell(outputs: Promise<unknown>): Promise<Ending> {
    const ending = await this.pipe.ended;
    await outputs;
    return ending;
  }

  // In a shell that serves the next request afterwards.
  private async endOfScript(outputs: Promise<unknown>): Promise<Ending> {
    await outputs;
    if (!this.err.over || this.out.status === undefined) return new Promise(() => undefined);
    return { code: this.out.status, signal: undefined };
  }

  private arm(ms: number, error: () => Error): void {
    this.timer?.cancel();
    this.timer = after(ms, () => {
      this.failure.reject(error());
    });
  }

  // Once the payload is sent, the script may begin at any time: a slow node does not mean that it did not start.
  private silence(): Error {
    const noise = this.err.noise();
    if (this.stage === 'asking') return new NotStarted('silent', noise, null);
    return timedOut(this.conversation.node, START_DEADLINE, noise);
  }

  private noise(): string {
    return `${this.err.noise()}\n${this.out.noise()}`.trim();
  }

  // Reads one output to its end; a consumer's promise stops the flow until it settles.
  private follow({ stream, on }: Followed, output: Output): Promise<void> {
    const done = deferred<undefined>();
    let busy: Promise<void> | undefined;
    const fail = (error: unknown): void => {
      this.failure.reject(error instanceof Error ? error : new Error(String(error)));
    };
    const finish = (): void => {
      void (busy ?? Promise.resolve()).then(() => {
        done.resolve(undefined);
      });
    };
    on('data', (chunk) => {
      try {
        const wait = output.take(chunk);
        if (this.stage !== 'running') this.progress();
        if (output.kept > output.limit) fail(this.tooLong(output.limit));
        if (wait) {
          stream.pause();
          busy = wait.then(() => {
            stream.resume();
          }, fail);
        }
        if (output.over) finish();
      } catch (error) {
        fail(error);
      }
    });
    on('end', finish);
    on('close', finish);
    on('error', finish); // the ending tells
    return done.promise;
  }

  private progress(): void {
    if (this.stage === 'asking') this.answer();
    if (this.stage === 'starting' && this.out.marked && this.err.marked) this.begin();
  }

  private answer(): void {
    const { password } = this.conversation;
    const noise = this.err.noise();
    if (password && noise.includes(BOOT_MARK)) {
      this.stage = 'starting';
      this.sendOpening();
      return;
    }
    const prompts = password ? noise.split(password.prompt).length - 1 : 0;
    if (password && prompts === 1 && !this.answered) {
      this.answered = true;
      this.pipe.stdin.write(`${password.value}\n`);
    } else if (prompts > 1) {
      this.failure.reject(new NotStarted('wrong-password', noise, null));
    }
  }

  private sendOpening(): void {
    const { opening, endMark } = this.conversation;
    this.pipe.stdin.write(opening);
    if (this.request.stdin === undefined && endMark === undefined) this.pipe.stdin.end();
  }

  private begin(): void {
    this.stage = 'running';
    this.conversation.onReady();
    const { timeout, stdin } = this.request;
    this.arm(timeout, () => timedOut(this.conversation.node, timeout, this.err.text()));
    if (stdin === undefined) return;
    this.feed(stdin).catch((error: unknown) => {
      this.failure.reject(error instanceof Error ? error : new Error(String(error)));
    });
  }

  // Writes stdin with back-pressure. A script that ends without reading all of it is not an error.
  private async feed(source: string | Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const { stdin } = this.pipe;
    if (typeof source === 'string' || source instanceof Uint8Array) {
      stdin.end(source);
      return;
    }
    const valve = new Valve(stdin);
    const close = (): void => {
      valve.open();
    };
    this.pipe.ended.then(close, close);
    for await (const chunk of source) {
      if (chunk.length === 0) continue;
      if (!stdin.write(chunk)) await valve.drained();
      if (valve.over) return;
    }
    stdin.end();
  }

  private tooLong(limit: number): ClusterliftError {
    return new ClusterliftError({
      code: 'node-output-too-long',
      message: `${this.conversation.node} sent more than ${String(limit)} bytes of output`,
      hint: 'Look at what the script prints; long output belongs in its log.',
      exit: ExitStatus.unknown,
      node: this.conversation.node,
    });
  }
}

/** Holds a source back until the writer has room again, or for ever nobody reads any more. */
class Valve {
  over = false;
  private waiting: (() => void) | undefined;

  constructor(stdin: Writable) {
    stdin.on('drain', () => {
      this.waiting?.();
    });
    stdin.on('close', () => {
      this.open();
    });
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting = resolve;
      if (this.over) resolve();
    });
  }

  /** The process ended: let the source run out. */
  open(): void {
    this.over = true;
    this.waiting?.();
  }
}

function timedOut(node: string, timeout: number, stderr: string): ClusterliftError {
  return new ClusterliftError({
    code: 'node-timeout',
    message: `a command on ${node} did not end within ${String(Math.round(timeout / 1000))} s`,
    hint: 'Log in to the node and look whether it hangs or is overloaded.',
    exit: ExitStatus.unknown,
    node,
    log: lastLines(stderr),
  });
}

/** A stream and our listeners, which are taken off again: the next request reads it next. */
class Followed {
  private readonly listeners: [string, (chunk: Buffer) => void][] = [];

  constructor(readonly stream: Readable) {}

  readonly on = (event: string, listener: (chunk: Buffer) => void): void => {
    this.listeners.push([event, listener]);
    this.stream.on(event, listener);
  };

  /** Lines that come until the next request belong to none. */
  release(): void {
    for (const [event, listener] of this.listeners) this.stream.off(event, listener);
    this.stream.resume();
  }
}

/** One output: noise until the mark, then the script's own bytes, up to the mark of its end where there is one. */
class Output {
  marked = false;
  kept = 0;
  /** The mark of the end came. */
  over = false;
  /** What stands behind that mark. */
  status: number | undefined;
  private readonly chunks: Buffer[] = [];
  private before = Buffer.alloc(0);
  /** May be the beginning of the mark of the end. */
  private held: Buffer = Buffer.alloc(0);

  constructor(
    private readonly mark: string,
    private readonly endMark: string | undefined,
    readonly limit: number,
    private readonly consumer: ExecRequest['onStdout'],
  ) {}

  take(chunk: Buffer): Promise<void> | undefined {
    if (this.over) return undefined;
    if (this.marked) return this.own(chunk);
    this.before = Buffer.concat([this.before, chunk]);
    const at = this.before.indexOf(this.mark);
    if (at < 0) {
      if (this.before.length > MAX_NOISE) this.before = this.before.subarray(-MAX_NOISE / 2);
      return undefined;
    }
    this.marked = true;
    const rest = this.before.subarray(at + this.mark.length);
    this.before = this.before.subarray(0, at);
    return rest.length > 0 ? this.own(rest) : undefined;
  }

  private own(chunk: Buffer): Promise<void> | undefined {
    if (this.endMark === undefined) return this.keep(chunk);
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    const at = bytes.indexOf(this.endMark);
    const upTo = at < 0 ? bytes.length - beginningAtEnd(bytes, this.endMark) : at;
    this.held = bytes.subarray(upTo);
    if (at >= 0) this.end(this.held.toString('latin1', this.endMark.length, this.endMark.length + 8));
    return upTo > 0 ? this.keep(bytes.subarray(0, upTo)) : undefined;
  }

  /** @param text what stands behind the mark so far: a line, on stdout with the status */
  private end(text: string): void {
    const line = /^ ?(\d{0,3})\n/.exec(text);
    if (!line) return;
    this.over = true;
    if (line[1] !== undefined && line[1] !== '') this.status = Number(line[1]);
  }

  noise(): string {
    return this.before.toString('utf8');
  }

  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  private keep(chunk: Buffer): Promise<void> | undefined {
    if (this.consumer) return this.consumer(chunk) ?? undefined;
    this.kept += chunk.length;
    if (this.kept <= this.limit) this.chunks.push(chunk);
    return undefined;
  }
}

/** How many of the last bytes are the first ones of a mark. */
function beginningAtEnd(bytes: Buffer, mark: string): number {
  for (let length = Math.min(mark.length - 1, bytes.length); length > 0; length--) {
    if (bytes.toString('latin1', bytes.length - length) === mark.slice(0, length)) return length;
  }
  return 0;
}
