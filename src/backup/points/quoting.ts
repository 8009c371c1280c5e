import type { SavedPath } from './point';

/** How GNU tar writes a name with `--quoting-style=c` in the C locale, without the quotes around it (gnulib, quotearg). */
function cQuote(name: string): string {
  let quoted = '';
  for (const byte of Buffer.from(name, 'utf8')) quoted += quoteByte(byte);
  return quoted;
}

const NAMED: Readonly<Record<number, string>> = {
  0x07: '\\a',
  0x08: '\\b',
  0x09: '\\t',
  0x0a: '\\n',
  0x0b: '\\v',
  0x0c: '\\f',
  0x0d: '\\r',
  0x22: '\\"',
  0x5c: '\\\\',
};

function quoteByte(byte: number): string {
  const named = NAMED[byte];
  if (named !== undefined) return named;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\${byte.toString(8).padStart(3, '0')}`;
}

/** The members that may stand at the top of a part: a line each, as the tar that lists them writes names. */
export function topMembers(paths: readonly SavedPath[], tar: 'gnu' | 'busybox'): string {
  return paths
    .filter((each) => each.state === 'present')
    .map((each) => (tar === 'gnu' ? cQuote(`.${each.path}`) : `.${each.path}`))
    .join('\n');
}

/** A path as a pattern that means only itself, for `tar --exclude` (names begin with a dot) or restic. */
export function literalPattern(path: string): string {
  return path.replace(/[\\*?[\]]/g, '\\$&');
}
