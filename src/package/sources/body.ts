import type { Readable } from 'node:stream';

/** Bytes that wait for their reader before the sender is slowed down. */
const MOST_WAITING = 1024 * 1024;

/**
 * The body of an answer, taken as it comes. A stream throws away what it has not handed out when its connection breaks;
 * here every byte that arrived is still delivered, and the error comes after it: it need not be asked for again.
 */
export class Body implements AsyncIterable<Buffer> {
  private readonly waiting: Buffer[] = [];
  private bytes = 0;
  private end: { readonly error: Error | undefined } | undefined;
  private wake: (() => void) | undefined;

  constructor(private readonly stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      this.waiting.push(chunk);
      this.bytes += chunk.length;
      if (this.bytes > MOST_WAITING) stream.pause();
      this.wake?.();
    });
    stream.on('end', () => {
      this.finish(undefined);
    });
    stream.on('error', (error) => {
      this.finish(error);
    });
    stream.on('close', () => {
      this.finish(new Error('the connection was closed'));
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.waiting.shift();
      if (chunk !== undefined) {
        this.bytes -= chunk.length;
        if (this.bytes <= MOST_WAITING / 2 && this.stream.isPaused()) this.stream.resume();
        yield chunk;
        continue;
      }
      if (this.end !== undefined) {
        if (this.end.error !== undefined) throw this.end.error;
        return;
      }
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Gives up the rest. */
  destroy(): void {
    this.stream.destroy();
  }

  private finish(error: Error | undefined): void {
    this.end ??= { error };
    this.wake?.();
  }
}
