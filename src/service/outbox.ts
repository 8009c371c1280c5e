import type { Event, JournalEntry, LiveEvent } from '../engine/journal/events';

/**
 * What waits to be sent to one follower. Journal entries all wait, in order; of what is of the moment only as much
 * as a client can use: the newest progress of each step, and a bounded piece of each node's output.
 */

/** UTF-16 units of output kept for a node between two sendings. */
const MOST_OUTPUT = 64 * 1024;
/** And of all nodes together. */
const MOST_OUTPUT_OF_ALL = 1024 * 1024;
/** Events in one message. */
const MOST_EVENTS = 500;

type Output = Extract<LiveEvent, { type: 'output' }>;

interface Piece {
  index: number;
  step: Output['step'];
  size: number;
  leftOut: number;
}

export class Outbox {
  #events: (JournalEntry | LiveEvent | undefined)[] = [];
  readonly #progress = new Map<string, number>();
  readonly #output = new Map<string, Piece>();
  #outputSize = 0;

  get empty(): boolean {
    return this.#events.length === 0;
  }

  add(event: Event | JournalEntry): void {
    if ('seq' in event) this.#addEntry(event);
    else if (event.type === 'progress') this.#addProgress(event);
    else if (event.type === 'output') this.#addOutput(event);
    else if (event.type === 'link' || event.type === 'question') this.#events.push(event);
  }

  /** The next events to send, oldest first. */
  take(): (JournalEntry | LiveEvent)[] {
    for (const [node, piece] of this.#output) this.#closeOutput(node, piece);
    this.#progress.clear();
    const all = this.#events.filter((each) => each !== undefined);
    this.#events = all.slice(MOST_EVENTS);
    return all.slice(0, MOST_EVENTS);
  }

  #addEntry(entry: JournalEntry): void {
    // Progress from before must not be merged into what comes after: a client would show it for the next step.
    const node = 'node' in entry ? (entry.node ?? '') : '';
    this.#progress.delete(node);
    const piece = this.#output.get(node);
    if (piece) this.#closeOutput(node, piece);
    this.#events.push(entry);
  }

  #addProgress(event: Extract<LiveEvent, { type: 'progress' }>): void {
    const key = event.node ?? '';
    const before = this.#progress.get(key);
    if (before !== undefined) this.#events[before] = undefined;
    this.#progress.set(key, this.#events.push(event) - 1);
  }

  #addOutput(event: Output): void {
    let piece = this.#output.get(event.node);
    if (piece && piece.step !== event.step) {
      this.#closeOutput(event.node, piece);
      piece = undefined;
    }
    if (!piece) {
      piece = { index: this.#events.push({ ...event, text: '' }) - 1, step: event.step, size: 0, leftOut: 0 };
      this.#output.set(event.node, piece);
    }
    const room = Math.max(0, Math.min(MOST_OUTPUT - piece.size, MOST_OUTPUT_OF_ALL - this.#outputSize));
    const kept = event.text.slice(0, room);
    const so = this.#events[piece.index] as Output;
    this.#events[piece.index] = { ...so, text: so.text + kept };
    piece.size += kept.length;
    piece.leftOut += event.text.length - kept.length;
    this.#outputSize += kept.length;
  }

  #closeOutput(node: string, piece: Piece): void {
    this.#output.delete(node);
    this.#outputSize -= piece.size;
    const event = this.#events[piece.index];
    if (event?.type !== 'output' || piece.leftOut === 0) return;
    const note = `\n… ${String(piece.leftOut)} characters left out here; the node's log has them all\n`;
    this.#events[piece.index] = { ...event, text: event.text + note };
  }
}
