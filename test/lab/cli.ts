import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { within } from '../../src/base/async';
import type { NodeResult } from '../../src/engine/journal/events';
import { killGroup } from './tools';

const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../dist/cli.js');

/** It never outlives a killed test (where the system can do that): it replaces `setpriv`, so its pid is its own. */
const WITH_US = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : [];

/** Whoever has an environment for the command line: a lab of real nodes, or of nodes inside the process. */
export interface Home {
  env(extra?: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
  readonly home: string;
}

/** A line of `--json`. What it has beyond its type depends on that. */
export interface CliEvent {
  readonly type?: string;
  readonly [key: string]: unknown;
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Typed on stdin, which then ends. It is never a terminal. */
  readonly input?: string;
  readonly cwd?: string;
  /** Milliseconds until it is killed and the test fails; default four minutes. */
  readonly deadline?: number;
  /** Kills it (SIGKILL) at the first event for which this says so. */
  readonly killAt?: (event: CliEvent, index: number) => boolean;
}

export interface CliResult {
  /** Null: ended by a signal. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** All JSON lines of stdout, in order. */
  readonly events: readonly CliEvent[];
  /** The last line of a run. */
  readonly finished: { readonly outcome: string; readonly nodes: Readonly<Record<string, NodeResult>> } | undefined;
}

/** The built command line as a child process, while it runs. */
export class CliRun {
  readonly events: CliEvent[] = [];
  /** Resolves when it has ended, however. */
  readonly done: Promise<CliResult>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #watchers = new Set<(event: CliEvent) => void>();

  constructor(home: Home, args: readonly string[], options: CliOptions = {}) {
    if (!existsSync(CLI)) throw new Error(`${CLI} is missing: npm run build`);
    const [program = '', ...words] = [...WITH_US, process.execPath, CLI, ...args];
    const child = spawn(program, words, {
      cwd: options.cwd ?? home.home,
      env: home.env(options.env),
      stdio: 'pipe',
      detached: true, // so that the deadline also reaches its children
    });
    this.#child = child;
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#hear(line, options.killAt);
    });
    this.done = this.#end(args, options.deadline ?? 240_000);
    this.done.catch(() => undefined); // whoever awaits it gets the error
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Only the process itself: what it started stays, as when it is killed for want of memory. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Stands still, as a laptop whose lid is closed. */
  suspend(): void {
    this.kill('SIGSTOP');
  }

  wake(): void {
    this.kill('SIGCONT');
  }

  /** The first event, past or future, that fits. An error when the command ends without it, or after `deadline` (ms). */
  async waitFor(what: string | ((event: CliEvent) => boolean), deadline = 150_000): Promise<CliEvent> {
    const fits = typeof what === 'string' ? (event: CliEvent): boolean => event.type === what : what;
    const past = this.events.find(fits);
    if (past !== undefined) return past;
    let watch: (event: CliEvent) => void = () => undefined;
    const promise = new Promise<CliEvent>((found) => {
      watch = (event) => {
        if (fits(event)) found(event);
      };
    });
    this.#watchers.add(watch);
    const never = this.done.then((result) => {
      throw new Error(`it ended with ${String(result.status)} without the event ${String(what)}\n${this.#said()}`);
    });
    try {
      return await within(
        deadline,
        Promise.race([promise, never]),
        () => new Error(`the event ${String(what)} did not come\n${this.#said()}`),
      );
    } finally {
      this.#watchers.delete(watch);
    }
  }

  #hear(line: string, killAt: CliOptions['killAt']): void {
    this.stdout += `${line}\n`;
    if (!line.startsWith('{')) return;
    let event: CliEvent;
    try {
      event = JSON.parse(line) as CliEvent;
    } catch {
      return;
    }
    this.events.push(event);
    if (killAt?.(event, this.events.length - 1) === true) this.kill();
    for (const watch of this.#watchers) watch(event);
  }

  async #end(args: readonly string[], deadline: number): Promise<CliResult> {
    const child = this.#child;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
      killGroup(child.pid);
    }, deadline);
    try {
      await once(child, 'close');
    } finally {
      clearTimeout(timer);
    }
    if (late.signal.aborted)
      throw new Error(`clusterlift ${args.join(' ')} was not done in ${String(deadline)} ms\n${this.#said()}`);
    const last = this.events.at(-1);
    return {
      status: child.exitCode,
      signal: child.signalCode,
      stdout: this.stdout,
      stderr: this.stderr,
      events: this.events,
      finished: last?.type === 'run.finished' ? (last as unknown as CliResult['finished']) : undefined,
    };
  }

  #said(): string {
    return `--- stdout\n${this.stdout.slice(-4000)}--- stderr\n${this.stderr.slice(-4000)}`;
  }
}

/** For messages of assertions: all that a command said. */
export function said(result: CliResult): string {
  return `status ${String(result.status)} ${result.signal ?? ''}\n${result.stdout}\n${result.stderr}`;
}
