import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until the probe gives something; what it gives is handed on. A probe that throws is asked again, too.
 * @param what completes the sentence "waited in vain for …"
 */
export async function until<T>(what: string, probe: () => Promise<T> | T, deadline = 30_000): Promise<NonNullable<T>> {
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
