import type { Finding } from './paths';
import type { ProbedPath, Probe } from './probe';

/**
 * What a tar that opens by name what it has looked at cannot do safely, where others may write below a path: somebody could
 * exchange a file for a link in between. A restore that has to copy such a path is refused. Pure.
 */
export function looseFindings(node: string, probe: Probe, purpose: 'backup' | 'restore'): Finding[] {
  return probe.paths
    .filter((each) => each.loose)
    .map((each) => {
      const refused = purpose === 'restore' && isCopied(each, probe);
      const message = refused
        ? `${each.path} has to be copied in a restore, others may write below it, and the tar of busybox follows a link that they put there meanwhile`
        : `others may write below ${each.path}: the tar of busybox could be led to read another file of the node into the restore point`;
      const fix = 'Install GNU tar there (package `tar`).';
      return { code: 'tar-follows', level: refused ? 'block' : 'warn', node, path: each.path, message, fix };
    });
}

/** Does a restore keep the old one as a copy? Directories in the lower layer of an overlay cannot be renamed. */
export function isCopied({ stage, device }: ProbedPath, { mounts }: Pick<Probe, 'mounts'>): boolean {
  return stage === undefined || mounts.get(device) === 'overlay';
}
