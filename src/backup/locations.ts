import type { ReadCode } from '../base/catalogue';
import { mapLimit } from '../base/async';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import type { BackupLocation } from '../cluster/model';
import { checkLocationName, LOCAL_BACKUP, localBackup, parseLocation } from './points/location';
import { asFinding } from './lifecycle';
import { openStore, type StoreSite } from './open';
import type { BackupNode, LocationReport } from './points/store';

/** What `backup list` tells of a location. */
export interface LocationSummary {
  readonly name: string;
  readonly uri: string;
  /** What is wrong with it, for whom; empty: it can be reached and written. */
  readonly problems: readonly {
    readonly node: string | undefined;
    readonly code: ReadCode;
    readonly message: string;
    readonly fix: string;
  }[];
  /** Bytes where there is least; undefined where it cannot be found out. */
  readonly free: number | undefined;
  /** Of all clusters; undefined: it cannot be asked. */
  readonly points: number | undefined;
  /** The built-in one dies with its node. */
  readonly diesWithNode: boolean;
}

const LOCATIONS_AT_ONCE = 4;

/**
 * Checks a new location before it is written down: name, address, and that it can be reached and written from everywhere.
 * Makes what is missing there (a directory, a restic repository).
 * @throws ClusterliftError `location-name`, `location-uri`, `location-password`, and whatever keeps a node from it
 */
export async function addLocation(
  location: BackupLocation,
  site: StoreSite,
  nodes: readonly BackupNode[],
  signal?: AbortSignal,
): Promise<LocationReport[]> {
  checkLocationName(location.name);
  const results = await openStore(parseLocation(location), site).check(nodes, 'create', signal);
  return results.map((each) => {
    if (each.status === 'rejected') throw asRefusal(each.reason);
    return each.value;
  });
}

/** In the middle of a run it is a failure; here it is a check. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof ClusterliftError) || error.exit !== ExitStatus.failed) return error;
  return new ClusterliftError({ ...error.detail(), exit: ExitStatus.refused });
}

/** Looks at all locations, the built-in one first; one that is away is told as such. */
export async function listLocations(
  locations: readonly BackupLocation[],
  site: StoreSite,
  nodes: readonly BackupNode[],
  signal?: AbortSignal,
): Promise<LocationSummary[]> {
  const all = [{ name: LOCAL_BACKUP, uri: localBackup().uri }, ...locations];
  const results = await mapLimit(all, LOCATIONS_AT_ONCE, (each) => summary(each, site, nodes, signal));
  return results.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
}

async function summary(
  { name, uri }: BackupLocation,
  site: StoreSite,
  nodes: readonly BackupNode[],
  signal?: AbortSignal,
): Promise<LocationSummary> {
  const nothing = { name, uri, diesWithNode: name === LOCAL_BACKUP, free: undefined, points: undefined };
  try {
    const store = openStore(parseLocation({ name, uri }), site);
    const reports = await store.check(nodes, 'look', signal);
    const problems = reports.flatMap((each, index) =>
      each.status === 'rejected'
        ? [problem(each.reason, store.location.kind === 'sftp' ? undefined : nodes[index]?.name)]
        : [],
    );
    const free = reports.flatMap((each) =>
      each.status === 'fulfilled' && each.value.free !== undefined ? [each.value.free] : [],
    );
    const points = await store.listPoints(nodes, signal).catch(() => undefined);
    return { ...nothing, problems, free: free.length > 0 ? Math.min(...free) : undefined, points: points?.length };
  } catch (error) {
    signal?.throwIfAborted();
    return { ...nothing, problems: [problem(error, undefined)] };
  }
}

function problem(error: unknown, node: string | undefined): LocationSummary['problems'][number] {
  if (!(error instanceof ClusterliftError)) return { node, code: 'internal', message: messageOf(error), fix: '' };
  const { code, message, fix } = asFinding(error, node, undefined);
  return { node, code, message, fix };
}
