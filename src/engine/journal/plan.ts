import type { ReadCode } from '../../base/catalogue';
import type { Mode, NodeModel, OnFailure } from '../../cluster/model';

/** What a run does to the cluster. */
export type Action = 'upgrade' | 'provision' | 'backup' | 'restore';

/**
 * The smallest journaled units of a run. On a node, except `commit`, which is the cluster's.
 * `stop` … `health` of one node is its bracket: begun, it is always finished.
 */
export const STEPS = [
  'lock',
  'stage',
  'unpack',
  'backup',
  'verify-backup',
  'stop',
  'upgrade',
  'restore',
  'restore-script',
  'start',
  'reboot',
  'version',
  'health',
  'provision',
  'settle',
  'unlock',
] as const;
export type StepName = (typeof STEPS)[number];

/** One finding of the checks. A run starts only when no `block` is left that was not overridden. */
export interface CheckResult {
  /** Also the name that `--override` takes. */
  readonly code: ReadCode;
  readonly level: 'block' | 'warn';
  readonly node: string | undefined;
  /** The file or directory it is about, on the node or here. */
  readonly path: string | undefined;
  readonly message: string;
  /** The command or act that mends it. */
  readonly fix: string;
  readonly overridden: boolean;
}

/** How a node is expected to go through the run, decided before it starts. */
export interface PlanNode {
  readonly name: string;
  readonly model: NodeModel;
  /** The state directory on the node, resolved. */
  readonly stateDir: string;
  /** Version installed when the plan was made; undefined: not installed. */
  readonly from: string | undefined;
  /** Version wanted; undefined where the run does not change it. */
  readonly to: string | undefined;
  /** `skip`: already at the target, healthy, its last upgrade ended well. */
  readonly action: 'change' | 'skip';
  /** Asked for by earlier runs and not fulfilled yet. */
  readonly requests: readonly ('provision' | 'reboot')[];
  readonly steps: readonly StepName[];
  /** The node's past when the plan was made, to be compared under the lock. Plans of earlier versions have none. */
  readonly seen?: SeenPast | undefined;
  /** What this node keeps of its last upgrade, for a run without an image: its scripts run there only. */
  readonly installed?: PlanInstalled | undefined;
}

export interface SeenPast {
  /** `<epoch> <run>` of the run that last changed the node; empty: none that said so. */
  readonly changed: string;
  /** Product → `<run> <time>` of its record. */
  readonly records: Readonly<Record<string, string>>;
  /** The version that the node reported. Null: nothing was installed; undefined: it was not asked. */
  readonly version?: string | null | undefined;
}

export type PlanInstalled = Pick<PlanPackage, 'product' | 'version' | 'sha256' | 'manifest'>;

export interface PlanMember {
  readonly name: string;
  /** How other nodes reach it. */
  readonly address: string;
}

/** The package of a run. The digest pins it; the source is for people and carries no secret. */
export interface PlanPackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  readonly source: PackageSource;
  /** The manifest as read from the image. */
  readonly manifest: unknown;
  readonly signedBy: string | undefined;
  /** Whose word it is taken on, where neither signature nor `--sha256` vouches for it and it lies on a node. */
  readonly word?: PackageWord | undefined;
  /** Nobody named it: the newest was taken. */
  readonly chosen?: boolean | undefined;
  /** What a node keeps of it for status and provision: paths in the package. */
  readonly kept?: readonly string[] | undefined;
}

export interface PackageWord {
  readonly node: string;
  /** Whose file it is there, where that was looked at. */
  readonly user?: string | undefined;
}

export type PackageSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'node'; readonly node: string; readonly path: string }
  | {
      readonly kind: 'url';
      readonly url: string;
      /** Where the primary put it, when it was the one to download it. */
      readonly on?: FileOnPrimary | undefined;
    };

export interface FileOnPrimary {
  readonly node: string;
  readonly path: string;
}

