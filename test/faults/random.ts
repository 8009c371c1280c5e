/** Random numbers that come again with the same seed (mulberry32, by Tommy Ettinger, public domain). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * below);
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** How many: the number in an environment variable, else the full count in `npm run test:long`, else the short one. */
export function countFromEnv(name: string, short: number, full = short): number {
  const text = process.env[name];
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  return process.env['LONG'] === undefined ? short : full;
}

/** `FUZZ_SEED` repeats a run; otherwise each one is new. */
export function seedFromEnv(): number {
  return countFromEnv('FUZZ_SEED', Date.now() % 0x1_0000_0000);
}
