import * as vscode from 'vscode';
import type { TerminalStream } from '../../terminal/theme';

/** A pseudoterminal as a stream that the renderers of the command line can draw on. */
export class Screen implements TerminalStream {
  readonly isTTY = true;
  readonly #write = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.#write.event;
  readonly #resized = new Set<() => void>();
  columns: number | undefined;
  rows: number | undefined;

  write(text: string): boolean {
    this.#write.fire(text.replaceAll(/\r?\n/g, '\r\n'));
    return true;
  }

  resize({ columns, rows }: vscode.TerminalDimensions): void {
    this.columns = columns;
    this.rows = rows;
    for (const listener of this.#resized) listener();
  }

  on(event: 'resize' | 'drain' | 'error', listener: (() => void) | ((error: Error) => void)): this {
    if (event === 'resize') this.#resized.add(listener as () => void);
    return this;
  }

  off(event: 'resize' | 'drain', listener: () => void): this {
    if (event === 'resize') this.#resized.delete(listener);
    return this;
  }

  dispose(): void {
    this.#resized.clear();
    this.#write.dispose();
  }
}

/** The environment that decides about colour and letters: the editor's terminal speaks both. */
export function screenEnv(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const noColor = env['NO_COLOR'];
  return {
    TERM: 'xterm-256color',
    TERM_PROGRAM: 'vscode',
    LC_ALL: 'C.UTF-8',
    ...(noColor === undefined ? {} : { NO_COLOR: noColor }),
  };
}
