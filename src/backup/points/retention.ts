import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { ListedPoint } from './store';

/** What `backup clean <location> keep <n>` may remove. Pure. */

export interface CleanPlan {
  /** Oldest first. */
  readonly remove: readonly ListedPoint[];
  readonly keep: readonly { readonly point: ListedPoint; readonly why: string }[];
}

/** What runs use that are not over. */
export interface PointsInUse {
  /** Ids that they name. */
  readonly used: ReadonlySet<string>;
  /** The runs: what they made is theirs, too. */
  readonly runs: ReadonlySet<string>;
}

/** Of the restores whose points are made first, the newest so many keep them. `keep n` does not count them. */
const KEEP_BEFORE_RESTORE = 3;

/** A point without point.json may be one that is being made from another machine. */
const MAY_BE_MAKING = 24 * 3_600_000;

/**
 * Keeps the newest `keep` usable backups of a cluster, whatever an open run refers to, the last verified one, and whatever
 * cannot be judged because a node is away. The points of one run are one backup: single nodes may have newer parts. Broken points do not count, and go when something usable is kept. Points that were made before a restore
 * are counted by themselves.
 * @param keep at least 1
 * @throws ClusterliftError `keep-number`
 */
export function planClean(
  points: readonly ListedPoint[],
  options: PointsInUse & { readonly cluster: string; readonly keep: number; readonly now: Date },
): CleanPlan {
  const { cluster, keep, used, runs, now } = options;
  if (!Number.isInteger(keep) || keep < 1) throw badNumber(keep);
  const newestFirst = points.filter((each) => each.cluster === cluster).sort((a, b) => (a.id < b.id ? 1 : -1));
  const isUndo = ({ point }: ListedPoint): boolean => point?.reason === 'restore';
  const lastVerified = newestFirst.find((each) => each.state.kind === 'verified' && !isUndo(each));
  const kept: { point: ListedPoint; why: string }[] = [];
  const remove: ListedPoint[] = [];
  // By backup: how many newer ones of its kind there are, and itself.
  const ranks = { backup: new Map<string, number>(), undo: new Map<string, number>() };
  const rankOf = (each: ListedPoint): Map<string, number> => (isUndo(each) ? ranks.undo : ranks.backup);
  const backupOf = ({ id, point }: ListedPoint): string => point?.run ?? id;
  const reason = (point: ListedPoint): string | undefined => {
    if (used.has(point.id) || runs.has(point.point?.run ?? '')) return 'an open run refers to it';
    switch (point.state.kind) {
      case 'verified':
      case 'complete':
        if (isUndo(point)) {
          const recent = (ranks.undo.get(backupOf(point)) ?? 0) <= KEEP_BEFORE_RESTORE;
          return recent ? `it was made before one of the last ${KEEP_BEFORE_RESTORE} restores` : undefined;
        }
        if ((ranks.backup.get(backupOf(point)) ?? 0) <= keep) return `it is one of the last ${keep}`;
        return lastVerified && backupOf(point) === backupOf(lastVerified) ? 'it is the last verified one' : undefined;
      case 'incomplete':
        return `${point.state.nodes.join(', ')} cannot be asked`;
      case 'creating':
        return now.getTime() - Date.parse(point.created) < MAY_BE_MAKING ? 'it may be in the making' : undefined;
      case 'broken':
        return lastVerified === undefined ? 'it is broken, but no verified one is there' : undefined;
    }
  };
  for (const point of newestFirst) {
    const usable = point.state.kind === 'verified' || point.state.kind === 'complete';
    const rank = rankOf(point);
    if (usable && !rank.has(backupOf(point))) rank.set(backupOf(point), rank.size + 1);
    const why = reason(point);
    if (why === undefined) remove.unshift(point);
    else kept.unshift({ point, why });
  }
  return { remove, keep: kept };
}

function badNumber(keep: number): ClusterliftError {
  return new ClusterliftError({
    code: 'keep-number',
    message: `${keep} is no number of restore points to keep`,
    hint: 'Keep at least one: clusterlift backup clean <location> keep 3',
    exit: ExitStatus.usage,
  });
}
