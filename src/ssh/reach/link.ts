import { cancelled } from '../../base/async';
import { deferred } from '../deferred';
import { type Dial, dial } from './dial';
import type { Target } from './target';
import type { Transport } from './transport';
import { abortReason } from '../errors';

/**
 * The way to one server: connects on first use, connects again on the next use after a loss, and is shared by the node's
 * own commands and everything that jumps over it (one connection, because MaxStartups counts connects).
 */
export class Link {
  private transport: Transport | undefined;
  private dialling:
    { readonly promise: Promise<Transport>; readonly abort: AbortController; waiting: number } | undefined;
  private readonly dependants = new Set<Link>();

  constructor(
    readonly target: Target,
    private readonly how: Omit<Dial, 'via' | 'signal' | 'target' | 'agent'>,
    readonly via: Link | undefined,
  ) {}

  /** Connected, or about to be. */
  get inUse(): boolean {
    return this.transport?.alive === true || this.dialling !== undefined;
  }

  /** Blob of the host key that was verified last; undefined: never connected. */
  get hostKey(): Buffer | undefined {
    return this.transport?.handshake.hostKey;
  }

  /** Old algorithms of the connections that lead there, each with the host that it is for; empty before the first. */
  get oldAlgorithms(): string[] {
    const { node } = this.target;
    const own = (this.transport?.handshake.oldAlgorithms ?? []).map((each) => `${each} (${node})`);
    return [...(this.via?.oldAlgorithms ?? []), ...own];
  }

  /** A living connection. A caller that waits may give up; the last one ends the attempt, and its questions. */
  async connect(signal?: AbortSignal): Promise<Transport> {
    const what = `connecting to ${this.target.node}`;
    if (signal?.aborted === true) throw abortReason(signal, what);
    if (this.transport?.alive) return this.transport;
    const attempt = (this.dialling ??= this.start());
    attempt.waiting++;
    const gone = deferred<never>();
    const onAbort = (): void => {
      gone.reject(abortReason(signal, what));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([attempt.promise, gone.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      attempt.waiting--;
      if (attempt.waiting === 0) this.abandon(attempt);
    }
  }

  /** A connection of its own, on which programs find this agent. The caller ends it. */
  async dedicated(agent: NonNullable<Dial['agent']>, signal: AbortSignal): Promise<Transport> {
    const { via, how, target } = this;
    return dial({ ...how, target, agent, signal, via: via ? () => via.connect(signal) : undefined });
  }

  /** Ends the connection, unless somebody still jumps over it. */
  close(): void {
    if (this.dialling) this.abandon(this.dialling);
    if ([...this.dependants].some((each) => each.inUse)) return;
    this.transport?.end();
    this.transport = undefined;
  }

  // The next caller starts again.
  private abandon(attempt: NonNullable<Link['dialling']>): void {
    if (this.dialling === attempt) this.dialling = undefined;
    attempt.abort.abort(cancelled(`connecting to ${this.target.node}`));
  }

  private start(): NonNullable<Link['dialling']> {
    const abort = new AbortController();
    const { via, how, target } = this;
    via?.dependants.add(this);
    const promise = dial({
      ...how,
      target,
      signal: abort.signal,
      via: via ? () => via.connect(abort.signal) : undefined,
    }).then((transport) => {
      this.transport = transport;
      if (abort.signal.aborted) transport.end();
      return transport;
    });
    const over = (): void => {
      if (this.dialling?.promise === promise) this.dialling = undefined;
    };
    promise.then(over, over);
    return { promise, abort, waiting: 0 };
  }
}
