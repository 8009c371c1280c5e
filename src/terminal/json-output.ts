import type { Event, EventSink, JournalEntry, NodeResult, RunOutcome } from '../engine/journal/events';
import type { TerminalStream } from './theme';

/** Bytes waiting in the stream above which progress is left out; journal entries never are. */
type JsonStream = Pick<TerminalStream, 'write' | 'on'>;

export interface JsonResult {
  readonly outcome: RunOutcome;
  readonly status: number;
  readonly nodes: Readonly<Record<string, NodeResult>>;
}

/**
 * `--json`: one compact object a line, journal entries and progress; the last is `run.finished`.
 * A slow reader gets fewer lines of progress, never fewer entries. A reader that went away (`| head`) ends the output, not the run.
 */
export class JsonOutput {
  readonly #stream: JsonStream;
  #full = false;
  #broken = false;
  #finished = false;
  #waiting: (() => void)[] = [];
  /** The newest progress of each node and step that came while the stream was full. */
  readonly #late = new Map<string, string>();

  constructor(stream: JsonStream) {
    this.#stream = stream;
    stream.on('drain', () => {
      this.#full = false;
      for (const text of this.#takeLate()) this.#write(text);
      this.#wakeIfEmpty();
    });
    stream.on('error', () => {
      this.#broken = true;
      this.#wake();
    });
  }

  readonly sink: EventSink = (event: Event | JournalEntry) => {
    if (this.#finished) return;
    if (event.type === 'progress') {
      const text = JSON.stringify(event);
      if (this.#full) this.#late.set(`${event.node ?? ''} ${event.step}`, text);
      else this.#write(text);
      return;
    }
    if (!('seq' in event)) return;
    this.#late.clear();
    this.#finished = event.type === 'run.finished';
    this.#write(JSON.stringify(event));
  };

  /** One object of a list. */
  row(row: unknown): void {
    this.#write(JSON.stringify(row));
  }

  /** Makes sure that `run.finished` was the last line, also where no run ever began, and waits until all is written. */
  async end(result?: JsonResult): Promise<void> {
    if (result && !this.#finished) {
      this.#finished = true;
      this.#late.clear();
      this.#write(JSON.stringify({ type: 'run.finished', ...result }));
    }
    if (this.#full && !this.#broken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #takeLate(): string[] {
    const late = [...this.#late.values()];
    this.#late.clear();
    return this.#finished ? [] : late;
  }

  #write(text: string): void {
    if (this.#broken) return;
    try {
      this.#full = !this.#stream.write(`${text}\n`) || this.#full;
    } catch {
      this.#broken = true;
    }
  }

  #wakeIfEmpty(): void {
    if (!this.#full) this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
