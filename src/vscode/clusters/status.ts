import * as vscode from 'vscode';
import { wallClock } from '../../base/clock';
import type { NodeView } from '../../engine/journal/view';
import type { StatusRow } from '../../terminal/status';
import { Store } from '../shared/store';
import type { FileState } from './model';

/** What a node said when it was last asked. */
export interface NodeStatus extends StatusRow {
  /** Milliseconds since 1970: when it was asked last. */
  readonly asked: number;
  /** When it answered last; undefined: never. Version and roles are of then. */
  readonly answered: number | undefined;
}

const KEY = 'clusterlift.status';

/** Last known state of the nodes, kept over reloads: the tree shows it at once and never waits for a node. */
export class StatusCache extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<string>());
  /** Id of the cluster. */
  readonly onDidChange = this.#changed.event;
  readonly #byCluster = new Map<string, Map<string, NodeStatus>>();

  constructor(private readonly memento: vscode.Memento) {
    super();
    const kept = memento.get<Record<string, NodeStatus[]>>(KEY, {});
    for (const [cluster, nodes] of Object.entries(kept)) {
      this.#byCluster.set(cluster, new Map(nodes.map((each) => [each.node, each])));
    }
  }

  node(cluster: string, node: string): NodeStatus | undefined {
    return this.#byCluster.get(cluster)?.get(node);
  }

  nodes(cluster: string): NodeStatus[] {
    return [...(this.#byCluster.get(cluster)?.values() ?? [])];
  }

  /** Milliseconds since 1970 of the oldest answer wanted; 0: something was never asked. */
  askedAt(cluster: string): number {
    const all = this.nodes(cluster);
    return all.length === 0 ? 0 : Math.min(...all.map((each) => each.asked));
  }

  /** Forgets clusters and nodes that their file does not have any more. A file that is not there, or wrong, says nothing. */
  keep(files: readonly Pick<FileState, 'path' | 'file' | 'problems'>[]): void {
    for (const { path, file, problems } of files) {
      if (!file || problems.length > 0) continue;
      const listed = new Map(file.clusters.map(({ name, nodes }) => [`${path}#${name}`, nodes]));
      for (const [id, known] of this.#byCluster) {
        if (!id.startsWith(`${path}#`)) continue;
        const names = new Set(listed.get(id)?.map(({ name }) => name));
        const gone = [...known.keys()].filter((name) => !names.has(name));
        for (const name of gone) known.delete(name);
        if (known.size === 0) this.#byCluster.delete(id);
        if (gone.length > 0) this.#changedOf(id);
      }
    }
  }

  /** An unreachable node keeps what was known of it. */
  put(cluster: string, rows: readonly StatusRow[], now = wallClock()): void {
    const known = this.#byCluster.get(cluster) ?? new Map<string, NodeStatus>();
    for (const row of rows) {
      const before = known.get(row.node);
      const silent = row.health === 'unreachable';
      known.set(row.node, {
        ...row,
        version: silent ? before?.version : row.version,
        lastRun: row.lastRun ?? before?.lastRun,
        asked: now,
        answered: silent ? before?.answered : now,
      });
    }
    this.#byCluster.set(cluster, known);
    this.#changedOf(cluster);
  }

  #changedOf(cluster: string): void {
    const all = Object.fromEntries([...this.#byCluster].map(([id, nodes]) => [id, [...nodes.values()]]));
    void this.memento.update(KEY, all);
    this.#changed.fire(cluster);
  }
}

/** What the end of a run proves of its nodes. */
export function provenRows(nodes: readonly NodeView[], known: (node: string) => NodeStatus | undefined): StatusRow[] {
  return nodes.flatMap(({ name, outcome, to }): StatusRow[] => {
    if (outcome !== 'upgraded' && outcome !== 'restored') return [];
    const roles = known(name)?.roles ?? [];
    return [{ node: name, roles, version: to, health: 'healthy', lastRun: undefined, note: undefined }];
  });
}

/** The rows of `status --json`, as far as they make sense. */
export function statusRows(rows: readonly unknown[]): StatusRow[] {
  return rows.flatMap((row): StatusRow[] => {
    if (typeof row !== 'object' || row === null) return [];
    const { node, roles, version, health, lastRun, note } = row as Record<string, unknown>;
    if (typeof node !== 'string') return [];
    const state = (['healthy', 'unhealthy', 'not-asked', 'unreachable'] as const).find((each) => each === health);
    const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
    return [
      {
        node,
        roles: Array.isArray(roles) ? roles.filter((each) => typeof each === 'string') : [],
        version: text(version),
        health: state ?? 'not-asked',
        lastRun: text(lastRun),
        note: text(note),
      },
    ];
  });
}
