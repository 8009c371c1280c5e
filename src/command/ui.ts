import { advice } from '../base/shell';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { home, type Env } from '../base/paths';
import type { Event, EventSink, JournalEntry } from '../engine/journal/events';
import type { CheckResult, Plan } from '../engine/journal/plan';
import { emptyView, fold, viewOf, type RunView } from '../engine/journal/view';
import type { Asker, Question } from '../ssh/connection';
import type { Options } from './command';
import { TerminalAsker, type KeySource } from '../terminal/asker';
import { renderError, renderUnexpected } from '../terminal/error';
import { JsonOutput, type JsonResult } from '../terminal/json-output';
import { LiveTerminal } from '../terminal/live-terminal';
import { themeOf, type Theme, type TerminalStream } from '../terminal/theme';
import { renderPlan } from '../terminal/plan';
import { renderReport } from '../terminal/report';
import { renderSummary } from '../terminal/summary';

/** Where a command reads and writes: a process's own streams, or the editor's task terminal. */
export interface Streams {
  readonly input: KeySource;
  readonly output: TerminalStream;
  readonly errors: TerminalStream;
}

/** Everything that a command shows or asks. With `--json`, data goes to stdout and what is for people to stderr. */
export class UserInterface {
  readonly asker: Asker;
  readonly #live: LiveTerminal;
  readonly #json: JsonOutput | undefined;
  readonly #people: TerminalStream;
  #view: RunView | undefined;

  constructor(
    private readonly streams: Streams,
    private readonly env: Env,
    private readonly options: Pick<Options, 'json' | 'yes' | 'confirm' | 'ask'>,
    onInterrupt: () => void,
    /** Who answers where no terminal is: the clients of a run's process. */
    asker?: Asker,
  ) {
    this.#people = options.json ? streams.errors : streams.output;
    this.#json = options.json ? new JsonOutput(streams.output) : undefined;
    this.#live = new LiveTerminal({ stream: this.#people, env: env, view: () => this.#view });
    this.asker =
      asker ??
      new TerminalAsker({
        input: streams.input,
        output: streams.errors,
        theme: () => this.theme(),
        pause: () => this.#live.pause(),
        onInterrupt,
      });
  }

  get json(): boolean {
    return this.#json !== undefined;
  }

  /** Takes the events of a run. */
  readonly sink: EventSink = (event: Event | JournalEntry) => {
    if (this.#view) this.#view = fold(this.#view, event);
    this.#live.sink(event);
    this.#json?.sink(event);
  };

  /** From now on the events are those of this run. */
  begin(plan: Plan, entries: readonly JournalEntry[] = []): void {
    this.#view = entries.length > 0 ? viewOf(plan, entries) : emptyView(plan);
  }

  /** Says how to come back to a run that this process detaches from. */
  detached(verb: 'attach' | 'resume'): void {
    if (this.#view?.state !== 'running') return;
    const { run } = this.#view;
    this.#live.end([
      `Detached from run ${run}. Jobs on the nodes keep running.`,
      `To return: clusterlift ${verb} ${run}`,
    ]);
  }

  /** What goes on before there is a run: shown on a terminal, until something else is. */
  busy(what: string | undefined): void {
    this.#live.busy(what);
  }

  theme(): Theme {
    return themeOf(this.#people, this.env);
  }

  /** Lines for people. */
  say(...lines: string[]): void {
    this.#live.print(lines);
  }

  /** Text that was asked for (help, a script), as it is. */
  print(text: string): void {
    this.streams.output.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** A list: one JSON object a line, or the lines that `render` makes for people. */
  list(rows: readonly unknown[], render: (theme: Theme) => readonly string[]): void {
    if (this.#json) for (const row of rows) this.#json.row(row);
    else this.say(...render(this.theme()));
  }

  report(checks: readonly CheckResult[]): void {
    if (checks.length > 0) this.say(...renderReport(checks, this.theme()));
  }

  /** @param use `asked`: a question about it follows; then it goes to people only */
  plan(plan: Plan, use: 'dry-run' | 'asked' = 'dry-run'): void {
    if (this.#json && use === 'dry-run') this.#json.row({ type: 'plan', ...plan });
    else this.say(...renderPlan(plan, this.theme(), use));
  }

  /** The table, the failures and the ways on, once the run has ended. */
  summary(view: RunView, folder: string): void {
    this.#live.end(['', ...renderSummary(view, { folder, home: home(this.env) }, this.theme())]);
  }

  error(error: unknown): void {
    const lines =
      error instanceof ClusterliftError
        ? renderError(error, this.theme())
        : renderUnexpected(error, undefined, this.theme());
    this.#live.end();
    for (const each of lines) this.streams.errors.write(`${each}\n`);
  }

  /**
   * Asks before something that needs a person's yes.
   * @param typeName for a production cluster: its name is typed, or given by `--confirm`; `--yes` is not enough
   * @throws ClusterliftError `not-confirmed` (no), `confirmation-needed` (status 2: nobody to ask)
   */
  async confirm(text: string, typeName?: string): Promise<void> {
    const { yes, confirm, ask } = this.options;
    if (!ask && (typeName === undefined ? yes : confirm === typeName)) return;
    if (!ask && confirm !== undefined && typeName !== undefined) throw wrongName(confirm, typeName);
    const question: Question = { kind: 'confirm', text, typeName };
    const answer = await this.asker.ask(question);
    if (answer === 'yes' || (typeName !== undefined && answer === typeName)) return;
    throw this.#interactive() ? notConfirmed() : confirmationNeeded(typeName);
  }

  /** How it ended where no run was needed. */
  result(result: JsonResult): void {
    this.#result = result;
  }

  /** Ends the output; with `--json` the last line says how it ended, also when no run began. */
  async end(status: ExitStatus): Promise<void> {
    this.#live.end();
    // A dry run that nothing blocks ends well, without a run.
    const outcome = status === ExitStatus.ok ? 'succeeded' : 'refused';
    await this.#json?.end(this.#result ?? (this.#needsResult ? { outcome, status, nodes: {} } : undefined));
  }

  /** The command is one that ends with `run.finished`. */
  expectRun(): void {
    this.#needsResult = true;
  }

  #needsResult = false;
  #result: JsonResult | undefined;

  #interactive(): boolean {
    return !(this.asker instanceof TerminalAsker) || this.asker.interactive;
  }
}

function wrongName(given: string, wanted: string): ClusterliftError {
  return new ClusterliftError({
    code: 'confirm-wrong-name',
    message: `--confirm says "${given}", but the cluster is "${wanted}"`,
    hint: advice`Make sure which cluster is meant; then give \`--confirm ${wanted}\`.`,
    exit: ExitStatus.usage,
  });
}

function notConfirmed(): ClusterliftError {
  return new ClusterliftError({
    code: 'not-confirmed',
    message: 'It was not confirmed; nothing was changed',
    hint: 'Start the command again when you are ready.',
    exit: ExitStatus.interrupted,
  });
}

function confirmationNeeded(typeName: string | undefined): ClusterliftError {
  return new ClusterliftError({
    code: 'confirmation-needed',
    message:
      typeName === undefined
        ? 'This needs a confirmation, and there is no terminal to ask on'
        : `"${typeName}" is a production cluster: its name is needed as a confirmation`,
    hint: typeName === undefined ? 'Give --yes.' : advice`Give \`--confirm ${typeName}\`.`,
    exit: ExitStatus.usage,
  });
}
