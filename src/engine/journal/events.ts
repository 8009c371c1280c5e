import type { ReadCode } from '../../base/catalogue';
import type { ErrorDetail, ExitStatus } from '../../base/errors';
import type { Action, StepName } from './plan';

/**
 * What happens in a run. `RunEvent`s are facts: they stand in the journal, and the reducer (view.ts) folds them.
 * `LiveEvent`s are of the moment (progress, output): shown, sent to followers, never journaled.
 */

export type NodeOutcome =
  /** Verified at the target by this run. */
  | 'upgraded'
  | 'restored'
  | 'provisioned'
  | 'backed-up'
  /** Nothing was to be done. */
  | 'unchanged'
  | 'failed'
  /** Came through its scripts, but on another version than wanted. */
  | 'wrong-version'
  /** We could not find out; its lock stays. */
  | 'unknown'
  /** Its bracket never began. */
  | 'not-started'
  | 'rolled-back'
  /** Others changed it since the plan was made; `to` is the version that it has then, where that is known. */
  | 'overtaken';

export type RunOutcome =
  | 'succeeded'
  | 'failed'
  | 'rolled-back'
  | 'stopped'
  | 'unknown'
  | 'interrupted'
  | 'refused'
  /** Others changed its nodes since it was planned: it is closed, and never continued. */
  | 'overtaken';

export interface NodeResult {
  readonly outcome: NodeOutcome;
  /** Null: not installed, or not known. */
  readonly from: string | null;
  readonly to: string | null;
  /** Only where it did not end well: the version that the node has now. Null: nothing is installed; absent: not known. */
  readonly version?: string | null | undefined;
  /** Only where the run stopped the application and did not end well. */
  readonly application?: 'started' | 'stopped' | 'start-failed' | 'unknown' | undefined;
  readonly files?: 'untouched' | 'changed' | 'point' | 'mixed' | undefined;
}

/** What is kept of an error in the journal: no stack, no cause object. */
export type ErrorRecord = Pick<ErrorDetail, 'code' | 'message' | 'hint' | 'log'> & {
  /** The exit status that it means, where that is not 1: who resumes ends as the first one would have. */
  readonly status?: ExitStatus | undefined;
};

export type StepResult =
  | { readonly result: 'done'; readonly data?: StepData }
  | { readonly result: 'failed'; readonly error: ErrorRecord; readonly exit?: number | undefined }
  | { readonly result: 'unknown'; readonly error: ErrorRecord };

/** Small facts that later steps or a resume need: boot id, version, digest, … */
export type StepData = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export type Phase =
  'prepare' | 'lock' | 'stage' | 'backup' | 'change' | 'provision' | 'health' | 'commit' | 'rollback' | 'unlock';

/**
 * Rolling back walks the bracket's steps a second time; `lane` keeps the two apart. `fresh`: a backup on the way, of a node
 * right before its change.
 */
export type Lane = 'main' | 'rollback' | 'fresh';

/** Names one act: a step of a node, in a lane, the n-th try. Jobs on the node carry the same name. */
export interface StepKey {
  readonly node: string;
  readonly step: StepName;
  readonly lane: Lane;
  /** From 1. Only a recorded decision, or a step that bears repetition, makes a new one. */
  readonly attempt: number;
}

