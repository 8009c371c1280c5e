import { EventEmitter } from 'node:events';
import { Buffer } from 'node:buffer';

/** A terminal small enough to trust: what is on it after all that was written, scrollback included. */
export class Screen extends EventEmitter {
  isTTY = true;
  readonly written: string[] = [];
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(
    public columns = 80,
    public rows = 24,
  ) {
    super();
  }

  write(text: string): boolean {
    this.written.push(text);
    // eslint-disable-next-line no-control-regex -- a terminal reads control characters
    for (const [token] of text.matchAll(/\u001b\[(\d*)[A-Za-z]|[\s\S]/gu)) this.#take(token);
    return true;
  }

  /** Everything that was ever shown and not erased, without the empty end. */
  get text(): string[] {
    const lines = this.#lines.map((each) => each.trimEnd());
    return lines.slice(0, lines.findLastIndex((each) => each !== '') + 1);
  }

  /** The window shrinks or grows, and the terminal wraps its lines anew. */
  resize(columns: number): void {
    const above = this.#lines.slice(0, this.#row).flatMap((each) => chunks(each.trimEnd(), columns));
    const below = this.#lines.slice(this.#row).flatMap((each) => chunks(each.trimEnd(), columns));
    this.#lines = [...above, ...below];
    this.#row = above.length;
    this.columns = columns;
    this.emit('resize');
  }

  #take(token: string): void {
    if (token === '\n') {
      this.#row++;
      this.#column = 0;
      this.#lines[this.#row] ??= '';
    } else if (token === '\r') this.#column = 0;
    else if (token === '\b') this.#column = Math.max(0, this.#column - 1);
    else if (token.startsWith('\u001b[')) this.#control(token);
    else this.#put(token);
  }

  #control(token: string): void {
    const line = this.#lines[this.#row] ?? '';
    switch (token.at(-1)) {
      case 'F': {
        const top = Math.max(0, this.#lines.length - this.rows);
        this.#row = Math.max(top, this.#row - Number(token.slice(2, -1) || 1));
        this.#column = 0;
        break;
      }
      case 'K':
        this.#lines[this.#row] = line.slice(0, this.#column);
        break;
      case 'J':
        this.#lines[this.#row] = line.slice(0, this.#column);
        this.#lines.length = this.#row + 1;
        break;
      case 'm':
        break;
      default:
        throw new Error(`the screen does not know ${JSON.stringify(token)}`);
    }
  }

  #put(char: string): void {
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + char + line.slice(this.#column + 1);
    this.#column++;
  }
}

function chunks(text: string, width: number): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; start += width) parts.push(text.slice(start, start + width));
  return parts.length > 0 ? parts : [''];
}

/** A keyboard: what is typed arrives as from a terminal in raw mode. */
export class Keyboard extends EventEmitter {
  isTTY = true;
  readonly modes: boolean[] = [];
  #flowing = false;
  readonly #waiting: string[] = [];

  setRawMode(raw: boolean): this {
    this.modes.push(raw);
    return this;
  }

  resume(): this {
    this.#flowing = true;
    setImmediate(() => {
      this.#deliver();
    });
    return this;
  }

  pause(): this {
    this.#flowing = false;
    return this;
  }

  type(...chunks: readonly string[]): void {
    this.#waiting.push(...chunks);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#flowing && this.listenerCount('data') > 0) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) return;
      this.emit('data', Buffer.from(chunk));
    }
  }
}
