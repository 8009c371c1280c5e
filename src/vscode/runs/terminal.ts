import * as vscode from 'vscode';
import { sleep } from '../../base/async';
import { deadlineIn } from '../../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { home } from '../../base/paths';
import { formatCommand, wholeArgv } from '../../command/format';
import { looksOnly } from '../clusters/argv';
import { BECOMES_RUN, type Command } from '../../command/command';
import { commandSpec } from '../../command/grammar';
import { renderError, renderUnexpected } from '../../terminal/error';
import { LiveTerminal } from '../../terminal/live-terminal';
import { themeOf, paint, tone, type Theme, type Tone } from '../../terminal/theme';
import { renderSummary } from '../../terminal/summary';
import type { RunRecord } from '../../engine/journal/runs';
import type { FollowEnd } from '../../service/client';
import type { RunEnd } from '../../service/protocol';
import type { Launcher } from '../../service/spawn';
import type { Asker, Question } from '../../ssh/connection';
import { me } from '../shared/launch';
import { demandTrust, type Queries } from '../shared/queries';
import { setting } from '../shared/settings';
import { Store } from '../shared/store';
import { runSubject } from './words';
import { tell } from '../shared/tell';
import type { RunHub } from './hub';
import type { RunsModel } from './model';
import { Screen, screenEnv } from './screen';
import { RunSession } from './session';

const { l10n } = vscode;

/** What a terminal is opened for. */
export type TerminalJob =
  | { readonly kind: 'command'; readonly command: Command; readonly cwd: string }
  | { readonly kind: 'follow'; readonly run: string }
  /** Says why nothing is done. */
  | { readonly kind: 'refused'; readonly error: ClusterliftError };

export interface TerminalDeps {
  readonly launcher: Launcher;
  readonly asker: Asker;
  readonly hub: RunHub;
  readonly queries: Queries;
  readonly runs: Pick<RunsModel, 'read'>;
  readonly secrets: () => Promise<Readonly<Record<string, string>>>;
  /** Would this question be answered again without a person? */
  readonly answersAgain: (question: Question) => Promise<boolean>;
  /** The terminal was closed while its run goes on. */
  readonly onDetached: (what: GoesOn, pty: RunTerminal) => void;
}

/** What goes on without its terminal: a run, or one that is being prepared, which has no name yet. */
export type GoesOn = { readonly run: string } | { readonly preparing: string; readonly stop: () => Promise<void> };

export interface OwnTerminal {
  /** A terminal of its own stays until a key is pressed; one of a task is kept by the editor. */
  readonly stays: boolean;
  /** Called once its command is over; not when it was closed before. The error says why nothing was done. */
  readonly ended?: ((status: ExitStatus, error: ClusterliftError | undefined) => void) | undefined;
}

/** Lines written just before the end can be lost (microsoft/vscode#92868). Milliseconds. */
const LAST_LINES_MS = 150;
/** Milliseconds in which the process of a run that broke off has to be gone. */
const GONE_MS = 3000;

/** The terminal of a task: shows the equivalent command, the run as the command line shows it, and the exit status. */
export class RunTerminal extends Store implements vscode.Pseudoterminal {
  readonly #screen = this.add(new Screen());
  readonly onDidWrite = this.#screen.onDidWrite;
  readonly #close = this.add(new vscode.EventEmitter<number>());
  readonly onDidClose = this.#close.event;
  readonly #abort = new AbortController();
  readonly #live: LiveTerminal;
  #session: RunSession;
  #asking = false;
  #done = false;
  #resumed = false;
  #error: ClusterliftError | undefined;
  /** Closed before there was a plan: the window stays with the run until then, to answer its questions and to stop it. */
  #preparing = false;

