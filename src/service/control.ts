import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { atMost } from '../base/async';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import { self } from '../base/process';
import type { Event, JournalEntry } from '../engine/journal/events';
import type { Plan } from '../engine/journal/plan';
import { newAddress, removeControlFile, writeControlFile, type ControlFile } from './address';
import type { QuestionBroker } from './broker';
import { Peer } from './peer';
import { newToken, PROTOCOL_VERSION, type RunEnd, type RunRequest, type RunStatus } from './protocol';

export interface ControlOptions {
  readonly broker: QuestionBroker;
  /** Somebody wants that no further node begins. */
  readonly stop: (by: string) => void;
  /** Takes the first message of a run that was just started; undefined where the run knows already what to do. */
  readonly begin?: (request: RunRequest) => void;
  readonly env: NodeJS.ProcessEnv;
}

/** Connections at one time; people have a few windows and terminals. */
const MOST_CONNECTIONS = 64;
/** Milliseconds that followers get to take the last events. */
const FAREWELL_MS = 2000;

/**
 * The control socket of a run. Users who can read the run's `control.json` may follow it, stop it and answer its questions.
 * A follower that is slow, or breaks, or lies, does nothing to the run.
 */
export class ControlServer {
  readonly #options: ControlOptions;
  readonly #server: Server;
  readonly #peers = new Set<Peer>();
  readonly #folders = new Set<string>();
  readonly #control: ControlFile;
  #run: { readonly plan: Plan; readonly folder: string } | undefined;
  #entries: JournalEntry[] = [];
  #end: RunEnd | undefined;
  #begun = false;
  readonly #said: string[] = [];

  private constructor(options: ControlOptions, address: string) {
    this.#options = options;
    this.#control = { schema: 1, protocol: PROTOCOL_VERSION, address, token: newToken(), ...self() };
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** @throws ClusterliftError `control-directory`, `control-socket` */
  static async open(options: ControlOptions): Promise<ControlServer> {
    const control = new ControlServer(options, await newAddress(options.env));
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', (error) => {
        reject(noSocket(error));
      });
      control.#server.listen(control.#control.address, resolve);
    });
    // From now on an error of one connection is that connection's own affair.
    control.#server.on('error', () => undefined);
    return control;
  }

  /** Says in a folder how to reach the run. */
  async announce(folder: string): Promise<void> {
    await writeControlFile(folder, this.#control);
    this.#folders.add(folder);
  }

  /**
   * From now on there is a plan and a journal.
   * @param history lines written before, by this process or another one
   */
  adopt(plan: Plan, folder: string, history: readonly JournalEntry[]): void {
    this.#run = { plan, folder };
    this.#entries = [...history];
    for (const peer of this.#peers) peer.planned(plan, folder);
  }

  /** Tells people something, while there is no plan yet; afterwards the events say it all. */
  say(lines: readonly string[]): void {
    if (this.#run) return;
    this.#said.push(...lines);
    for (const peer of this.#peers) peer.said(lines);
  }

  /** Takes the events of the run. */
  readonly sink = (event: Event | JournalEntry): void => {
    if ('seq' in event) this.#entries.push(event);
    for (const peer of this.#peers) peer.tell(event);
  };

  get followers(): number {
    return [...this.#peers].filter((peer) => peer.follows).length;
  }

  /** What followers are told at the end, after the last event. */
  finish(end: RunEnd): void {
    this.#end = end;
  }

  /** Tells the followers the rest, then removes socket and `control.json`. */
  async close(): Promise<void> {
    this.#server.close();
    await Promise.all(
      [...this.#folders].map((folder) => removeControlFile(folder, this.#control.address).catch(() => undefined)),
    );
    const rest = Promise.all([...this.#peers].map((peer) => peer.farewell(this.#end)));
    await atMost(FAREWELL_MS, rest);
    for (const peer of this.#peers) peer.end();
    if (process.platform !== 'win32') await rm(this.#control.address, { force: true });
  }

  #accept(socket: Socket): void {
    const peer = new Peer(socket, this.#control.token, {
      status: () => this.#status(),
      run: () => this.#run,
      said: () => this.#said,
      entriesFrom: (seq) => this.#entries.filter((entry) => entry.seq >= seq),
      stop: (by) => {
        this.#options.stop(by);
      },
      begin: (request) => this.#begin(request),
      attachment: (client, starter) => this.#options.broker.attach(client, starter),
      gone: () => this.#peers.delete(peer),
    });
    this.#peers.add(peer);
  }

  /** @returns whether the request was taken: only the first is */
  #begin(request: RunRequest): boolean {
    if (this.#begun || !this.#options.begin) return false;
    this.#begun = true;
    this.#options.begin(request);
    return true;
  }

  #status(): RunStatus {
    return {
      run: this.#run?.plan.run ?? null,
      pid: process.pid,
      followers: this.followers,
      waitingFor: this.#options.broker.waitingFor ?? null,
    };
  }
}

function noSocket(error: Error): ClusterliftError {
  return new ClusterliftError({
    code: 'control-socket',
    message: `The control socket of the run could not be opened: ${messageOf(error)}`,
    hint: 'Look at XDG_RUNTIME_DIR and the temporary directory: both must be writable for you.',
    exit: ExitStatus.refused,
    cause: error,
  });
}
