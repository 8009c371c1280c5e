import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Milliseconds that one attempt of a gesture waits for its effect. A gesture has several acts (a key, a row, a click), and
 * anything that takes the focus meanwhile undoes the first ones; so it is tried again as a whole, by `until`.
 */
export const SOON = 6_000;

/**
 * Waits until the probe gives something; what it gives is handed on. A probe that throws is asked again, too.
 * @param what completes the sentence "waited in vain for …"
 */
export async function until<T>(what: string, probe: () => Promise<T> | T, deadline = 90_000): Promise<NonNullable<T>> {
  const end = Date.now() + deadline;
  let last: unknown;
  for (;;) {
    try {
      last = await probe();
      if (last !== undefined && last !== null && last !== false) return last as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`, { cause: last });
    await sleep(100);
  }
}
