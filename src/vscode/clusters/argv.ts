import { dirname } from 'node:path';
import type { Command, Options } from '../../command/command';
import { wholeArgv } from '../../command/format';
import { commandSpec } from '../../command/grammar';
import type { ClusterRef } from './model';

/** Options that name the cluster; its file only where the folder alone does not say it. */
export function optionsFor({ cluster, folder, file }: ClusterRef): Pick<Options, 'cluster' | 'config'> {
  return folder ? { cluster: cluster.name } : { cluster: cluster.name, config: file.path };
}

/** The same command, for a cluster. */
export function forCluster<T extends Command>(command: T, ref: ClusterRef): T {
  return { ...command, options: { ...command.options, ...optionsFor(ref) } };
}

/** Does the command change nothing, so that the service answers it? */
export function looksOnly(command: Command): boolean {
  return !commandSpec(command.kind).changes || command.options.dryRun === true;
}

/** The words of a command for a cluster, for the service: not to be shown. */
export function argvFor(command: Command, ref: ClusterRef): string[] {
  return wholeArgv(forCluster(command, ref));
}

/** Where relative paths of a command are meant. */
export function cwdOf({ folder, file }: ClusterRef): string {
  return folder?.uri.fsPath ?? dirname(file.path);
}