  constructor(
    private readonly job: TerminalJob,
    private readonly deps: TerminalDeps,
    private readonly own: OwnTerminal = { stays: false },
  ) {
    super();
    this.#session = new RunSession(deps.asker);
    this.add({
      dispose: () => {
        if (!this.#preparing) this.#session.dispose();
      },
    });
    this.#live = new LiveTerminal({
      stream: this.#screen,
      env: screenEnv(),
      view: () => this.#session.view,
      appendOnly: isAppendOnly(),
    });
  }

  open(size: vscode.TerminalDimensions | undefined): void {
    if (size) this.#screen.resize(size);
    void this.#run();
  }

  setDimensions(size: vscode.TerminalDimensions): void {
    this.#screen.resize(size);
  }

  /** The terminal is gone, and that cannot be refused: detach. The run continues. */
  close(): void {
    if (!this.#done) this.#letGo();
    this.#abort.abort();
    this.#live.end();
    this.dispose();
  }

  #letGo(): void {
    const session = this.#session;
    const { view } = session;
    if (view) {
      this.deps.onDetached({ run: view.run }, this);
      return;
    }
    const { job } = this;
    if (job.kind !== 'command' || looksOnly(job.command) || !BECOMES_RUN.has(job.command.kind)) return;
    this.#preparing = true;
    session.onPlanned(() => session.dispose());
    const stop = async (): Promise<void> => {
      if (session.view)
        await vscode.commands.executeCommand('clusterlift.stop', { kind: 'run', run: session.view.run });
      else await session.stop(me());
    };
    this.deps.onDetached({ preparing: titleOf(job.command), stop }, this);
  }

  handleInput(data: string): void {
    if (this.#done && this.own.stays) this.#close.fire(0);
    else if (data.includes('\u0003')) void this.#interrupt();
  }

  async #run(): Promise<void> {
    let status: ExitStatus;
    try {
      status = await this.#work();
    } catch (error) {
      status = this.#tell(error);
    }
    if (this.disposed) return;
    this.own.ended?.(status, this.#error);
    this.#done = true;
    this.#live.end();
    this.#say([tone(toneOf(status), l10n.t('Exit status {0}', String(status)))]);
    if (this.own.stays) {
      this.#say([tone('dim', l10n.t('Press any key to close this terminal.'))]);
      return;
    }
    await sleep(LAST_LINES_MS);
    this.#close.fire(status);
  }

  async #work(): Promise<ExitStatus> {
    const { job } = this;
    switch (job.kind) {
      case 'refused':
        throw job.error;
      case 'follow':
        return this.#follow(job.run);
      case 'command':
        this.#say([tone('accent', '> '), tone('strong', formatCommand(job.command))]);
        return looksOnly(job.command) ? this.#lookAt(job.command, job.cwd) : this.#start(job.command, job.cwd);
    }
  }

  async #lookAt(command: Command, cwd: string): Promise<ExitStatus> {
    const { status, lines, error } = await this.deps.queries.query(wholeArgv(command), cwd, this.#abort.signal);
    this.#live.print(lines);
    if (error) this.#tell(new ClusterliftError({ ...error, exit: status as ExitStatus }));
    return status as ExitStatus;
  }

  async #start(command: Command, cwd: string): Promise<ExitStatus> {
    demandTrust();
    const leave = this.#listen();
    try {
      const request = { argv: wholeArgv(command), cwd, by: me(), secrets: await this.deps.secrets() };
      const end = await this.#session.start(this.deps.launcher, request);
      return await this.#ended(end);
    } finally {
      leave();
    }
  }

  async #follow(run: string): Promise<ExitStatus> {
    const record = await this.deps.runs.read(run);
    this.#say([tone('accent', '> '), tone('strong', record.plan.command)]);
    return record.state === 'live' ? this.#watch(record.folder) : this.#replay(run);
  }

  async #replay(run: string): Promise<ExitStatus> {
    const { view, folder } = await this.deps.runs.read(run);
    this.#live.end(renderSummary(view, { folder, home: home(process.env) }, this.#theme()));
    return view.exit ?? ExitStatus.unknown;
  }

  /** A session of its own for each process that works on the run. */
  #listen(): () => void {
    if (this.#session.attached || this.#session.view) {
      this.#session.dispose();
      this.#session = new RunSession(this.deps.asker);
    }
    const joined = this.deps.hub.join(this.#session);
    const events = this.#session.onEvents((list) => {
      if (this.disposed) return;
      for (const event of list) this.#live.sink(event);
    });
    const said = this.#session.onSaid((lines) => {
      if (!this.disposed) this.#live.print(lines);
    });
    const planned = this.#session.onPlanned((plan) => {
      this.#say([
        tone(
          'dim',
          l10n.t('Run {0}. Press Ctrl+C to stop or detach. Closing this terminal does not stop the run.', plan.run),
        ),
      ]);
    });
    return () => {
      for (const each of [joined, events, said, planned]) each.dispose();
    };
  }

  async #ended(end: FollowEnd): Promise<ExitStatus> {
    switch (end.kind) {
      case 'ended':
        return this.#summary(end.end);
      case 'closed':
        this.#say([tone('warn', l10n.t('The run continues. You can follow it from the Runs view.'))]);
        return ExitStatus.interrupted;
      case 'lost':
        return this.#lost();
    }
  }

  /**
   * The process of the run died before our eyes. It is resumed by itself once, unless that would need a secret that
   * somebody typed; what cannot be found out on the nodes, a person is asked.
   */
  async #lost(): Promise<ExitStatus> {
    const run = this.#session.view?.run;
    const record = run === undefined ? undefined : await this.#afterwards(run);
    if (record?.state === 'live') return this.#watch(record.folder);
    if (record?.state === 'finished') return this.#replay(record.run);
    if (record?.state !== 'interrupted' || !(await this.#mayResume(record))) {
      const gone = l10n.t(
        'The process of the run ended unexpectedly. Jobs on the nodes keep running. Resume the run to continue.',
      );
      this.#say([tone('warn', gone)]);
      return ExitStatus.unknown;
    }
    const resuming = this.deps.hub.resumes(record.run);
    try {
      this.#say([tone('warn', l10n.t('The process of the run ended unexpectedly. Resuming the run.'))]);
      const resume: Command = { kind: 'resume', run: record.run, options: { yes: true } };
      const status = await this.#start(resume, record.folder);
      // Another window was quicker.
      return status === ExitStatus.locked ? await this.#watch(record.folder) : status;
    } finally {
      resuming.dispose();
    }
  }

  /** How the run stands once its process is gone, or was replaced. */
  async #afterwards(run: string): Promise<RunRecord> {
    const died = this.#session.view?.owner?.pid;
    const deadline = deadlineIn(GONE_MS);
    for (;;) {
      const record = await this.deps.runs.read(run);
      if (record.state !== 'live' || (died !== undefined && record.owner?.pid !== died) || deadline.passed)
        return record;
      await sleep(100);
    }
  }

  async #mayResume({ view }: RunRecord): Promise<boolean> {
    if (this.#resumed || view.epoch > 1) return false;
    this.#resumed = true;
    const again = await Promise.all(this.#session.answered.map((each) => this.deps.answersAgain(each)));
    return again.every(Boolean);
  }

  /** Follows the process that works on the run now. */
  async #watch(folder: string): Promise<ExitStatus> {
    const leave = this.#listen();
    try {
      return await this.#ended(await this.#session.attach(folder));
    } finally {
      leave();
    }
  }

  #summary({ error, status }: RunEnd): ExitStatus {
    const { view, folder } = this.#session;
    if (view && folder !== undefined) {
      this.#live.end(renderSummary(view, { folder, home: home(process.env) }, this.#theme()));
    }
    if (error) this.#tell(new ClusterliftError({ ...error, exit: status as ExitStatus }));
    return status as ExitStatus;
  }

  async #interrupt(): Promise<void> {
    if (this.#done || this.#asking) return;
    this.#asking = true;
    try {
      if (!this.#session.attached) {
        this.#abort.abort();
        return;
      }
      const stop = {
        label: l10n.t('Stop'),
        detail: l10n.t('Nodes in progress will finish. No other node will be started.'),
      };
      const detach = {
        label: l10n.t('Detach'),
        detail: l10n.t('The run continues. You can follow it from the Runs view.'),
      };
      const cancel = { label: l10n.t('Cancel'), detail: l10n.t('Keep watching.') };
      const { view } = this.#session;
      const choice = await vscode.window.showQuickPick([stop, detach, cancel], {
        title: view ? l10n.t('{0} is running', runSubject(view.plan)) : l10n.t('The run is in progress'),
        placeHolder: l10n.t('What do you want to do?'),
        ignoreFocusOut: true,
      });
      if (choice === stop) await this.#session.stop(me());
      if (choice === detach) this.#session.dispose();
    } catch (error) {
      this.#tell(error);
    } finally {
      this.#asking = false;
    }
  }

  #tell(error: unknown): ExitStatus {
    const ours = error instanceof ClusterliftError;
    if (ours) this.#error = error;
    const status = ours ? error.exit : ExitStatus.failed;
    if (this.#preparing) {
      if (status !== ExitStatus.interrupted) this.#tellAfterwards(messageOf(error));
      return status;
    }
    const lines = ours ? renderError(error, this.#theme()) : renderUnexpected(error, undefined, this.#theme());
    // The live block is over where there is an error to show.
    for (const each of lines) this.#screen.write(`${each}\n`);
    return status;
  }

  #tellAfterwards(why: string): void {
    const { job } = this;
    const what = job.kind === 'command' ? titleOf(job.command) : '';
    void tell.warning(l10n.t('"{0}" ended before anything changed: {1}', what, why));
  }

  #say(parts: Parameters<typeof paint>[0]): void {
    if (this.disposed) return;
    const text = paint(parts, { ...this.#theme(), columns: 10_000 });
    if (this.#done || this.#session.view?.state !== 'running') this.#screen.write(`${text}\n`);
    else this.#live.print([text]);
  }

  #theme(): Theme {
    return themeOf(this.#screen, screenEnv());
  }
}

/** `upgrade staging` */
function titleOf({ kind, options: { cluster } }: Command): string {
  const { name } = commandSpec(kind);
  return cluster === undefined ? name : `${name} ${cluster}`;
}

function toneOf(status: ExitStatus): Tone {
  if (status === ExitStatus.ok) return 'good';
  return status === ExitStatus.failed || status === ExitStatus.refused ? 'bad' : 'warn';
}

function isAppendOnly(): boolean {
  const wanted = setting('terminal.appendOnly');
  if (wanted !== 'auto') return wanted === 'on';
  return vscode.workspace.getConfiguration('editor').get('accessibilitySupport') === 'on';
}
