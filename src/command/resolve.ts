import { advice } from '../base/shell';
import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { overriddenNode } from '../base/overrides';
import { didYouMean } from '../base/suggest';
import type { Cluster, ClustersFile, Mode, NodeModel, OnFailure } from '../cluster/model';
import type { Command, Options, UpgradeCommand } from './command';

/** Milliseconds; `--give-up`. */
export const GIVE_UP = 2 * 60 * 60 * 1000;

/** What a manifest has to say about how it wants to be installed. */
export interface ManifestDefaults {
  readonly roles?: readonly string[] | undefined;
  /** Milliseconds. */
  readonly healthStable?: number | undefined;
}

/** How an upgrade is done, after command line, clusters.json and manifest were merged, in that order. */
export interface ResolvedUpgrade {
  readonly mode: Mode;
  /** Name of a location that exists, or `none`. */
  readonly backup: string;
  /** Undefined: all at once, or one at a time when serial. */
  readonly batch: readonly string[] | undefined;
  readonly maxFailures: string;
  readonly onFailure: OnFailure;
  /** Milliseconds. */
  readonly healthStable: number;
  readonly roleOrder: readonly string[] | undefined;
  /** Bytes a second over all nodes; undefined: no limit. */
  readonly limitRate: number | undefined;
  /** Milliseconds. */
  readonly giveUp: number;
  readonly fetch: 'here' | 'primary';
  readonly distribution: 'auto' | 'direct' | 'relay';
  readonly sha256: string | undefined;
  readonly overrides: readonly string[];
  readonly dryRun: boolean;
}

/**
 * Merges the options of an upgrade: command line beats clusters.json beats manifest.
 * @throws `rollback-needs-backup`, `usage-unknown-location`
 */
export function resolveUpgrade(
  command: UpgradeCommand,
  cluster: Cluster,
  file: ClustersFile,
  manifest: ManifestDefaults = {},
): ResolvedUpgrade {
  const { options } = command;
  const config = cluster.upgrade;
  const backup = command.backup ?? config.backup;
  if (backup !== 'none') checkLocation(backup, file);
  const onFailure = options.onFailure ?? config.onFailure;
  if (onFailure === 'rollback' && backup === 'none') throw rollbackNeedsBackup(file);
  return {
    ...modeOf(command, cluster),
    backup,
    maxFailures: options.maxFailures ?? config.maxFailures,
    onFailure,
    healthStable: config.healthStable ?? manifest.healthStable ?? 0,
    roleOrder: cluster.roleOrder ?? manifest.roles,
    limitRate: options.limitRate,
    giveUp: options.giveUp ?? GIVE_UP,
    fetch: options.fetch ?? 'here',
    distribution: options.distribution ?? 'auto',
    sha256: options.sha256,
    overrides: options.override ?? [],
    dryRun: options.dryRun ?? false,
  };
}

/** A batch of clusters.json ramps a fast upgrade, also when `fast` is said; `serial` beats it; `--batch` beats a serial of clusters.json. */
function modeOf({ mode, options }: UpgradeCommand, cluster: Cluster): Pick<ResolvedUpgrade, 'mode' | 'batch'> {
  if (options.batch) return { mode: 'fast', batch: options.batch };
  const resolved = mode ?? cluster.upgrade.mode;
  return { mode: resolved, batch: resolved === 'serial' ? undefined : cluster.upgrade.batch };
}

/** @throws `usage-unknown-location` */
function checkLocation(location: string, file: ClustersFile): void {
  const known = ['localbackup', ...file.locations.map((each) => each.name)];
  if (known.includes(location)) return;
  const others = advice`Locations: ${known.slice(0, 20).join(', ')}. Add one with: \`clusterlift backup add ${location} <uri>\``;
  throw wrong(
    'usage-unknown-location',
    `there is no backup location "${location}"`,
    didYouMean(location, known, others),
  );
}

function rollbackNeedsBackup(file: ClustersFile): ClusterliftError {
  const example = file.locations[0]?.name ?? 'localbackup';
  return wrong(
    'rollback-needs-backup',
    'without a backup there is nothing to roll back to',
    `Add "backup ${example}" to the command, or use --on-failure stop or continue.`,
  );
}

/**
 * The nodes that a command is for: those of `--nodes`, in the order of the file, else all.
 * @throws `usage-unknown-node`
 */
export function selectNodes(cluster: Cluster, options: Options): readonly NodeModel[] {
  checkNodes(
    cluster,
    (options.override ?? []).map(overriddenNode).filter((node) => node !== undefined),
  );
  const { nodes } = options;
  if (!nodes) return cluster.nodes;
  checkNodes(cluster, nodes);
  return cluster.nodes.filter((node) => nodes.includes(node.name));
}

function checkNodes(cluster: Cluster, nodes: readonly string[]): void {
  const known = cluster.nodes.map((node) => node.name);
  for (const node of nodes) {
    if (known.includes(node)) continue;
    const hint = didYouMean(node, known, `Nodes: ${known.slice(0, 20).join(', ')}.`);
    throw wrong('usage-unknown-node', `the cluster "${cluster.name}" has no node "${node}"`, hint);
  }
}

/**
 * The confirmation that a production cluster wants: its name, typed or with `--confirm`. A wrong name is refused at once.
 * @returns has the name been given?
 * @throws `usage-wrong-confirmation`
 */
export function isConfirmed(command: Command, cluster: Cluster): boolean {
  const { confirm, yes } = command.options;
  if (confirm !== undefined && confirm !== cluster.name) {
    const message = `--confirm names "${confirm}", but the cluster is "${cluster.name}"`;
    throw wrong('usage-wrong-confirmation', message, 'Look again which cluster is meant.');
  }
  return confirm === cluster.name || (yes === true && !cluster.production);
}

function wrong(code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.usage });
}
