import * as vscode from 'vscode';
import { after, type Timer } from '../../base/clock';
import { line } from '../../base/text';
import type { RunEventList } from '../runs/session';
import { Store } from '../shared/store';

/** Milliseconds: however much happens, a view is drawn no more often than this. */
const THROTTLE_MS = 200;

/** Collects what changed and tells the editor about the smallest part, throttled. */
export class TreeRefresh<T> extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<T | T[] | undefined>());
  readonly event = this.#changed.event;
  readonly #due = new Set<T>();
  #all = false;
  #timer: Timer | undefined;

  constructor() {
    super();
    this.add({ dispose: () => this.#timer?.cancel() });
  }

  /** @param items nothing: the whole tree */
  later(...items: T[]): void {
    if (items.length === 0) this.#all = true;
    this.#soon(items);
  }

  /** These only, and nothing when there are none. */
  these(items: readonly T[]): void {
    if (items.length > 0) this.#soon(items);
  }

  #soon(items: readonly T[]): void {
    for (const each of items) this.#due.add(each);
    this.#timer ??= after(THROTTLE_MS, () => {
      this.#timer = undefined;
      const due = [...this.#due];
      const all = this.#all;
      this.#due.clear();
      this.#all = false;
      if (!this.disposed) this.#changed.fire(all ? undefined : due);
    });
  }
}

/** What of a view changes with these events: `all` the whole of it, else the nodes. */
export function touched(events: RunEventList): 'all' | ReadonlySet<string> {
  const nodes = new Set<string>();
  for (const event of events) {
    switch (event.type) {
      case 'output':
      case 'question':
        continue;
      case 'progress':
      case 'link':
      case 'step.started':
      case 'step.finished':
      case 'step.overdue':
      case 'decision':
      case 'request':
        if (event.node !== undefined) nodes.add(event.node);
        continue;
      default:
        return 'all';
    }
  }
  return nodes;
}

/** Sets a context key that `when` clauses of package.json read. */
export function setContext(key: string, value: unknown): void {
  void vscode.commands.executeCommand('setContext', `clusterlift.${key}`, value);
}

/** Plain text as a tooltip, each a line: nothing in it becomes a link or markup. */
export function tooltip(lines: readonly (string | undefined)[]): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  lines
    .filter((each) => each !== undefined && each !== '')
    .forEach((each, index) => {
      if (index > 0) text.appendMarkdown('  \n');
      text.appendText(line(each ?? '', 2000));
    });
  return text;
}
