import { monotonic } from '../../base/clock';

/** How far a transfer is. Bytes; rate in bytes a second; milliseconds. */
export interface Progress {
  readonly done: number;
  /** Undefined when nobody said how much there is. */
  readonly total: number | undefined;
  readonly rate: number;
  readonly etaMs: number | undefined;
}

/** Seconds over which the rate is taken: steady enough to read, quick enough to show a change. */
const WINDOW = 5_000;
/** Milliseconds between two reports. */
const EVERY = 100;

/** Turns byte counts into progress, ten times a second at most. */
export class Meter {
  private readonly samples: { readonly at: number; readonly done: number }[] = [];
  private reported = -Infinity;

  constructor(
    private readonly report: ((progress: Progress) => void) | undefined,
    private readonly now: () => number = monotonic,
  ) {}

  /**
   * @param done bytes so far, those of an earlier session included
   * @param last report in any case
   */
  at(done: number, total: number | undefined, last = false): void {
    const now = this.now();
    if (this.report === undefined || (!last && now - this.reported < EVERY)) return;
    this.reported = now;
    if (done < (this.samples.at(-1)?.done ?? 0)) this.samples.length = 0; // it started again
    this.samples.push({ at: now, done });
    while ((this.samples[1]?.at ?? Infinity) <= now - WINDOW) this.samples.shift();
    const first = this.samples[0] ?? { at: now, done };
    const rate = now > first.at ? ((done - first.done) * 1000) / (now - first.at) : 0;
    const left = total === undefined ? undefined : Math.max(0, total - done);
    const etaMs = left === 0 ? 0 : left === undefined || rate <= 0 ? undefined : (left * 1000) / rate;
    this.report({ done, total, rate, etaMs });
  }
}
