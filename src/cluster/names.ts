/** What names and addresses may look like; for clusters.json and the command line alike. */

/** Names end up in file names and unit names on the nodes, so they are plain: no spaces, slashes, commas or `=`. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** `None` in any case and the built-in location cannot be added. */
export const LOCATION_NAME = /^(?![nN][oO][nN][eE]$)(?!localbackup$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const LOCATION_URI = /^(?:file:\/\/\/|sftp:\/\/|restic:)\S+$/;

/** Is this a complete address of a backup location? */
export function isLocationUri(uri: string): boolean {
  if (/\/\.\.?(?:\/|$)/.test(uri) || !LOCATION_URI.test(uri)) return false;
  return !uri.startsWith('sftp:') || (/^sftp:\/\/(?:[^@/]+@)?[A-Za-z0-9_[][^@/]*\/./.test(uri) && URL.canParse(uri));
}

/** `scheme://user:password@`; a port (`host:22/a@b`) is none. */
const PASSWORD_IN_URI = /:\/\/[^/@\s:]{0,200}:(?!\d{0,5}(?:\/|$))[^@\s]{0,500}@/;

export function hasPassword(uri: string): boolean {
  return PASSWORD_IN_URI.test(uri);
}
