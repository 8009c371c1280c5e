import { plain } from '../base/text';
import type { Asker, Question } from '../ssh/connection';
import { EMPTY_EDITOR, typeInto, type EditorState } from './line-editor';
import { paint, tone, type Theme, type TerminalStream } from './theme';
import { questionWords, readAnswer, type QuestionWords } from './questions';
import { wrap } from './width';

/** Where keys come from: `process.stdin`, or anything that is a terminal. */
export interface KeySource {
  readonly isTTY?: boolean | undefined;
  setRawMode?(raw: boolean): unknown;
  resume(): unknown;
  pause(): unknown;
  on(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
}

export interface TerminalAskerOptions {
  readonly input: KeySource;
  readonly output: Pick<TerminalStream, 'write' | 'isTTY'>;
  readonly theme: () => Theme;
  /** Takes the live block away while a question is open; returns what brings it back. */
  readonly pause: () => () => void;
  /** Ctrl-C during a question: it is cancelled, and the press counts. */
  readonly onInterrupt: () => void;
}

type Typed = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'none' };
const NOBODY: Typed = { kind: 'none' };

/** Asks on the terminal, one question at a time. Without a terminal nobody is there: undefined, at once. */
export class TerminalAsker implements Asker {
  readonly #options: TerminalAskerOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: TerminalAskerOptions) {
    this.#options = options;
  }

  get interactive(): boolean {
    const { input, output } = this.#options;
    return input.isTTY === true && output.isTTY === true && input.setRawMode !== undefined;
  }

  async ask(question: Question, signal?: AbortSignal): Promise<string | undefined> {
    if (!this.interactive) return undefined;
    const turn = this.#last.then(() => this.#ask(question, signal));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #ask(question: Question, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (signal?.aborted === true) return undefined;
    const resume = this.#options.pause();
    try {
      const words = questionWords(question);
      this.#say(words.lead);
      for (let tries = 0; tries < 10; tries++) {
        const typed = await this.#readLine(promptOf(words), words.hidden, signal);
        if (typed.kind === 'none') return undefined;
        const answer = readAnswer(question, typed.text);
        if ('accepted' in answer) return answer.accepted;
        this.#say([answer.again]);
      }
      return undefined;
    } finally {
      resume();
    }
  }

  #say(lines: readonly string[]): void {
    for (const text of lines.flatMap((each) => wrap(plain(each), this.#width())))
      this.#options.output.write(`${text}\n`);
  }

  /** The question; its last line is where the answer goes. */
  #prompt(text: string): void {
    const theme = this.#options.theme();
    const lines = wrap(plain(text), this.#width() - 2).map((each, index) =>
      paint([tone('accent', index === 0 ? '? ' : '  '), tone('strong', each)], theme),
    );
    this.#options.output.write(`${lines.join('\n')} `);
  }

  #width(): number {
    return Math.max(20, this.#options.theme().columns);
  }

  /**
   * One line in raw mode; the mode is always restored. Raw before the prompt is seen: a program that answers
   * at once (a paste, a script) would have a secret echoed by the terminal itself.
   */
  async #readLine(prompt: string, hidden: boolean, signal: AbortSignal | undefined): Promise<Typed> {
    const { input, output } = this.#options;
    return new Promise<Typed>((resolve) => {
      let state: EditorState = EMPTY_EDITOR;
      const decoder = new TextDecoder();
      const finish = (typed: Typed): void => {
        input.off('data', onData);
        input.off('end', onEnd);
        signal?.removeEventListener('abort', onEnd);
        input.setRawMode?.(false);
        input.pause();
        output.write('\n');
        resolve(typed);
      };
      const onEnd = (): void => {
        finish(NOBODY);
      };
      const take = (text: string): void => {
        const event = typeInto(state, text, hidden);
        if ('echo' in event && event.echo !== '') output.write(event.echo);
        if (event.kind === 'edit') {
          state = event.state;
          return;
        }
        // What was typed or pasted beyond this answer is dropped: it was not meant for a question not seen yet.
        finish(event.kind === 'enter' ? { kind: 'text', text: event.text } : NOBODY);
        if (event.kind === 'interrupt') this.#options.onInterrupt();
      };
      const onData = (chunk: Buffer | string): void => {
        take(typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }));
      };
      input.setRawMode?.(true);
      this.#prompt(prompt);
      input.on('data', onData);
      input.on('end', onEnd);
      signal?.addEventListener('abort', onEnd, { once: true });
      input.resume();
    });
  }
}

function promptOf(words: QuestionWords): string {
  const { prompt, choices, typed } = words;
  if (typed !== undefined) return `${prompt}:`;
  if (choices === undefined) return `${prompt}:`;
  const yesNo = choices.length === 2 && choices[0] === 'yes' && choices[1] === 'no';
  return yesNo
    ? `${prompt}? (yes/no)`
    : `${prompt}? (${choices.map((each, index) => `${String(index + 1)} ${each}`).join(', ')})`;
}
