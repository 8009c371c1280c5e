import type { Location } from './points/location';
import type { Finding } from './paths';

/**
 * Patterns of `exclude` that leave out a named path as a whole: a point without it would be made, and found broken only when
 * it is read back. Pure.
 */
export function excludedPaths(paths: readonly string[], exclude: readonly string[], kind: Location['kind']): Finding[] {
  return paths.flatMap((path) => {
    const pattern = exclude.find((each) => each !== '' && leavesOut(each, path, kind));
    return pattern === undefined ? [] : [finding(path, pattern)];
  });
}

/** A pattern that names a directory leaves out all that lies in it; a relative one may match at any depth. */
function leavesOut(pattern: string, path: string, kind: Location['kind']): boolean {
  // Archives name their members ./opt/app (stores/directory.ts).
  const root = kind === 'restic' ? '' : '.';
  return matches(tokensOf(pattern.replace(/^\//, `${root}/`), kind === 'restic' ? RESTIC : TAR), `${root}${path}`);
}

/** How a tool reads patterns: what stands for any character, and which signs turn a set around. */
interface Dialect {
  readonly any: RegExp;
  readonly not: string;
}
/** fnmatch(3) as tar calls it: wildcards stand for a slash, too. */
const TAR: Dialect = { any: /./s, not: '!^' };
/** Go's filepath.Match, and ** for any number of directories. */
const RESTIC: Dialect = { any: /[^/]/, not: '^' };

/** What one character, or with `many` any number of them, must be. */
interface Token {
  readonly one: RegExp | string;
  readonly many: boolean;
}

function tokensOf(pattern: string, { any, not }: Dialect): Token[] {
  const parts = /\\(?<escaped>.)|(?<all>(?<![^/])\*\*(?![^/]))|\[(?<set>[!^]?(?:\][^\]]*|[^\]]+))\]|[^]/gs;
  return [...pattern.matchAll(parts)].map(({ 0: text, groups }) => {
    const { escaped, all, set } = groups ?? {};
    if (escaped !== undefined) return { one: escaped, many: false };
    if (all !== undefined) return { one: /./s, many: true };
    if (set !== undefined) return { one: setOf(set, not), many: false };
    return text === '*' || text === '?' ? { one: any, many: text === '*' } : { one: text, many: false };
  });
}

function setOf(set: string, not: string): RegExp {
  const turned = set.length > 1 && not.includes(set.charAt(0));
  try {
    return new RegExp(`[${turned ? '^' : ''}${set.slice(turned ? 1 : 0).replace(/[\\\]^[]/g, '\\$&')}]`, 's');
  } catch {
    // A range that goes backwards matches nothing.
    return /(?!)/;
  }
}

/**
 * Does it match a run of whole names in the path? All ways at once, character by character: a pattern comes from a package
 * and may not cost more than its length times that of the path.
 */
function matches(tokens: readonly Token[], path: string): boolean {
  // The tokens that may be next; `tokens.length`: all were met.
  let next = new Set<number>();
  const add = (to: Set<number>, at: number): void => {
    while (!to.has(at)) {
      to.add(at);
      if (tokens[at]?.many) at++;
    }
  };
  for (let at = 0; at <= path.length; at++) {
    const character = path.charAt(at);
    if (at === 0 || path.charAt(at - 1) === '/') add(next, 0);
    if ((character === '' || character === '/') && next.has(tokens.length)) return true;
    const after = new Set<number>();
    for (const index of next) {
      const token = tokens[index];
      if (token === undefined || !fits(token.one, character)) continue;
      add(after, token.many ? index : index + 1);
    }
    next = after;
  }
  return false;
}

function fits(one: RegExp | string, character: string): boolean {
  return typeof one === 'string' ? one === character : character !== '' && one.test(character);
}

function finding(path: string, pattern: string): Finding {
  return {
    code: 'path-excluded',
    level: 'block',
    node: undefined,
    path,
    message: `${JSON.stringify(path)} is to be backed up, and the pattern ${JSON.stringify(pattern)} leaves it out as a whole`,
    fix: 'Take the pattern out of "backup.exclude" of clusters.json or of the package, or make it narrower.',
  };
}
