import { codeSet } from '../../base/catalogue';
import { advice } from '../../base/shell';
import { createHmac, randomBytes } from 'node:crypto';
import { sleep } from '../../base/async';
import { monotonic } from '../../base/clock';
import { ClusterliftError, ExitStatus, hasCode, hintFor, messageOf } from '../../base/errors';
import type { Store } from '../../backup/points/store';
import type { BackupLocation } from '../../cluster/model';
import type { Asker, NodeConnection } from '../../ssh/connection';
import type { ErrorRecord, EventSink, JournalEntry, LiveEvent, NodeOutcome, RunEvent } from '../journal/events';
import { SharedLock } from './shared-lock';
import type { Journal } from '../journal/journal';
import type { Fence } from '../../ssh/fence';
import type { Plan, PlanNode } from '../journal/plan';
import { changesBegun, emptyView, fold, stepOf, type NodeView, type RunView } from '../journal/view';

/** What a run needs from outside, handed in by the composition roots. */
export interface RunServices {
  connect(node: PlanNode): NodeConnection;
  /** Nothing is connected before its first use. */
  openStore(location: BackupLocation): Store;
  readonly asker: Asker;
  readonly sink: EventSink;
  /** Aborts on a request to detach at once. This touches nothing on the nodes. */
  readonly detach: AbortSignal;
  /** Is that run over, as far as this machine knows? Then whatever it left locked may be freed. */
  isClosed(run: string): Promise<boolean>;
  /** A resume may give nodes another time than the plan. Milliseconds. */
  readonly giveUp?: number | undefined;
  /** Who asks, for decisions and overrides: `user@host`. */
  readonly by: string;
}

/** Milliseconds after which a link counts as one that held. */
const HELD = 30_000;

/** Codes of a link or a login that is not there now, and may be again. */
const PASSING = codeSet('link-lost', 'host-unreachable', 'node-timeout');

/** Codes of a node that answers, and may be another one: it is not asked again. */
const STRANGERS = codeSet(
  'host-key-changed',
  'host-key-unknown',
  'host-key-revoked',
  'no-common-algorithm',
  'lock-other-name',
);

/** Codes of a node that answers, and lets us do nothing: while it boots, or until somebody mends its accounts. */
const REFUSALS = codeSet(
  'auth-failed',
  'become-refused',
  'become-password-wrong',
  'become-password-missing',
  'script-not-started',
  'no-session',
);

/** For so long in a row, and so seldom, such a node is asked again: more would look like an attack. Milliseconds. */
const REFUSED_FOR = 60_000;
const REFUSED_WAIT = 15_000;

/**
 * A run while it is worked on: the one place that writes the journal, keeps the view, and talks to nodes that come and go.
 */
export class RunContext {
  #view: RunView;
  readonly #connections = new Map<string, NodeConnection>();
  readonly #halt = new AbortController();
  readonly #lost = new Set<string>();
  /**
   * The locks that this process has: none before it took it, while it takes it, and from the moment on when it gives it
   * back. A lock in the journal of an earlier process is not ours: it may have been released.
   */
  readonly held = new Map<string, Fence>();
  /** Steps of other nodes are kept out while a jump node reboots. */
  readonly sharedLock = new SharedLock();
  /** Least epoch of the locks that this process takes. */
  readonly epoch: number;
  /** Copies plan and journal to a node now (mirror.ts). Undefined: nobody keeps copies. */
  mirrorNow: ((node: string) => Promise<void>) | undefined;
  readonly #secret = randomBytes(16);
  /** An earlier process worked on the run. */
  readonly resumed: boolean;

  constructor(
    plan: Plan,
    readonly folder: string,
    readonly services: RunServices,
    private readonly journal: Journal,
    entries: readonly JournalEntry[] = [],
  ) {
    this.#view = entries.reduce<RunView>((view, entry) => fold(view, entry), emptyView(plan));
    this.resumed = entries.length > 0;
    this.epoch = this.#view.epoch + 1;
  }

  /** Without the nodes that a person left out. */
  get plan(): Plan {
    return this.#view.plan;
  }

  get view(): RunView {
    return this.#view;
  }

  /** Milliseconds that a node may be away, overdue or rebooting. */
  get giveUp(): number {
    return this.services.giveUp ?? this.plan.options.giveUp;
  }

  /** Aborts when the run is over for this process: detached, or another one took it. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.services.detach, this.#halt.signal]);
  }

  /** If a node says that another orchestrator has its lock: from now on this process changes nothing. */
  onFenced(error: unknown, node: string): void {
    if (hasCode(error, 'fenced')) this.#halt.abort(takenOver(node));
    if (hasCode(error, 'unlocked')) this.#halt.abort(unlocked(error));
  }

  /** Writes a fact, folds it, tells it. Rejects when it could not be written: then the act must not happen. */
  async record(event: RunEvent): Promise<void> {
    this.signal.throwIfAborted();
    const entry = await this.journal.append(withRun(event, this.plan.run));
    this.#view = fold(this.#view, entry);
    this.services.sink(entry);
  }

  /** Tells something of the moment. */
  live(event: LiveEvent): void {
    this.#view = fold(this.#view, event);
    this.services.sink(event);
  }

