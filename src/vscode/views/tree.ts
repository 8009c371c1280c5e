import * as vscode from 'vscode';
import { Store } from '../store';

/** Milliseconds: however much happens, a view is drawn no more often than this. */
const THROTTLE_MS = 200;

/** Collects what changed and tells the editor about the smallest part, throttled. */
export class TreeRefresh<T> extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<T | T[] | undefined>());
  readonly event = this.#changed.event;
  readonly #due = new Set<T>();
  #all = false;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    super();
    this.add({ dispose: () => clearTimeout(this.#timer) });
  }

  /** @param items nothing: the whole tree */
  later(...items: T[]): void {
    if (items.length === 0) this.#all = true;
    for (const each of items) this.#due.add(each);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const due = [...this.#due];
      const all = this.#all;
      this.#due.clear();
      this.#all = false;
      if (!this.disposed) this.#changed.fire(all ? undefined : due);
    }, THROTTLE_MS);
  }
}

/** Sets a context key that `when` clauses of package.json read. */
export function setContext(key: string, value: unknown): void {
  void vscode.commands.executeCommand('setContext', `clusterlift.${key}`, value);
}

/** Plain text as a tooltip: nothing in it becomes a link or markup. */
export function tooltip(lines: readonly (string | undefined)[]): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  lines
    .filter((each) => each !== undefined && each !== '')
    .forEach((each, index) => {
      if (index > 0) text.appendMarkdown('  \n');
      text.appendText(each ?? '');
    });
  return text;
}
