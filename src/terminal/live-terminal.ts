import { after, monotonic, wallClock, type Timer } from '../base/clock';
import { plain } from '../base/text';
import type { Event, EventSink, JournalEntry } from '../engine/journal/events';
import type { Progress, RunView } from '../engine/journal/view';
import { renderBusy, renderLive } from './live';
import { themeOf, type Theme, type TerminalStream } from './theme';
import { plainLines, progressLine } from './plain';
import { cells } from './width';

/** At most ten redraws a second; between events a slower one keeps clocks and spinners going. */
const FASTEST_MS = 100;
const IDLE_MS = 250;
/** Where nothing can be redrawn, progress of one step is told so often. */
const PLAIN_PROGRESS_MS = 15_000;

const UP = (lines: number): string => (lines > 0 ? `\u001b[${String(lines)}F` : '\r');
const ERASE_BELOW = '\u001b[J';
const ERASE_REST = '\u001b[K';

export interface LiveTerminalOptions {
  readonly stream: TerminalStream;
  readonly env: NodeJS.ProcessEnv;
  /** The view of the moment; undefined before there is a plan. */
  readonly view: () => RunView | undefined;
  /** Milliseconds; tests pass their own. */
  readonly now?: () => number;
  /** Appends only, whatever the stream can do: for screen readers. */
  readonly appendOnly?: boolean;
}

/**
 * A run on a terminal: lines worth keeping are appended and scroll away, the live block is redrawn below them.
 * Where the stream is not a terminal (or TERM=dumb) everything is appended and no cursor is ever moved.
 * A broken stream breaks the display, never the run.
 */
export class LiveTerminal {
  readonly #options: LiveTerminalOptions;
  readonly #moves: boolean;
  /** The time of day, for what is shown. */
  readonly #now: () => number;
  /** The clock of durations. */
  readonly #ticks: () => number;
  #drawn: readonly string[] = [];
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #due = 0;
  #held: string[] = [];
  #paused = 0;
  #ended = false;
  #broken = false;
  #busy: { readonly what: string; readonly since: number } | undefined;
  /** Of a download, before there is a run to show it in. */
  #early: Progress | undefined;
  #waitingFor: string | undefined;
  readonly #toldProgress = new Map<string, number>();

