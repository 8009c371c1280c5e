import type { NodeConnection } from '../../ssh/connection';
import type { Location } from './location';
import type { Part, Point, PointStatus, Verdict } from './point';
import type { PartSeen, PointState } from './state';
import type { NodeTask, RunTask } from './task';

/** A node as this room sees it. */
export interface BackupNode {
  readonly name: string;
  readonly connection: NodeConnection;
  /** Resolved: absolute. */
  readonly stateDir: string;
}

/** What a location says of itself. */
export interface LocationReport {
  /** Undefined: the one server that all nodes share. */
  readonly node: string | undefined;
  /** Bytes; undefined where it cannot be found out. */
  readonly free: number | undefined;
  /** A restic repository that was made just now. */
  readonly created?: boolean;
  readonly version?: string;
}

/** Commands of the application around a backup, complete texts for `sh -c`; they must bear repetition. */
export interface Quiet {
  readonly stop: string;
  readonly start: string;
}

export interface PartRequest {
  readonly point: string;
  readonly node: BackupNode;
  readonly cluster: string;
  readonly run: string | undefined;
  /** Installed version. */
  readonly version: string | undefined;
  /** Absolute, checked (paths.ts). */
  readonly paths: readonly string[];
  /** Patterns of the package or the cluster. */
  readonly exclude: readonly string[];
  /** Absolute names that are left out (`locationExcludes`). */
  readonly leaveOut: readonly string[];
  readonly quiet: Quiet | undefined;
  /** Runs the part of the work that must survive us. */
  readonly runTask: RunTask;
  /** Waits until so many bytes may pass through this machine. */
  readonly pace?: (bytes: number) => Promise<void>;
  /** Bytes written so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A point as it was found in a location. */
export interface ListedPoint {
  readonly id: string;
  readonly cluster: string;
  /** ISO 8601. */
  readonly created: string;
  readonly state: PointState;
  /** Undefined: it is not finished, or cannot be read. */
  readonly point: Point | undefined;
  /** Digest of its `point.json`. */
  readonly sha256: string | undefined;
  readonly status: PointStatus | undefined;
  /** All parts together; bytes. */
  readonly bytes: number;
}

/** A point that was read and belongs to a digest. */
export interface ReadPoint {
  readonly point: Point;
  readonly sha256: string;
  readonly status: PointStatus | undefined;
  /** By node; what could be seen of each part without reading it. No entry: nobody looked. */
  readonly parts: Readonly<Record<string, PartSeen>>;
}

/** What the job of a restore needs to get at a part. */
export interface RestoreSource {
  /** The arguments `KIND …` of swap.sh. */
  readonly args: readonly string[];
  readonly secrets: NodeTask['secrets'];
}

export interface PartContext {
  readonly point: Point;
  readonly part: Part;
  readonly node: BackupNode;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** `look` writes nothing; `write` tries it; `create` makes what is missing (directory, repository). */
export type CheckHow = 'look' | 'write' | 'create';

/**
 * A place for restore points. The location is the catalogue: everything is found out by looking.
 * Every method may reject with the codes of advice.ts, of the connection, and `link-lost`.
 */
export interface Store {
  readonly location: Location;
  /** Can it be reached (and written)? */
  check(
    nodes: readonly BackupNode[],
    how: CheckHow,
    signal?: AbortSignal,
  ): Promise<PromiseSettledResult<LocationReport>[]>;
  /** Takes one node's part. Repeated, it goes on with the same job, or starts again where nothing survived. */
  createPart(request: PartRequest): Promise<Part>;
  /** Puts `point.json` in place, everywhere: from then on the point is complete. May be repeated. */
  finishPoint(point: Point, nodes: readonly BackupNode[]): Promise<void>;
  /** Puts `status.json` in place where it can be; a node that is away keeps an older one. */
  putStatus(status: PointStatus, nodes: readonly BackupNode[]): Promise<void>;
  /** Oldest first. A node that cannot be asked is left out of it. */
  listPoints(nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ListedPoint[]>;
  /** @throws ClusterliftError `point-unknown`, `point-torn`, `point-differs`, … */
  readPoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<ReadPoint>;
  /** Reads a part back from where it lies. A bad part is a verdict, not an error. */
  verifyPart(context: PartContext): Promise<PartVerdict>;
  /** Brings a part to where its node can unpack it; what it leaves there is removed by `endRestore`. May be repeated. */
  prepareRestore(context: PartContext, trusted: boolean): Promise<RestoreSource>;
  endRestore(context: PartContext): Promise<void>;
  removePoint(id: string, nodes: readonly BackupNode[], signal?: AbortSignal): Promise<void>;
}

export type PartVerdict = Pick<Verdict, 'result' | 'reason'>;
