/**
 * Time. Every wait of the program is counted here, on a clock that only runs forward: a step of the machine's clock
 * (NTP, a laptop that wakes) neither ends a wait nor prolongs it. `docs/guarantees.md` lists all waits.
 */

/** Where time comes from. Tests put their own in its place. */
export interface TimeSource {
  /** Milliseconds since some moment; never goes back. */
  monotonic(): number;
  /** Milliseconds since 1970, as the machine believes at the moment. */
  wall(): number;
  /** Calls `act` once, after `ms` milliseconds (at most `LONGEST_TIMER`). */
  timer(ms: number, act: () => void): { clear(): void; unref(): void };
}

/** More than that, and a timer of Node fires at once (24.8 days). Milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

const machine: TimeSource = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  timer: (ms, act) => {
    const timer = setTimeout(act, ms);
    return { clear: () => clearTimeout(timer), unref: () => void timer.unref() };
  },
};
let source = machine;

/** For tests. @returns puts the machine's time back */
export function useTime(other: TimeSource): () => void {
  source = other;
  return () => {
    source = machine;
  };
}

/** Milliseconds on the clock of durations: only the difference of two readings means something. */
export function monotonic(): number {
  return source.monotonic();
}

/** Milliseconds since 1970: for times that people read or that are stored, never for a duration. */
export function wallClock(): number {
  return source.wall();
}

/** Milliseconds since a stored time (of a file, of a record). It depends on the machine's clock: nothing waits by it. */
export function ageOf(stored: number): number {
  return Math.max(0, wallClock() - stored);
}

/** Counts from now. */
export interface Stopwatch {
  /** Whole milliseconds so far. */
  readonly ms: number;
}

export function stopwatch(): Stopwatch {
  const began = monotonic();
  return {
    get ms() {
      return Math.round(monotonic() - began);
    },
  };
}

/** A deadline for a loop. @param ms milliseconds from now */
export function deadlineIn(ms: number): { readonly passed: boolean } {
  const watch = stopwatch();
  return {
    get passed() {
      return watch.ms >= ms;
    },
  };
}

export interface Timer {
  cancel(): void;
  /** Counts from the beginning again; after `cancel` or the end it starts again. */
  restart(): void;
  /** Alone it keeps the process no longer alive. */
  unref(): this;
}

/**
 * Calls `act` once.
 * @param ms milliseconds, of any length: `Infinity` never comes
 */
export function after(ms: number, act: () => void): Timer {
  return new OneTimer(ms, act);
}

/** Calls `act` again and again, until `cancel`. @param ms milliseconds between two calls */
export function every(ms: number, act: () => void): Timer {
  const timer = new OneTimer(ms, () => {
    timer.restart();
    act();
  });
  return timer;
}

/** A signal that aborts by itself. @param ms milliseconds */
export function abortAfter(ms: number, reason: () => Error): AbortSignal {
  const late = new AbortController();
  after(ms, () => {
    late.abort(reason());
  }).unref();
  return late.signal;
}

class OneTimer implements Timer {
  #running: ReturnType<TimeSource['timer']> | undefined;
  #keepsAlive = true;

  constructor(
    private readonly ms: number,
    private readonly act: () => void,
  ) {
    this.restart();
  }

  restart(): void {
    this.cancel();
    this.#wait(Math.max(0, this.ms));
  }

  cancel(): void {
    this.#running?.clear();
    this.#running = undefined;
  }

  unref(): this {
    this.#keepsAlive = false;
    this.#running?.unref();
    return this;
  }

  /** A long wait is several timers, one after the other. */
  #wait(left: number): void {
    const now = Math.min(left, LONGEST_TIMER);
    this.#running = source.timer(now, () => {
      this.#running = undefined;
      if (left > now) this.#wait(left - now);
      else this.act();
    });
    if (!this.#keepsAlive) this.#running.unref();
  }
}
