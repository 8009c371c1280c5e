import { type Deferred, deferred } from './deferred';

/** A bounded number of channels: later callers wait in line. */
export class Slots {
  private used = 0;
  private readonly waiting: Deferred<undefined>[] = [];

  constructor(private size: number) {}

  get active(): number {
    return this.used;
  }

  /**
   * Waits for a slot.
   * @returns what gives it back; calling it twice does no harm
   */
  async acquire(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.used >= this.size || this.waiting.length > 0) await this.queue(signal);
    else this.used++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.used--;
      this.admit();
    };
  }

  /** The server allows fewer than we thought: only as many as are in use besides the caller's own. */
  shrink(): void {
    this.size = Math.max(1, Math.min(this.size, this.used - 1));
  }

  private admit(): void {
    while (this.used < this.size) {
      const next = this.waiting.shift();
      if (!next) return;
      this.used++;
      next.resolve(undefined);
    }
  }

  private async queue(signal: AbortSignal | undefined): Promise<void> {
    const turn = deferred<undefined>();
    this.waiting.push(turn);
    const onAbort = (): void => {
      const at = this.waiting.indexOf(turn);
      if (at < 0) return; // just admitted
      this.waiting.splice(at, 1);
      turn.reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