export type RunEvent =
  | {
      readonly type: 'run.started';
      readonly run: string;
      readonly action: Action;
      readonly cluster: string;
      readonly plan: string;
      readonly host: string;
      readonly pid: number;
      readonly epoch: number;
    }
  | { readonly type: 'run.resumed'; readonly host: string; readonly pid: number; readonly epoch: number }
  /** Taken from the nodes by another machine. */
  | {
      readonly type: 'run.adopted';
      readonly host: string;
      readonly pid: number;
      readonly epoch: number;
      readonly by: string;
      /** The clusters.json that counts from now on. */
      readonly configFile: string;
      /** Nodes that could not be asked: each must vouch for the run before anything is done there. */
      readonly unasked: readonly string[];
      /** Where each node was reached (`placeOf`). */
      readonly places: Readonly<Record<string, string>>;
    }
  | { readonly type: 'phase'; readonly phase: Phase }
  /** The intent: written and synced before the act. */
  | ({ readonly type: 'step.started'; readonly data?: StepData } & StepKey)
  | ({ readonly type: 'step.finished'; readonly ms: number } & StepKey & StepResult)
  | ({ readonly type: 'step.overdue'; readonly afterMs: number } & StepKey)
  | {
      readonly type: 'request';
      readonly node: string;
      readonly kind: 'provision' | 'reboot' | 'message';
      readonly text?: string;
    }
  | {
      readonly type: 'node.finished';
      readonly node: string;
      readonly outcome: NodeOutcome;
      readonly from?: string | undefined;
      readonly to?: string | undefined;
      /** The version that the node had when it was asked after a failure. Null: nothing is installed; absent: not asked. */
      readonly has?: string | null | undefined;
      readonly error?: ErrorRecord;
    }
  /** A person goes on with a node at another address: it must vouch for the run before anything is done there. */
  | { readonly type: 'node.moved'; readonly node: string; readonly place: string; readonly by: string }
  /** A node keeps nothing of the run, and a person vouches for it: it is as if nothing was done there. */
  | { readonly type: 'node.reinstalled'; readonly node: string; readonly by: string }
  /** A person goes on without a node that is no longer in clusters.json: from now on the run does not know it. */
  | { readonly type: 'node.left-out'; readonly node: string; readonly by: string }
  | { readonly type: 'override'; readonly code: string; readonly by: string }
  | ({ readonly type: 'decision'; readonly choice: 'retry' | 'done' | 'failed'; readonly by: string } & StepKey)
  | { readonly type: 'stop.requested'; readonly by: string }
  | {
      readonly type: 'budget.exceeded';
      readonly failed: number;
      readonly unknown: number;
      readonly allowed: number;
      /** The batch of a ramp that failed as a whole, from 1: the budget may still allow more. */
      readonly batch?: number | undefined;
    }
  | { readonly type: 'warning'; readonly node?: string; readonly code: ReadCode; readonly message: string }
  | {
      readonly type: 'point';
      readonly id: string;
      readonly location: string;
      readonly state: 'creating' | 'complete' | 'verified' | 'broken';
      readonly sha256?: string;
      /** It is of this node alone: its part of the run's point had become too old. */
      readonly node?: string;
      /** What was there before a restore. */
      readonly undo?: boolean;
    }
  | { readonly type: 'committed' }
  | {
      readonly type: 'run.finished';
      readonly outcome: RunOutcome;
      readonly status: ExitStatus;
      readonly nodes: Readonly<Record<string, NodeResult>>;
    }
  | { readonly type: 'run.abandoned'; readonly reason: string; readonly by: string };

/** A restore point as far as the journal has told of it. */
export interface PointView {
  readonly id: string;
  readonly location: string;
  readonly state: string;
  readonly sha256: string | undefined;
}

export type LiveEvent =
  | {
      readonly type: 'progress';
      readonly node: string | undefined;
      readonly step: StepName | 'download' | 'verify-package';
      readonly done: number;
      readonly total: number | undefined;
      readonly rate: number | undefined;
      readonly etaMs: number | undefined;
    }
  /** Text of a script on a node, as it came; not stripped. */
  | { readonly type: 'output'; readonly node: string; readonly step: StepName; readonly text: string }
  | { readonly type: 'link'; readonly node: string; readonly state: 'lost' | 'back'; readonly reason?: string }
  | { readonly type: 'question'; readonly id: string; readonly open: boolean; readonly text: string };

export type Event = RunEvent | LiveEvent;

/** A line of the journal: sequence number from 1, time, sha256 of the line before (64 zeros for the first). */
export type JournalEntry = RunEvent & { readonly seq: number; readonly time: string; readonly prev: string };

/** Where events go: renderers, the control socket, the node logs. It must not throw. */
export type EventSink = (event: Event | JournalEntry) => void;

/** The name of a job on the node: `<run>.<node>.<step>.<attempt>` (docs/on-a-node.md). */
export function jobId(run: string, node: string, step: StepName, lane: Lane, attempt: number): string {
  const safe = node.replace(/[^A-Za-z0-9_-]/g, '_');
  return `${run}.${safe}.${lane === 'main' ? '' : `${lane}-`}${step}.${String(attempt)}`;
}
