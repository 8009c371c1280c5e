import { line } from '../../base/text';
import { unsafePath } from './errors';

/** Longest name, and longest path from the root, in bytes of UTF-8: what Linux takes. */
const MOST_NAME = 255;
const MOST_PATH = 4000;
/** Directories inside each other. */
const MOST_DEPTH = 128;

// eslint-disable-next-line no-control-regex -- control characters are the subject here
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Puts a name below a directory. Refuses everything but a single, ordinary name. */
export function childPath(parent: string, name: string): string {
  const bad = name === '' || name === '.' || name === '..' || name.includes('/') || CONTROL.test(name);
  if (bad || Buffer.byteLength(name) > MOST_NAME) throw unsafePath(`“${line(name, 80)}” in “/${line(parent, 80)}”`);
  const path = parent === '' ? name : `${parent}/${name}`;
  if (Buffer.byteLength(path) > MOST_PATH || path.split('/').length > MOST_DEPTH) {
    throw unsafePath(`“/${line(path, 80)}” is too long or too deep`);
  }
  return path;
}

/**
 * Refuses a link that could lead out of the image's root.
 *
 * `..` may only come first, and not more often than the link is deep: then it climbs real directories of the image,
 * and what follows climbs no more, also when it goes through further links (each of which obeys the same rule).
 */
export function checkTarget(path: string, target: string): void {
  const parts = target.split('/');
  const up = parts.findIndex((each) => each !== '..' && each !== '.');
  const lead = up === -1 ? parts : parts.slice(0, up);
  const climbs = lead.filter((each) => each === '..').length;
  const inside =
    target !== '' &&
    !target.startsWith('/') &&
    !CONTROL.test(target) &&
    Buffer.byteLength(target) <= MOST_PATH &&
    climbs < path.split('/').length &&
    !parts.slice(lead.length).includes('..');
  if (!inside) throw unsafePath(`the link “/${line(path, 80)}” → “${line(target, 80)}”`);
}
