import { setImmediate as breath } from 'node:timers/promises';
import { useTime, type TimeSource } from '../../src/base/clock';

interface Due {
  readonly due: number;
  readonly act: () => void;
}

/** Time that stands still until a test moves it; the clock on the wall may also be set, to any time, at any moment. */
export class FakeTime implements TimeSource {
  /** Milliseconds since the beginning. */
  now = 0;
  /** What the clock on the wall is ahead. Milliseconds. */
  ahead = Date.UTC(2026, 0, 1);
  #timers: Due[] = [];

  monotonic(): number {
    return this.now;
  }

  wall(): number {
    return this.now + this.ahead;
  }

  timer(ms: number, act: () => void): { clear(): void; unref(): void } {
    // As Node's timers do.
    const timer = { due: this.now + (ms > 2 ** 31 - 1 ? 1 : Math.max(1, ms)), act };
    this.#timers.push(timer);
    return {
      clear: () => (this.#timers = this.#timers.filter((each) => each !== timer)),
      unref: () => undefined,
    };
  }

  /** Sets the clock on the wall forward, or back. @param ms milliseconds */
  step(ms: number): void {
    this.ahead += ms;
  }

  /** How many timers are set: what leaves one behind still waits. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Lets time pass; whatever falls due on the way happens at its moment. @param ms milliseconds */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await settle();
      const next = this.#next();
      if (!next || next.due > end) break;
      this.#run(next);
    }
    this.now = end;
    await settle();
  }

  /** Jumps from timer to timer until `work` has settled. @param most milliseconds that it may take */
  async until<T>(work: Promise<T>, most = 100 * 86_400_000): Promise<T> {
    const state = { over: false };
    const end = (): void => void (state.over = true);
    work.then(end, end);
    const deadline = this.now + most;
    for (;;) {
      await settle();
      if (state.over) return work;
      const next = this.#next();
      if (!next) continue; // real input and output of the work
      if (next.due > deadline) throw new Error(`not over after ${String(most)} ms`);
      this.#run(next);
    }
  }

  #next(): Due | undefined {
    return this.#timers.reduce<Due | undefined>(
      (first, each) => (first === undefined || each.due < first.due ? each : first),
      undefined,
    );
  }

  #run(timer: Due): void {
    this.#timers = this.#timers.filter((each) => each !== timer);
    this.now = timer.due;
    timer.act();
  }
}

/** Promises that are due get their turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await breath();
}

/** Every test of the suite has a time of its own. */
export function useFakeTime(): { readonly time: FakeTime } {
  const holder = { time: new FakeTime() };
  let back = (): void => undefined;
  beforeEach(() => {
    holder.time = new FakeTime();
    back = useTime(holder.time);
  });
  afterEach(() => {
    back();
  });
  return holder;
}
