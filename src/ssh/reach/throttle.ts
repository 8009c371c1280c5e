import { sleep } from '../../base/async';
import { monotonic } from '../../base/clock';

/** A token bucket that all transfers of a run share (`--limit-rate`); with no rate it lets everything through. */
export class Throttle {
  private tokens: number;
  private filledAt: number;
  private turn: Promise<unknown> = Promise.resolve();

  /**
   * @param rate bytes a second; undefined: no limit
   * @param now milliseconds, for tests
   */
  constructor(
    private readonly rate: number | undefined,
    private readonly now: () => number = monotonic,
    private readonly pause: (ms: number, signal?: AbortSignal) => Promise<void> = sleep,
  ) {
    this.tokens = this.burst;
    this.filledAt = now();
  }

  /** Passes a stream on at the rate; in pieces small enough that it never stands still for long. */
  async *limit(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      const piece = this.rate === undefined ? chunk.length : Math.max(1, Math.floor(this.burst));
      for (let at = 0; at < chunk.length; at += piece) {
        const part = chunk.subarray(at, at + piece);
        await this.take(part.length, signal);
        yield part;
      }
    }
  }

  /** Waits until so many bytes may go. First come, first served. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.rate === undefined) return;
    const mine = this.turn.then(() => this.wait(bytes, signal));
    this.turn = mine.catch(() => undefined);
    await mine;
  }

  // A tenth of a second's worth.
  private get burst(): number {
    return Math.max(1, (this.rate ?? 0) / 10);
  }

  private async wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.rate === undefined) return;
    for (;;) {
      const now = this.now();
      this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.rate);
      this.filledAt = now;
      const missing = Math.min(bytes, this.burst) - this.tokens;
      if (missing <= 0) break;
      await this.pause(Math.max(1, Math.ceil((missing / this.rate) * 1000)), signal);
    }
    this.tokens -= bytes; // may go below zero: paid back by the next one
  }
}
