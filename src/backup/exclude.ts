import type { Location } from './location';
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
  const wanted = expression(pattern.replace(/^\//, `${root}/`), kind === 'restic' ? RESTIC : TAR);
  const names = [root, ...path.slice(1).split('/')];
  return names.some((_, from) =>
    names.slice(from).some((_, length) => wanted.test(names.slice(from, from + length + 1).join('/'))),
  );
}

/** How a tool reads patterns: what stands for any character, and which signs turn a set around. */
interface Dialect {
  readonly any: string;
  readonly not: string;
}
/** fnmatch(3) as tar calls it: wildcards stand for a slash, too. */
const TAR: Dialect = { any: '.', not: '!^' };
/** Go's filepath.Match, and ** for any number of directories. */
const RESTIC: Dialect = { any: '[^/]', not: '^' };

/** A pattern as an expression for the whole name. */
function expression(pattern: string, { any, not }: Dialect): RegExp {
  const tokens = /\\(?<escaped>.)|(?<all>(?<![^/])\*\*(?![^/]))|\*|\?|\[(?<set>[!^]?(?:\][^\]]*|[^\]]+))\]|[^\w/]/gs;
  const text = pattern.replace(tokens, (token: string, ...rest) => {
    const { escaped, all, set } = rest.at(-1) as Partial<Record<'escaped' | 'all' | 'set', string>>;
    if (escaped !== undefined) return literal(escaped);
    if (all !== undefined) return '.*';
    if (set !== undefined) {
      const turned = set.length > 1 && not.includes(set.charAt(0));
      return `[${turned ? '^' : ''}${set.slice(turned ? 1 : 0).replace(/[\\\]^[]/g, '\\$&')}]`;
    }
    return token === '*' ? `${any}*` : token === '?' ? any : literal(token);
  });
  try {
    return new RegExp(`^(?:${text})$`, 's');
  } catch {
    // A range that goes backwards matches nothing.
    return /^\b$/;
  }
}

function literal(text: string): string {
  return text.replace(/[^\w/\s]/g, '\\$&');
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