/** Options of a run after command line, config and manifest were merged. Durations in milliseconds, rates in bytes/s. */
export interface PlanOptions {
  readonly mode: Mode;
  /** Name of a location, or `none`. */
  readonly backup: string;
  readonly maxFailures: string;
  readonly onFailure: OnFailure;
  readonly giveUp: number;
  readonly healthStable: number | undefined;
  readonly limitRate: number | undefined;
  /** A part that is older when its node is stopped is taken once more; undefined (an older plan): 15 minutes. */
  readonly backupMaxAge?: number | undefined;
  readonly distribution: 'auto' | 'direct' | 'relay';
  readonly provisionMode: Mode;
}

/** Immutable description of a run: written once, synced, mirrored; its sha256 stands in the journal's first line. */
export interface Plan {
  readonly schema: 1;
  /** `20261122T201755Z-staging-4f2a`: sorts by time, is a file name. */
  readonly run: string;
  readonly created: string;
  readonly action: Action;
  readonly cluster: string;
  readonly configFile: string;
  readonly production: boolean;
  readonly primary: string;
  /** All nodes of the cluster in the order of the file, for the scripts to know of. */
  readonly members?: readonly PlanMember[] | undefined;
  /** In the frozen order of the run. */
  readonly nodes: readonly PlanNode[];
  /** Names of `nodes` that change, in waves. */
  readonly batches: readonly (readonly string[])[];
  /** The sizes that were asked for; more than one make a ramp. Plans of earlier versions have none. */
  readonly batch?: readonly string[] | undefined;
  readonly package: PlanPackage | undefined;
  readonly options: PlanOptions;
  readonly checks: readonly CheckResult[];
  /** Codes that a person overrode; recorded in the journal, too. */
  readonly overrides: readonly string[];
  /** Equivalent command line, without secrets. */
  readonly command: string;
  /** For `restore` and runs with a backup: the restore point. */
  readonly point: PlanPoint | undefined;
  /** What the run backs up; undefined: nothing. */
  readonly backup?: PlanBackup | undefined;
  /** A restore makes this point of what it replaces, first. Undefined: none (`--override no-undo`, or an older plan). */
  readonly undo?: PlanUndo | undefined;
}

/** It goes to the location of the point that is restored. */
export interface PlanUndo {
  readonly id: string;
  readonly backup: PlanBackup;
}

/** Does a backup of this run stop the application of a node meanwhile? */
export function isQuietOn({ backup, undo }: Pick<Plan, 'backup' | 'undo'>, node: string): boolean {
  const scope = backup ?? undo?.backup;
  const own = scope && Object.hasOwn(scope.nodes, node) ? scope.nodes[node]?.own : undefined;
  return (own ?? scope)?.quiet === true;
}

export interface PlanPoint {
  readonly location: string;
  readonly uri: string;
  readonly id: string;
  /** Digest of the `point.json` that a restore is pinned to; undefined: the run makes it. */
  readonly sha256: string | undefined;
  /** False: a node does not know it, and a person took it on (`--override foreign-point=NODE`). */
  readonly trusted?: boolean | undefined;
  /** The nodes that do not know it. Absent: all, or none, as `trusted` says. */
  readonly foreign?: readonly string[] | undefined;
}

/** Frozen with the plan, so that a resumed run takes the same backup. */
export interface PlanBackup {
  readonly reason: 'manual' | 'upgrade' | 'restore';
  /** The point that the restore goes back to, where it is made before a restore. */
  readonly before?: string | undefined;
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
  /** The application is stopped while the parts are taken. */
  readonly quiet: boolean;
  readonly nodes: Readonly<Record<string, PlanNodeBackup>>;
}

export interface PlanNodeBackup {
  readonly leaveOut: readonly string[];
  readonly bytes: number;
  /** Where the manifest that this node keeps says otherwise than the plan does for all. */
  readonly own?: Pick<PlanBackup, 'paths' | 'exclude' | 'quiet'> | undefined;
}

/** The override of a person who restores without keeping what is replaced. */
export const NO_UNDO = 'no-undo';
