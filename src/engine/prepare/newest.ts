import { basename } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { openPackage } from '../../package/inspect';
import { chooseNewest, digestsNeeded, type Candidate, type Installed } from '../../package/newest';
import type { Cluster } from '../../cluster/model';
import type { NodeConnection } from '../../ssh/connection';
import { digestOnNode, listPackages, ownersOf, type FileOnNode, type Owners } from '../node/packages';

export interface NewestRequest {
  readonly cluster: Cluster;
  readonly signal: AbortSignal;
  installed(): Promise<Installed | undefined>;
}

/** The package that is taken because nobody named one. */
export interface Newest {
  /** Without links. */
  readonly path: string;
  /** For people: why this one. */
  readonly reason: string;
  /** Whose file it is. */
  readonly word: { readonly user: string };
  readonly mustBeSigned: boolean;
}

/**
 * Chooses the newest image in the package directories of the primary. Reads what each says about itself, without
 * fetching any of them. A writer there decides what runs on all nodes, so only the login user or root may write.
 * @throws ClusterliftError of `chooseNewest`, `package-writable`
 */
export async function newestOn(connection: NodeConnection, request: NewestRequest): Promise<Newest> {
  const { cluster, signal } = request;
  const mustBeSigned = cluster.upgrade.trustedSigners.length > 0;
  const files = await listPackages(connection, cluster.packageDirs, signal);
  const installed = await request.installed();
  let candidates = await Promise.all(files.map((file) => candidateOf(connection, file, request, mustBeSigned)));
  const unsure = new Set(digestsNeeded(candidates, installed).map((each) => each.path));
  candidates = await Promise.all(
    candidates.map(async (each) =>
      unsure.has(each.path) ? { ...each, sha256: await digestOnNode(connection, each.path, signal) } : each,
    ),
  );
  const { candidate, reason } = chooseNewest(candidates, installed);
  const owners = await ownersOf(connection, candidate.path, signal);
  const other = writableBy(owners);
  if (other !== undefined) throw writable(connection.node, owners.path, other);
  return { path: owners.path, reason, word: { user: owners.owner }, mustBeSigned };
}

async function candidateOf(
  connection: NodeConnection,
  file: FileOnNode,
  { cluster, signal }: NewestRequest,
  mustBeSigned: boolean,
): Promise<Candidate> {
  try {
    const reader = await connection.openReader(file.path, signal);
    try {
      const { info } = await openPackage(reader, { name: basename(file.path), recipe: cluster.recipe });
      if (mustBeSigned && !(info.hasSums && info.hasSignature)) throw unsigned(file.path);
      return { ...file, read: { product: info.product, version: info.version } };
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof ClusterliftError && error.exit === ExitStatus.refused && error.node === undefined) {
      return { ...file, read: { error } };
    }
    throw error;
  }
}

/**
 * Who else could exchange the file. The file and its directory must be writable by the login user and root alone; above,
 * a directory where only owners remove their files (such as /tmp) will do.
 * @returns undefined: nobody
 */
export function writableBy({ login, privateGroup, parts }: Owners): string | undefined {
  for (const [index, { mode, uid, gid, path }] of parts.entries()) {
    if (uid !== 0 && uid !== login) return `${path} belongs to another user (uid ${String(uid)})`;
    const sticky = index > 1 && /[tT]$/.test(mode.slice(0, 10));
    if (sticky) continue;
    if (mode[8] === 'w') return `everybody may write ${path}`;
    if (mode[5] === 'w' && !(gid === privateGroup && uid === login)) return `a group may write ${path}`;
  }
  return undefined;
}

function writable(node: string, path: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'package-writable',
    message: `${path} on ${node} is the newest package there, but others than the login user and root can change it: ${why}`,
    hint: `Check the package, then name it: \`clusterlift upgrade node:…\`; or let only the login user write there (\`chmod go-w\`).`,
    exit: ExitStatus.refused,
    node,
  });
}

function unsigned(path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'signature-missing',
    message: `${path} is not signed, and this cluster has trustedSigners`,
    hint: 'Get a signed package from its publisher, or name the package.',
    exit: ExitStatus.refused,
  });
}
