import { after, type Timer } from './clock';
import { ClusterliftError, ExitStatus } from './errors';

/**
 * Waits.
 * @param ms milliseconds, of any length
 * @param signal ends the wait early; then it rejects with the signal's reason
 */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = after(ms, end);
    signal?.addEventListener('abort', end, { once: true });
  });
  signal?.throwIfAborted();
}

/**
 * Nothing waits without a deadline: rejects with `onTimeout()` when `promise` has not settled in time.
 * The work itself is not cancelled; pass it a signal for that.
 * @param ms milliseconds, of any length
 */
export async function within<T>(ms: number, promise: Promise<T>, onTimeout: () => Error): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = after(ms, () => {
      reject(onTimeout());
    });
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.cancel();
  }
}

/** Waits for the end of something that no longer matters, but not for long: a link that is dead without knowing it may take minutes. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  await within(ms, promise, () => new Error('late')).catch(() => undefined);
}

/** The error of work that a person (or a caller) cancelled. */
export function cancelled(what: string): ClusterliftError {
  return new ClusterliftError({
    code: 'cancelled',
    message: `${what} was cancelled`,
    hint: 'Start the command again when you are ready.',
    exit: ExitStatus.interrupted,
  });
}

/**
 * What those who answered said.
 * @throws the first failure when nobody answered: that is not the same as nothing to tell
 */
export function answersOf<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  const answers = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = results.find((each) => each.status === 'rejected');
  if (failed && answers.length === 0) throw failed.reason;
  return answers;
}

/** Runs `work` over `items`, at most `limit` at a time; every item is tried; results keep the order of the items. */
export async function mapLimit<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const results = new Array<PromiseSettledResult<R>>(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      try {
        results[index] = { status: 'fulfilled', value: await work(items[index] as T, index) };
      } catch (reason) {
        results[index] = { status: 'rejected', reason };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(limit, items.length)) }, lane));
  return results;
}
