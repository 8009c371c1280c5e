import { stat } from 'node:fs/promises';
import { dirname, join, posix, resolve, win32 } from 'node:path';
import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { advice } from '../base/shell';
import { didYouMean } from '../base/suggest';
import type { Cluster, ClustersFile } from './model';

export interface FindRequest {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** `--config FILE` */
  readonly config?: string | undefined;
}

/** The user's own file, whether it exists or not: under $XDG_CONFIG_HOME, else ~/.config; on Windows under %APPDATA%. */
export function userClustersPath({ env, platform }: Pick<FindRequest, 'env' | 'platform'>): string | undefined {
  if (platform === 'win32') {
    const base = env['APPDATA'];
    return base ? win32.join(base, 'clusterlift', 'clusters.json') : undefined;
  }
  // A relative XDG_CONFIG_HOME is to be ignored (XDG Base Directory Specification).
  const xdg = env['XDG_CONFIG_HOME'];
  const base = xdg?.startsWith('/') ? xdg : env['HOME'] && posix.join(env['HOME'], '.config');
  return base ? posix.join(base, 'clusterlift', 'clusters.json') : undefined;
}

export interface FoundClusters {
  readonly path: string;
  /** `found`: nobody named it, it lies in the folder that we stand in or above. Such a file may come with a clone. */
  readonly by: 'named' | 'found' | 'own';
}

/**
 * Which clusters.json counts: `--config`, else the nearest `.vscode/clusters.json` upwards, else the user's own.
 * @throws `config-missing` when there is none; `config-foreign` when the nearest one belongs to somebody else
 */
export async function findClustersFile(request: FindRequest): Promise<FoundClusters> {
  const { cwd, config } = request;
  if (config !== undefined) {
    const path = resolve(cwd, config);
    if (await isFile(path)) return { path, by: 'named' };
    throw missing(`there is no file ${path}`, 'Correct the path after --config.');
  }
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = join(folder, '.vscode', 'clusters.json');
    if ((await isFile(path)) && (await mayCount(folder, path, request.env))) return { path, by: 'found' };
    if (dirname(folder) === folder) break;
  }
  const own = userClustersPath(request);
  if (own !== undefined && (await isFile(own))) return { path: own, by: 'own' };
  const places = own === undefined ? '' : ` and no ${own}`;
  throw missing(
    `there is no .vscode/clusters.json in ${cwd} or above it${places}`,
    'Create .vscode/clusters.json: { "clusters": { "staging": { "nodes": [{ "name": "node1", "host": "10.0.0.11" }] } } }',
  );
}

function missing(message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code: 'config-missing', message, hint, exit: ExitStatus.usage });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}

/**
 * What somebody else wrote does not decide what we upgrade, as git and direnv do it. In a folder where everyone may create
 * files (/tmp) such a file is passed by; else it is refused, so that nobody takes another file for it.
 */
async function mayCount(folder: string, path: string, env: FindRequest['env']): Promise<boolean> {
  const uid = process.getuid?.();
  if (uid === undefined) return true;
  // Under sudo, the files of the person who called it are theirs.
  const caller = uid === 0 && /^\d+$/.test(env['SUDO_UID'] ?? '') ? Number(env['SUDO_UID']) : uid;
  const ours = new Set([uid, 0, caller]);
  const stats = await Promise.all(
    [folder, dirname(path), path].map(async (each) => ({ each, ...(await owner(each)) })),
  );
  const foreign = stats.find((each) => !ours.has(each.uid));
  if (!foreign) return true;
  if (stats.some(({ each, everyone }) => each === folder && everyone)) return false;
  throw new ClusterliftError({
    code: 'config-foreign',
    message: `${foreign.each} belongs to another user (uid ${String(foreign.uid)}), so ${path} is not used by itself`,
    hint: advice`Read the file; if it may decide what is changed, name it: \`--config ${path}\``,
    exit: ExitStatus.usage,
  });
}

async function owner(path: string): Promise<{ readonly uid: number; readonly everyone: boolean }> {
  const { uid, mode } = await stat(path);
  return { uid, everyone: (mode & 0o002) !== 0 };
}

/**
 * The cluster that is meant: the named one, or the only one.
 * @throws `cluster-unknown`, `cluster-ambiguous`
 */
export function chooseCluster(file: ClustersFile, name?: string): Cluster {
  const names = file.clusters.map((cluster) => cluster.name);
  const known = names.slice(0, 20).join(', ');
  if (name !== undefined) {
    const cluster = file.clusters.find((each) => each.name === name);
    if (cluster) return cluster;
    const others = names.length > 0 ? `Clusters there: ${known}.` : 'Add it to the file.';
    throw wrongCluster(
      'cluster-unknown',
      `there is no cluster "${name}" in ${file.path}`,
      didYouMean(name, names, others),
    );
  }
  const [only, ...more] = file.clusters;
  if (!only) throw wrongCluster('cluster-unknown', `there is no cluster in ${file.path}`, 'Add one under "clusters".');
  if (more.length > 0) {
    throw wrongCluster(
      'cluster-ambiguous',
      `there are ${String(names.length)} clusters in ${file.path}`,
      `Choose one with --cluster NAME: ${known}.`,
    );
  }
  return only;
}

function wrongCluster(code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.usage });
}
