import { plain } from '../../base/text';

/**
 * Text on its way into an output channel: control characters are gone, and however much comes, only so much is handed on
 * at a time and kept in all. What was left out is counted in lines.
 */
export class OutputBuffer {
  #waiting = '';
  #skipped = 0;
  /** The start of a line whose end did not come yet: an escape sequence may be cut there. */
  #rest = '';

  constructor(
    private readonly limits: { readonly batch: number; readonly line: number } = { batch: 64 * 1024, line: 8192 },
  ) {}

  add(text: string): void {
    const all = this.#rest + text;
    const end = all.lastIndexOf('\n') + 1;
    // A line without an end that grows for ever is cut: memory is bounded, whatever a node sends.
    const from = all.length - end > this.limits.line ? all.length : end;
    this.#rest = all.slice(from);
    this.#push(this.#latest(all.slice(0, from)));
  }

  /** Of a huge piece only the end can be shown: the rest is not even looked at but for its lines. */
  #latest(text: string): string {
    const from = text.length - 2 * this.limits.batch;
    if (from <= 0) return plain(text);
    this.#skipped += count(text.slice(0, from));
    return plain(text.slice(from));
  }

  #push(text: string): void {
    const room = this.limits.batch - this.#waiting.length;
    if (text.length <= room) {
      this.#waiting += text;
      return;
    }
    // The latest is what a person wants to see: the oldest that waits is left out.
    const all = this.#waiting + text;
    const end = all.indexOf('\n', all.length - this.limits.batch);
    const from = end < 0 ? all.length - this.limits.batch : end + 1;
    this.#skipped += count(all.slice(0, from));
    this.#waiting = all.slice(from);
  }

  /** The next batch, and how many lines were left out before it. */
  take(): { readonly skipped: number; readonly text: string } {
    const taken = { skipped: this.#skipped, text: this.#waiting };
    this.#skipped = 0;
    this.#waiting = '';
    return taken;
  }

  /** The end of what was said, also without a line end. */
  flush(): void {
    if (this.#rest !== '') this.#push(`${plain(this.#rest)}\n`);
    this.#rest = '';
  }

  get empty(): boolean {
    return this.#waiting === '' && this.#skipped === 0;
  }
}

function count(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}
