import * as vscode from 'vscode';
import { wallClock } from '../../base/clock';
import { ClusterliftError, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import type { ClusterRef, ClustersModel } from '../clusters/model';
import { argvFor, cwdOf } from '../clusters/argv';
import type { Queries } from '../shared/queries';
import type { RunsModel } from '../runs/model';
import { Store } from '../shared/store';
import { pointRows, type PointInfo } from './rows';

/** A location of one file, as the tree shows it: under the cluster that is asked through. */
export interface LocationRef {
  /** Cluster and name: `localbackup` of two clusters are two places. */
  readonly id: string;
  readonly name: string;
  /** Undefined: built in. */
  readonly uri: string | undefined;
  readonly ref: ClusterRef;
}

export interface LocationState {
  /** Milliseconds since 1970. */
  readonly asked: number;
  readonly points: readonly PointInfo[];
  readonly error: string | undefined;
}

/** What was last seen in each location. Nothing is asked before somebody wants to see it. */
export class PointsModel extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<string>());
  /** Id of the location. */
  readonly onDidChange = this.#changed.event;
  readonly #states = new Map<string, LocationState>();
  readonly #asking = new Map<string, Promise<LocationState>>();

  constructor(
    private readonly clusters: Pick<ClustersModel, 'clusters' | 'byName'>,
    private readonly queries: Pick<Queries, 'rows'>,
    runs: Pick<RunsModel, 'onDidEnd'>,
  ) {
    super();
    this.add(
      runs.onDidEnd(({ record: { plan } }) => {
        const ref = plan.point && clusters.byName(plan.cluster, plan.configFile);
        const location = ref && this.locationsOf(ref).find(({ name }) => name === plan.point?.location);
        if (location) void this.reread(location);
      }),
    );
  }

  locations(): LocationRef[] {
    return this.clusters.clusters.flatMap((ref) => this.locationsOf(ref));
  }

  locationsOf(ref: ClusterRef): LocationRef[] {
    const named = ref.file.locations.map(({ name, uri }) => ({ name, uri }));
    return [...named, { name: 'localbackup', uri: undefined }].map(({ name, uri }) => ({
      id: `${ref.id}@${name}`,
      name,
      uri,
      ref,
    }));
  }

  state(id: string): LocationState | undefined {
    return this.#states.get(id);
  }

  isAsking(id: string): boolean {
    return this.#asking.has(id);
  }

  /** Its points have changed: it is read again, if somebody has seen them. */
  async reread(location: LocationRef): Promise<void> {
    if (this.state(location.id)) await this.refresh(location);
  }

  /** Reads a location again; a failure is a state, too. */
  async refresh(location: LocationRef, signal?: AbortSignal): Promise<LocationState> {
    const { id } = location;
    const running = this.#asking.get(id) ?? this.#read(location, signal);
    this.#asking.set(id, running);
    this.#changed.fire(id);
    try {
      return await running;
    } finally {
      this.#asking.delete(id);
      if (!this.disposed) this.#changed.fire(id);
    }
  }

  async #read({ id, name, ref }: LocationRef, signal: AbortSignal | undefined): Promise<LocationState> {
    let state: LocationState;
    try {
      const argv = argvFor({ kind: 'backup-list', location: name, options: {} }, ref);
      const points = pointRows(await this.queries.rows(argv, cwdOf(ref), signal), name);
      state = { asked: wallClock(), points, error: undefined };
    } catch (error) {
      const message = line(error instanceof ClusterliftError ? error.message : messageOf(error));
      state = { asked: wallClock(), points: this.#states.get(id)?.points ?? [], error: message };
    }
    this.#states.set(id, state);
    return state;
  }
}