  /** Tells this process's claims on a node from anybody else's, so that a claim may be repeated. No other node knows it. */
  token(node: string): string {
    return createHmac('sha256', this.#secret).update(node).digest('hex').slice(0, 32);
  }

  node(name: string): PlanNode {
    const node = this.plan.nodes.find((each) => each.name === name);
    if (!node) throw new Error(`The plan has no node ${name}`);
    return node;
  }

  nodeView(name: string): NodeView {
    const view = this.#view.nodes[name];
    if (!view) throw new Error(`The view has no node ${name}`);
    return view;
  }

  connection(name: string): NodeConnection {
    let connection = this.#connections.get(name);
    if (!connection) {
      connection = this.services.connect(this.node(name));
      this.#connections.set(name, connection);
    }
    return connection;
  }

  /**
   * Asks a node until it answers: a lost link proves nothing, so `work` is tried again once the node is there.
   * `work` must bear repetition (everything in engine/node and ssh/jobs does).
   * @param maxAway milliseconds that the node may be away; past it the outcome is unknown
   * @throws ClusterliftError `node-unknown` after that; whatever `work` throws otherwise
   */
  async retryWhileUnreachable<T>(
    name: string,
    work: (connection: NodeConnection) => Promise<T>,
    maxAway = this.giveUp,
  ): Promise<T> {
    let awaySince: number | undefined;
    let refusedSince: number | undefined;
    for (let wait = 250; ; wait = Math.min(wait * 2, 5000)) {
      this.signal.throwIfAborted();
      const startedAt = monotonic();
      try {
        const result = await work(this.connection(name));
        this.#linkIs(name, 'back');
        return result;
      } catch (error) {
        this.onFenced(error, name);
        this.signal.throwIfAborted();
        const refused = this.#refusedMidway(name, error);
        if (!refused && !isPassing(error)) throw error;
        // A link that held for a while and dropped again is a new absence.
        const held = hasCode(error, 'link-lost') && monotonic() - startedAt > HELD;
        if (held) wait = 250;
        if (refused) wait = REFUSED_WAIT;
        awaySince = held ? monotonic() : (awaySince ?? startedAt);
        refusedSince = refused ? (refusedSince ?? startedAt) : undefined;
        this.#linkIs(name, 'lost', messageOf(error));
        const next = monotonic() + wait;
        if (next - awaySince > maxAway || next - (refusedSince ?? next) > REFUSED_FOR) throw gaveUp(name, error);
      }
      await sleep(wait, this.signal);
    }
  }

  /** A login that is refused in the middle of a change proves nothing about the change. @throws ClusterliftError of a stranger */
  #refusedMidway(name: string, error: unknown): boolean {
    const view = this.nodeView(name);
    const midway = changesBegun(view) || stepOf(view, 'provision') !== undefined;
    if (!(error instanceof ClusterliftError) || !midway) return false;
    if (STRANGERS.has(error.code)) throw gaveUp(name, error);
    return REFUSALS.has(error.code);
  }

  #linkIs(name: string, state: 'lost' | 'back', reason?: string): void {
    if (this.#lost.has(name) === (state === 'lost')) return;
    if (state === 'lost') this.#lost.add(name);
    else this.#lost.delete(name);
    this.live({ type: 'link', node: name, state, ...(reason === undefined ? {} : { reason }) });
  }

  /**
   * Closes a node's part of the run.
   * @param has the version that it has now, where it was asked; null: nothing is installed
   */
  async finishNode(name: string, outcome: NodeOutcome, error?: unknown, has?: string | null): Promise<void> {
    const view = this.nodeView(name);
    await this.record({
      type: 'node.finished',
      node: name,
      outcome,
      from: view.from,
      to: outcome === 'rolled-back' ? view.from : view.to,
      ...(has === undefined ? {} : { has }),
      ...(error === undefined ? {} : { error: errorRecord(error) }),
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#connections.values()].map((each) => each.close()));
  }
}

/** The hint of an error with the id of the run: what it names can be pasted then. */
function withRun(event: RunEvent, run: string): RunEvent {
  if (!('error' in event)) return event;
  return {
    ...event,
    error: { ...event.error, hint: hintFor(event.error.hint, run, 'node' in event ? event.node : '') },
  };
}

/** Is it only that the node cannot be asked now? */
export function isPassing(error: unknown): error is ClusterliftError {
  return error instanceof ClusterliftError && PASSING.has(error.code);
}

/** What is kept of an error. An error that is not ours is a fault of this program: it is told, not hidden. */
export function errorRecord(error: unknown): ErrorRecord {
  if (error instanceof ClusterliftError) {
    const { code, message, hint, log, exit } = error;
    const status = exit === ExitStatus.failed || exit === ExitStatus.unknown ? undefined : exit;
    return { code, message, hint, ...(log ? { log } : {}), ...(status === undefined ? {} : { status }) };
  }
  return {
    code: 'internal',
    message: messageOf(error),
    hint: 'This is a fault of Clusterlift: report it with the journal of the run.',
  };
}

function gaveUp(node: string, cause: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'node-unknown',
    message: `${node} did not answer until the deadline (${messageOf(cause)}); what happened there is not known`,
    hint: advice`Bring ${node} back, then go on with \`clusterlift resume\`. Its lock stays until then.`,
    exit: ExitStatus.unknown,
    node,
    cause,
  });
}

function unlocked(error: ClusterliftError): ClusterliftError {
  return new ClusterliftError({
    ...error.detail(),
    message: `The lock was freed with \`unlock\`, and this run stopped there (${error.message}); it changed nothing since`,
    exit: ExitStatus.locked,
  });
}

function takenOver(node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'fenced',
    message: `Another process took over while this one was away (seen on ${node}); this one changed nothing since`,
    hint: 'Follow the other one with `clusterlift status` and `clusterlift runs`.',
    exit: ExitStatus.locked,
    node,
  });
}
