import { after, stopwatch, type Timer } from '../../base/clock';
import type { Asker, Question } from '../connection';

/**
 * A deadline that stands still while a person is asked: the time to type a password is not the server's.
 * (The timer of ssh2 does not stop, so it is off.)
 */
export class PausableDeadline {
  private left: number;
  private timer: Timer | undefined;
  private watch = stopwatch();
  private open = 0;
  private ended = false;
  private questions = Promise.resolve<unknown>(undefined);
  /** Did a person answer while this ran? */
  asked = false;

  /** @param ms milliseconds without the questions */
  constructor(
    ms: number,
    private readonly onExpired: () => void,
  ) {
    this.left = ms;
    this.start();
  }

  /** Stops the clock until `work` settles. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.stop();
    this.open++;
    try {
      const result = work();
      this.questions = Promise.allSettled([this.questions, result]);
      return await result;
    } finally {
      this.open--;
      if (this.open === 0) this.start();
    }
  }

  /** An asker whose questions stop the clock. */
  wrap(asker: Asker): Asker {
    return {
      ask: async (question: Question, signal?: AbortSignal) => {
        const answer = await this.during(() => asker.ask(question, signal));
        this.asked ||= answer !== undefined;
        return answer;
      },
    };
  }

  /** Resolves when no question is open. */
  async settled(): Promise<void> {
    while (this.open > 0) await this.questions;
  }

  end(): void {
    this.ended = true;
    this.timer?.cancel();
  }

  private start(): void {
    if (this.ended) return;
    this.watch = stopwatch();
    this.timer = after(this.left, this.onExpired);
  }

  private stop(): void {
    if (this.open > 0 || this.ended) return;
    this.timer?.cancel();
    this.left = Math.max(0, this.left - this.watch.ms);
  }
}
