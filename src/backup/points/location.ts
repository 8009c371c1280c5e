import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { BackupLocation } from '../../cluster/model';
import { hasPassword, LOCATION_NAME } from '../../cluster/names';

/** The built-in location: a directory in the state directory of each node. It dies with the node. */
export const LOCAL_BACKUP = 'localbackup';
/** The address that stands for it in plans; nobody can add it. */
const LOCAL_BACKUP_URI = 'state:backups';

/** Where backups go, understood. */
export type Location =
  | {
      readonly kind: 'directory';
      readonly name: string;
      readonly uri: string;
      /** On each node; undefined: `backups` in its state directory. */
      readonly path: string | undefined;
    }
  | {
      readonly kind: 'sftp';
      readonly name: string;
      readonly uri: string;
      readonly user: string | undefined;
      readonly host: string;
      readonly port: number | undefined;
      /** Absolute, on the server. */
      readonly path: string;
    }
  | {
      readonly kind: 'restic';
      readonly name: string;
      readonly uri: string;
      /** As restic takes it with `-r`. */
      readonly repository: string;
    };

// eslint-disable-next-line no-control-regex -- they are what is refused
const CONTROLS = /[\u0000-\u001f\u007f]/;

/** Is this the word for "no backup"? In any case of letters. */
function isNone(name: string): boolean {
  return name.toLowerCase() === 'none';
}

/**
 * Checks the name of a new location.
 * @throws ClusterliftError `location-name`
 */
export function checkLocationName(name: string): void {
  if (isNone(name)) throw badName(name, 'it is the word for "no backup"');
  if (name === LOCAL_BACKUP) throw badName(name, 'it is built in');
  if (!LOCATION_NAME.test(name)) throw badName(name, 'letters, digits, ".", "_" and "-" are allowed, at most 63');
}

/**
 * Understands the address of a location.
 * @throws ClusterliftError `location-password`, `location-uri`
 */
export function parseLocation({ name, uri }: BackupLocation): Location {
  if (name === LOCAL_BACKUP && uri === LOCAL_BACKUP_URI) return { kind: 'directory', name, uri, path: undefined };
  if (hasPassword(uri)) throw password(name, uri);
  if (CONTROLS.test(uri) || /\s/.test(uri))
    throw badUri(name, 'it has spaces or control characters; write %20 for a space');
  if (uri.startsWith('file:')) return directory(name, uri);
  if (uri.startsWith('sftp:')) return sftp(name, uri);
  if (uri.startsWith('restic:')) return restic(name, uri);
  throw badUri(name, 'its beginning is not known');
}

/** The built-in location. */
export function localBackup(): Location {
  return parseLocation({ name: LOCAL_BACKUP, uri: LOCAL_BACKUP_URI });
}

/**
 * Finds a location by name among those of the file; `localbackup` is always there.
 * @throws ClusterliftError `location-unknown`, and those of `parseLocation`
 */
export function findLocation(name: string, locations: readonly BackupLocation[]): Location {
  if (name === LOCAL_BACKUP) return localBackup();
  const found = locations.find((each) => each.name === name);
  if (found) return parseLocation(found);
  throw new ClusterliftError({
    code: 'location-unknown',
    message: `There is no backup location "${name}"`,
    hint: advice`Known: ${[LOCAL_BACKUP, ...locations.map((each) => each.name)].join(', ')}. Add one with: \`clusterlift backup add ${name} <uri>\``,
    exit: ExitStatus.usage,
  });
}

function directory(name: string, uri: string): Location {
  if (!uri.startsWith('file:///')) throw badUri(name, 'a directory is written file:///path, with three slashes');
  return { kind: 'directory', name, uri, path: absolute(name, uri.slice('file://'.length)) };
}

function sftp(name: string, uri: string): Location {
  const parts = /^sftp:\/\/(?:([^@/]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^@/:[\]]+)(?::(\d{1,5}))?(\/.*)$/.exec(uri);
  if (!parts) throw badUri(name, 'a server is written sftp://user@host[:port]/path');
  const [, user, host = '', port, path = ''] = parts;
  if (user === '') throw badUri(name, 'the user before "@" is empty');
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) throw badUri(name, `${port} is no port`);
  if (host.startsWith('-') || user?.startsWith('-')) throw badUri(name, 'user and host cannot begin with "-"');
  return {
    kind: 'sftp',
    name,
    uri,
    user: user === undefined ? undefined : decode(name, user),
    host: host.replace(/^\[|\]$/g, ''),
    port: port === undefined ? undefined : Number(port),
    path: absolute(name, path),
  };
}

function restic(name: string, uri: string): Location {
  const repository = uri.slice('restic:'.length);
  if (repository === '' || repository.startsWith('-')) throw badUri(name, 'the restic repository is missing');
  const relative = !repository.startsWith('/') && !/^[a-z0-9]+:/.test(repository);
  if (relative) throw badUri(name, 'a restic repository on the node needs an absolute path');
  return { kind: 'restic', name, uri, repository };
}

function absolute(name: string, encoded: string): string {
  const path = decode(name, encoded).replace(/\/+$/, '');
  if (CONTROLS.test(path)) throw badUri(name, 'its path has control characters');
  if (path.split('/').some((part) => part === '.' || part === '..')) throw badUri(name, 'its path has "." or ".."');
  if (path.includes('//')) throw badUri(name, 'its path has an empty part');
  if (path === '') throw badUri(name, 'the root directory cannot be a backup location');
  return path;
}

function decode(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUri(name, 'a "%" must be followed by two hexadecimal digits; write %25 for the character itself');
  }
}

function badName(name: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'location-name',
    message: `"${name}" cannot name a backup location: ${why}`,
    hint: 'Choose another name.',
    exit: ExitStatus.usage,
  });
}

// The address is not shown: what is wrong with it may be a secret in the wrong place.
function badUri(name: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'location-uri',
    message: `The address of the backup location "${name}" is not understood: ${why}`,
    hint: 'Write file:///path, sftp://user@host[:port]/path or restic:<repository>.',
    exit: ExitStatus.usage,
  });
}

function password(name: string, uri: string): ClusterliftError {
  return new ClusterliftError({
    code: 'location-password',
    message: `The address of the backup location "${name}" contains a password; secrets are never kept in a file or shown`,
    hint: uri.startsWith('restic:')
      ? "Leave it out: the repository's password is asked for (unattended: CLUSTERLIFT_RESTIC_PASSWORD). What the repository's server wants " +
        'goes into restic.env in the state directory of each node (0600, lines such as RESTIC_REST_PASSWORD=…).'
      : 'Leave it out: use a key as for a node, or answer the prompt (unattended: CLUSTERLIFT_BACKUP_PASSWORD).',
    exit: ExitStatus.usage,
  });
}
