import { advice } from '../../base/shell';
import { wallClock } from '../../base/clock';
import { isOverridden } from '../../base/overrides';
import type { Finding } from '../../backup/paths';
import { newPointId, type Point } from '../../backup/points/point';
import { checkBackup, partOf } from '../../backup/lifecycle';
import type { BackupNode, Store } from '../../backup/points/store';
import type { Cluster } from '../../cluster/model';
import { NO_UNDO, type PlanBackup, type PlanNodeBackup, type PlanUndo } from '../journal/plan';
import { packageOn, type Scripts } from '../control/runpackage';
import { isQuiet } from './backup';
import { block } from './findings';

/** What a restore is about to replace, and where it would be kept. */
export interface UndoDraft {
  readonly cluster: Cluster;
  readonly store: Store;
  readonly point: Point;
  /** Those that are restored. */
  readonly nodes: readonly BackupNode[];
  /** What the nodes keep of their last upgrade. */
  readonly kept: Scripts | undefined;
  readonly overrides: readonly string[];
  /** `look`: nothing is written, not even to try the location. */
  readonly how: 'look' | 'write';
  readonly signal: AbortSignal;
}

/** Judges and freezes the point that a restore makes first: exactly the paths that it replaces, nothing left out. */
export async function draftUndo(
  draft: UndoDraft,
): Promise<{ readonly undo: PlanUndo | undefined; readonly findings: readonly Finding[] }> {
  const { cluster, store, point, overrides, signal } = draft;
  const nodes = draft.nodes.filter(({ name }) => !isOverridden(overrides, NO_UNDO, name));
  const without = withoutUndo(draft);
  if (nodes.length === 0) return { undo: undefined, findings: without };
  const part = (node: string) => partOf(point, node);
  const pathsOf = (node: string): string[] => part(node).paths.map(({ path }) => path);
  const check = await checkBackup(
    store,
    nodes,
    pathsOf,
    { how: draft.how, purpose: 'backup', restoring: part },
    signal,
  );
  const scopes = nodes.map(({ name }) => ({
    name,
    paths: pathsOf(name),
    exclude: [],
    quiet: isQuiet(packageOn(draft.kept, name)?.manifest),
  }));
  const [first] = scopes;
  const all = scopes.find(({ name }) => name === cluster.primary) ?? first;
  const own = scopes.map(({ name, ...scope }): [string, PlanNodeBackup] => [
    name,
    { leaveOut: check.leaveOut[name] ?? [], bytes: check.bytes[name] ?? 0, own: scope },
  ]);
  const backup: PlanBackup = {
    reason: 'restore',
    before: point.id,
    paths: all?.paths ?? [],
    exclude: [],
    quiet: all?.quiet ?? false,
    nodes: Object.fromEntries(own),
  };
  const id = newPointId(cluster.name, new Date(wallClock()));
  return { undo: { id, backup }, findings: [...without, ...check.findings.map(asNoUndo)] };
}

/** A person does without, on all nodes or on some: told, and recorded with the run. */
function withoutUndo({ nodes, overrides }: UndoDraft): Finding[] {
  const message = 'what the restore replaces is not kept: nothing brings it back';
  const fix = advice`Leave \`--override ${NO_UNDO}\` out, and a restore point is made first.`;
  if (overrides.includes(NO_UNDO)) return [block(NO_UNDO, undefined, message, fix)];
  return nodes
    .filter(({ name }) => isOverridden(overrides, NO_UNDO, name))
    .map(({ name }) => block(NO_UNDO, name, message, fix));
}

/** What keeps the point from being made can be done without; the rest is told as it is. */
function asNoUndo(finding: Finding): Finding {
  if (finding.level === 'warn') return finding;
  const { node, message, fix } = finding;
  return {
    ...finding,
    code: NO_UNDO,
    message: `what the restore replaces cannot be kept: ${message} [${finding.code}]`,
    fix: advice`${fix} Or restore without a way back: \`--override ${node === undefined ? NO_UNDO : `${NO_UNDO}=${node}`}\`.`,
  };
}
