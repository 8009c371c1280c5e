import { line } from '../../base/text';
import type { NodeConnection } from '../../ssh/connection';
import { broken, type Entries } from '../../ssh/exec/script';
import { ask } from './ask';
import text from './packages.sh';

/** A file that may be a package, on a node. The path is foreign text. */
export interface FileOnNode {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
}

/** Hashing gigabytes on a slow disk. Milliseconds. */
const LONG = 2 * 3_600_000;

/**
 * Images in these directories of a node (`~` is the login user's).
 * @throws ClusterliftError `packages-many` above 200: the newest might be one that was not looked at
 */
export async function listPackages(
  connection: NodeConnection,
  dirs: readonly string[],
  signal?: AbortSignal,
): Promise<FileOnNode[]> {
  const entries = await ask(connection, { text, args: ['list', ...dirs], as: 'login', ...(signal ? { signal } : {}) });
  return filesOf(entries, connection.node);
}

/** A file by its absolute path, or by its name in these directories; undefined: there is none. */
export async function findPackage(
  connection: NodeConnection,
  name: string,
  dirs: readonly string[],
  signal?: AbortSignal,
): Promise<FileOnNode | undefined> {
  const entries = await ask(connection, {
    text,
    args: ['find', name, ...dirs],
    as: 'login',
    ...(signal ? { signal } : {}),
  });
  return filesOf(entries, connection.node)[0];
}

/** sha256 of a file on a node, in hex, computed there. */
export async function digestOnNode(connection: NodeConnection, path: string, signal?: AbortSignal): Promise<string> {
  const entries = await ask(connection, {
    text,
    args: ['digest', path],
    as: 'login',
    timeout: LONG,
    ...(signal ? { signal } : {}),
  });
  const digest = entries.required('digest');
  if (!/^[0-9a-f]{64}$/.test(digest)) throw broken(connection.node, 'a digest is none');
  return digest;
}

/** Who can change a file on a node, as the login user sees it. */
export interface Owners {
  /** Without links. */
  readonly path: string;
  /** Name of the file's owner. */
  readonly owner: string;
  /** uid of the login user. */
  readonly login: number;
  /** The group of the login user, where nobody else is in it. */
  readonly privateGroup: number | undefined;
  /** The file, its directory, and so on up to `/`. */
  readonly parts: readonly {
    /** As `ls -l` shows it: `-rw-r--r--`. */
    readonly mode: string;
    readonly uid: number;
    readonly gid: number;
    readonly path: string;
  }[];
}

/** @throws ClusterliftError `stage-source` where there is no such file */
export async function ownersOf(connection: NodeConnection, path: string, signal?: AbortSignal): Promise<Owners> {
  const entries = await ask(connection, { text, args: ['owners', path], as: 'login', ...(signal ? { signal } : {}) });
  const parts = entries.all('part').map((told) => {
    const match = /^([-dlbcps][-rwxsStT]{9}\S?) (\d{1,10}) (\d{1,10}) ([\s\S]+)$/.exec(told);
    if (!match) throw broken(connection.node, 'a file has no owner');
    return { mode: match[1] ?? '', uid: Number(match[2]), gid: Number(match[3]), path: match[4] ?? '' };
  });
  const group = entries.text('private-group');
  return {
    path: entries.required('path'),
    owner: line(entries.text('owner') ?? '', 100),
    login: entries.number('uid'),
    privateGroup: group === undefined ? undefined : Number(group),
    parts,
  };
}

function filesOf(entries: Entries, node: string): FileOnNode[] {
  return entries.all('file').map((told) => {
    const match = /^(\d{1,15}) (\d{1,12}) ([\s\S]+)$/.exec(told);
    if (!match) throw broken(node, 'a file has no size');
    return { path: match[3] ?? '', size: Number(match[1]), mtime: Number(match[2]) * 1000 };
  });
}
