import { formatSize } from '../base/units';
import { isCopied } from './loose';
import type { Finding } from './paths';
import type { Part } from './points/point';
import type { Probe } from './probe';
import type { LocationReport } from './points/store';

/** Is there room? Pure. Archives are compressed, but what does not compress must fit as well. */

export interface NodeNeed {
  readonly node: string;
  readonly probe: Probe;
}

/** Room for the parts in the location. */
export function backupSpace(
  needs: readonly NodeNeed[],
  reports: readonly LocationReport[],
  location: string,
): Finding[] {
  const bytesOf = ({ probe }: NodeNeed): number => probe.paths.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  const shared = reports.find((each) => each.node === undefined);
  if (shared) {
    const total = needs.reduce((sum, each) => sum + bytesOf(each), 0);
    return tooLittle(undefined, location, total, shared.free, 'backup-space');
  }
  return needs.flatMap((need) => {
    const free = reports.find((each) => each.node === need.node)?.free;
    return tooLittle(need.node, location, bytesOf(need), free, 'backup-space');
  });
}

/** Room for old and new side by side: the old one takes none where it is renamed, and as much again where it must be copied. */
export function restoreSpace({ node, probe }: NodeNeed, part: Part): Finding[] {
  return [...restoreNeeds(probe, part)].flatMap(([device, { free, needed }]) =>
    tooLittle(node, device, needed, free, 'restore-space'),
  );
}

/** Room for a restore where the archive of what it replaces takes some of the same file system first. */
export function undoSpace({ node, probe }: NodeNeed, part: Part): Finding[] {
  const { location, real } = probe.facts;
  if (location === undefined) return [];
  const device = mountOf(real[location] ?? location, probe);
  const need = restoreNeeds(probe, part).get(device);
  if (!need) return [];
  const archive = probe.paths.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  return tooLittle(node, device, archive + need.needed, need.free, 'backup-space');
}

/** By mount point: what is free, and what a restore needs there. */
function restoreNeeds(probe: Probe, part: Part): Map<string, { readonly free: number; readonly needed: number }> {
  const devices = new Map<string, { free: number; copies: number }>();
  for (const each of probe.paths) {
    const known = devices.get(each.device) ?? { free: each.free, copies: 0 };
    const copied = each.stage !== undefined && isCopied(each, probe) ? (each.bytes ?? 0) : 0;
    devices.set(each.device, { free: each.free, copies: known.copies + copied });
  }
  const kept = probe.paths.filter(({ stage }) => stage === undefined);
  if (kept.length > 0) {
    const { device, free } = probe.state;
    const known = devices.get(device) ?? { free, copies: 0 };
    const old = kept.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
    devices.set(device, { free: Math.min(known.free, free), copies: known.copies + old });
  }
  // How the part's size is spread over several file systems is not known: each must be able to take it all.
  return new Map([...devices].map(([device, { free, copies }]) => [device, { free, needed: part.treeBytes + copies }]));
}

/** The mount point that a path lies under. */
function mountOf(path: string, { mounts }: Pick<Probe, 'mounts'>): string {
  const above = [...mounts.keys()].filter((at) => at === '/' || path === at || path.startsWith(`${at}/`));
  return above.reduce((deepest, at) => (at.length > deepest.length ? at : deepest), '/');
}

/** Room in the state directory for old and new of the paths that have nowhere else to be kept: as much twice as they take now. */
export function rollbackSpace({ node, probe }: NodeNeed): Finding[] {
  const kept = probe.paths.filter(({ stage, unsafe }) => stage === undefined && unsafe === undefined);
  const needed = 2 * kept.reduce((sum, each) => sum + (each.bytes ?? 0), 0);
  return tooLittle(node, probe.state.device, needed, probe.state.free, 'restore-space').map((each) => ({
    ...each,
    message: `${each.message} for a rollback: ${kept.map(({ path }) => path).join(', ')} can only be kept in the state directory meanwhile`,
    fix: 'Make room there, or let root own the top directory of that file system (`chown root`, `chmod go-w`).',
  }));
}

function tooLittle(
  node: string | undefined,
  path: string,
  needed: number,
  free: number | undefined,
  code: 'backup-space' | 'restore-space',
): Finding[] {
  if (free === undefined || free >= needed) return [];
  return [
    {
      code,
      level: 'block',
      node,
      path,
      message: `${path} has ${formatSize(free)} free, and ${formatSize(needed)} are needed`,
      fix: code === 'backup-space' ? 'Make room: clusterlift backup clean <location> keep <n>' : 'Make room there.',
    },
  ];
}
