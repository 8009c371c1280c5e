import { formatSize } from '../base/units';
import type { Finding } from './paths';
import type { Part } from './point';
import type { Probe } from './probe';
import type { LocationReport } from './store';

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
  const devices = new Map<string, { free: number; copies: number }>();
  for (const each of probe.paths) {
    const known = devices.get(each.device) ?? { free: each.free, copies: 0 };
    const copied = probe.mounts.get(each.device) === 'overlay' ? (each.bytes ?? 0) : 0;
    devices.set(each.device, { free: each.free, copies: known.copies + copied });
  }
  // How the part's size is spread over several file systems is not known: each must be able to take it all.
  return [...devices].flatMap(([device, { free, copies }]) =>
    tooLittle(node, device, part.treeBytes + copies, free, 'restore-space'),
  );
}

function tooLittle(
  node: string | undefined,
  path: string,
  needed: number,
  free: number | undefined,
  code: string,
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
