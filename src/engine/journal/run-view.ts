import type { ExitStatus } from '../../base/errors';
import type { ErrorRecord, Lane, NodeOutcome, NodeResult, Phase, PointView, RunOutcome, StepData } from './events';
import type { Plan, StepName } from './plan';

/** What is known of a run; `fold` in view.ts makes it. */

type StepState = 'running' | 'done' | 'failed' | 'unknown';

export interface StepView {
  readonly step: StepName;
  readonly lane: Lane;
  readonly attempt: number;
  readonly state: StepState;
  readonly startedAt: string;
  /** In which life of the run it began: how often the run had been resumed by then. */
  readonly life: number;
  readonly ms: number | undefined;
  readonly overdue: boolean;
  /** Written with the intent. */
  readonly intent: StepData | undefined;
  /** Written with the result. */
  readonly data: StepData | undefined;
  readonly error: ErrorRecord | undefined;
  /** A person's word on a step of unknown outcome. */
  readonly decision: 'retry' | 'done' | 'failed' | undefined;
}

export interface Progress {
  readonly step: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly rate: number | undefined;
  readonly etaMs: number | undefined;
}

export interface NodeView {
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** What it had when it was asked after a failure. Null: nothing is installed; undefined: not asked. */
  readonly has?: string | null | undefined;
  /** Last attempt of each step of each lane, in the order they began. */
  readonly steps: readonly StepView[];
  readonly outcome: NodeOutcome | undefined;
  readonly error: ErrorRecord | undefined;
  readonly messages: readonly string[];
  readonly wantsProvision: boolean;
  readonly wantsReboot: boolean;
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  /** Of the moment; gone with the step. */
  readonly progress: Progress | undefined;
  /** The epoch of the last lock that the run had there. */
  readonly lockedIn?: number;
  readonly link: 'up' | 'lost';
}

export interface RunView {
  readonly run: string;
  readonly plan: Plan;
  /** The clusters.json that says how the nodes are reached. */
  readonly configFile: string;
  /** Nodes that must vouch for the run before anything is done there. */
  readonly unproven: readonly string[];
  /** Where nodes are that were not there when the plan was made (`placeOf`). */
  readonly places: Readonly<Record<string, string>>;
  readonly state: 'running' | 'finished' | 'abandoned';
  readonly phase: Phase;
  readonly epoch: number;
  readonly owner: { readonly host: string; readonly pid: number } | undefined;
  readonly nodes: Readonly<Record<string, NodeView>>;
  readonly stopRequested: boolean;
  readonly committed: boolean;
  /** The rollback of an upgrade has begun: there is no way on but back. */
  readonly rollingBack: boolean;
  readonly budget: { readonly failed: number; readonly unknown: number; readonly allowed: number } | undefined;
  readonly overrides: readonly string[];
  readonly warnings: readonly { readonly node: string | undefined; readonly code: string; readonly message: string }[];
  readonly point: PointView | undefined;
  /** Newer parts of single nodes, by node. */
  readonly renewed: Readonly<Record<string, PointView>>;
  /** What was there before a restore. */
  readonly undo: PointView | undefined;
  /** How often the run was resumed. */
  readonly life: number;
  /** The last life that a person ended: since then the cluster worked on. -1: none. */
  readonly stoppedIn: number;
  readonly outcome: RunOutcome | undefined;
  readonly exit: ExitStatus | undefined;
  readonly results: Readonly<Record<string, NodeResult>> | undefined;
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  /** Sequence number of the last journal line folded in. */
  readonly seq: number;
  /** Package download or verification, which belongs to no node. */
  readonly progress: Progress | undefined;
}