  constructor(options: LiveTerminalOptions) {
    this.#options = options;
    this.#now = options.now ?? wallClock;
    this.#ticks = options.now ?? monotonic;
    this.#moves = options.stream.isTTY === true && options.env['TERM'] !== 'dumb' && options.appendOnly !== true;
    options.stream.on('error', () => (this.#broken = true));
    options.stream.on('resize', this.#onResize);
  }

  /** Takes the events of the run, after they were folded into the view. */
  readonly sink: EventSink = (event) => {
    if (this.#ended) return;
    if (event.type === 'progress' && event.node === undefined) this.#early = event;
    if (event.type === 'question') this.#waitingFor = event.open ? event.text : undefined;
    const text = this.#moves ? kept(event) : this.#appended(event);
    if (text !== undefined) this.print(text.split('\n'));
    else this.#schedule(0);
  };

  /** Lines that stay, above the live block. */
  print(lines: readonly string[]): void {
    if (this.#paused > 0) {
      this.#held.push(...lines);
      return;
    }
    const text = lines.map((each) => `${each}\n`).join('');
    if (!this.#moves) {
      this.#write(text);
      return;
    }
    const block = this.#block();
    this.#write(this.#erasure() + text + drawing(block));
    this.#remember(block);
  }

  /** Says what goes on while there is no run to show; undefined: nothing any more. Seen only where lines can be redrawn. */
  busy(what: string | undefined): void {
    this.#busy = what === undefined ? undefined : { what, since: this.#ticks() };
    this.#early = undefined;
    this.#schedule(0);
  }

  /** Takes the live block away, for a prompt, until the returned function is called; lines to print wait so long. Nested pauses are fine. */
  pause(): () => void {
    this.#paused++;
    this.#clear();
    let resumed = false;
    return () => {
      if (resumed) return;
      resumed = true;
      this.#paused--;
      if (this.#paused > 0 || this.#ended) return;
      this.print(this.#held.splice(0));
    };
  }

  /** Ends the display: the live block goes, `lines` (the summary) stay. Idempotent. */
  end(lines: readonly string[] = []): void {
    if (this.#ended) return;
    this.#clear();
    this.#ended = true;
    this.#timer?.cancel();
    this.#options.stream.off('resize', this.#onResize);
    this.#write([...this.#held.splice(0), ...lines].map((each) => `${each}\n`).join(''));
  }

  /** What the stream shows now; it changes when the window is resized. */
  theme(): Theme {
    return themeOf(this.#options.stream, this.#options.env);
  }

  readonly #onResize = (): void => {
    if (!this.#ended && this.#paused === 0) this.#redraw();
  };

  /** Redraws after `delay` at the latest, but never faster than ten times a second. */
  #schedule(delay: number): void {
    if (!this.#moves || this.#ended || this.#paused > 0) return;
    const now = this.#ticks();
    const due = Math.max(now + delay, this.#drawnAt + FASTEST_MS);
    if (this.#timer !== undefined && this.#due <= due) return;
    this.#timer?.cancel();
    this.#due = due;
    this.#timer = after(due - now, () => {
      this.#timer = undefined;
      this.#redraw();
    });
    // The display alone keeps no process alive.
    this.#timer.unref();
  }

  #redraw(): void {
    if (!this.#moves || this.#ended || this.#paused > 0) return;
    const block = this.#block();
    if (block.length > 0 || this.#drawn.length > 0) {
      // Lines are written over the old ones, so that nothing flickers.
      this.#write(UP(this.#height()) + drawing(block) + ERASE_BELOW);
      this.#remember(block);
    }
    this.#schedule(IDLE_MS);
  }

  #remember(block: readonly string[]): void {
    this.#drawn = block;
    this.#drawnAt = this.#ticks();
    this.#schedule(IDLE_MS);
  }

  #block(): string[] {
    const view = this.#options.view();
    const { stream } = this.#options;
    const rows = stream.rows !== undefined && stream.rows > 0 ? stream.rows : 24;
    const theme = { ...this.theme(), rows, now: this.#now(), waitingFor: this.#waitingFor };
    if (!view)
      return this.#busy
        ? renderBusy(this.#busy.what, theme.now - (this.#ticks() - this.#busy.since), this.#early, theme)
        : [];
    return view.state === 'running' ? renderLive(view, theme) : [];
  }

  /** Rows that the drawn block takes now: terminals wrap drawn lines again when they become narrower. */
  #height(): number {
    const columns = this.theme().columns;
    return this.#drawn.reduce((sum, each) => sum + Math.max(1, Math.ceil(cells(plain(each)) / columns)), 0);
  }

  #erasure(): string {
    return this.#drawn.length > 0 ? UP(this.#height()) + ERASE_BELOW : '';
  }

  #clear(): void {
    if (this.#drawn.length > 0) this.#write(this.#erasure());
    this.#drawn = [];
  }

  #appended(event: Event | JournalEntry): string | undefined {
    if (event.type !== 'progress') return plainLines(event);
    const key = `${event.node ?? ''} ${event.step}`;
    const now = this.#ticks();
    const told = this.#toldProgress.get(key);
    if (told === undefined) this.#toldProgress.set(key, now);
    if (told === undefined || now - told < PLAIN_PROGRESS_MS) return undefined;
    this.#toldProgress.set(key, now);
    return progressLine(event);
  }

  #write(text: string): void {
    if (this.#broken || text === '') return;
    try {
      this.#options.stream.write(text);
    } catch {
      this.#broken = true;
    }
  }
}

function drawing(block: readonly string[]): string {
  return block.map((each) => `${each}${ERASE_REST}\n`).join('');
}

/** Beside a live block only what a person may want to read later is kept in the scrollback. */
function kept(event: Event | JournalEntry): string | undefined {
  switch (event.type) {
    case 'request':
      return event.kind === 'message' ? plainLines(event) : undefined;
    case 'step.finished':
      return event.result === 'done' ? undefined : plainLines(event);
    case 'run.resumed':
    case 'run.adopted':
    case 'node.moved':
    case 'node.reinstalled':
    case 'node.left-out':
    case 'step.overdue':
    case 'decision':
    case 'override':
    case 'stop.requested':
    case 'budget.exceeded':
    case 'warning':
    case 'link':
    case 'run.abandoned':
      return plainLines(event);
    case 'run.started':
    case 'phase':
    case 'step.started':
    case 'node.finished':
    case 'point':
    case 'committed':
    case 'run.finished':
    case 'progress':
    case 'output':
    case 'question':
      return undefined;
  }
}
