/**
 * Product versions and ranges of them.
 *
 * Not semver: a product build with a tail comes after the one without
 * (`9.9 < 21.3 < 21.10 < 24.1 = 24.1.0 < 24.1-PB0 < 24.1-PB2 < 24.1-PB10`). Versions are strings in every file.
 */

/** A run of digits, or of anything else (lower case). */
type Run = string;
/** What stands between two dots. */
type Component = readonly Run[];
/** What stands between two of `-`, `+`, `_` and blanks; zeros at its end are gone, because 24.1.0 is 24.1. */
type Group = readonly Component[];

/**
 * Orders two versions: negative when `a` is older, 0 when they are the same product level (`24.1` and `24.1.0`).
 * A total order over all strings; a missing tail is older than any tail, and a word is older than a number.
 */
export function compareVersions(a: string, b: string): number {
  return lists(groupsOf(a), groupsOf(b), (x, y) => lists(x, y, (v, w) => lists(v, w, runs)));
}

export function sameVersion(a: string, b: string): boolean {
  return compareVersions(a, b) === 0;
}

function groupsOf(version: string): Group[] {
  const text = version
    .trim()
    .toLowerCase()
    .replace(/^v(?=\d)/, '');
  return text.split(/[-+_\s]+/).map(groupOf);
}

function groupOf(text: string): Group {
  const components = text.split('.').map((each) => each.match(/\d+|\D+/g) ?? []);
  while (components.at(-1)?.every((each) => /^0+$/.test(each)) === true) components.pop();
  return components;
}

/** Item by item; when one list is the start of the other, the shorter one is older. */
function lists<T>(a: readonly T[], b: readonly T[], compare: (x: T, y: T) => number): number {
  for (const [index, x] of a.entries()) {
    const y = b[index];
    if (y === undefined) return 1;
    const order = compare(x, y);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function runs(a: Run, b: Run): number {
  const [aNumber, bNumber] = [/^\d/.test(a), /^\d/.test(b)];
  if (aNumber !== bNumber) return aNumber ? 1 : -1;
  if (!aNumber) return words(a, b);
  // By length first: build numbers may be longer than a double is exact.
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  return x.length - y.length || words(x, y);
}

function words(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

type Operator = '>=' | '>' | '<=' | '<' | '=' | '!=';

interface Comparison {
  readonly operator: Operator;
  readonly version: string;
}

/** Alternatives (`||`), each a list of comparisons that must all hold. */
export type VersionRange = readonly (readonly Comparison[])[];

const COMPARISON = /^(>=|<=|!=|==|=|>|<)?\s*([0-9a-z][0-9a-z._+~-]*)(?:\s*,\s*|\s+|$)/i;

/**
 * `>=23.1`, `>=23.1 <25`, `>=23.1, <25`, `23.1 || >=24`, `*` → a range; undefined when it is none.
 * A bare version means exactly that one; wildcards such as `23.x` are not ranges here.
 */
export function parseRange(text: string): VersionRange | undefined {
  const range: Comparison[][] = [];
  for (const alternative of text.split('||')) {
    const comparisons = parseComparisons(alternative.trim());
    if (comparisons === undefined) return undefined;
    range.push(comparisons);
  }
  return range;
}

function parseComparisons(text: string): Comparison[] | undefined {
  if (text === '*') return [];
  const found: Comparison[] = [];
  for (let rest = text; rest !== '' || found.length === 0;) {
    const match = COMPARISON.exec(rest);
    const version = match?.[2];
    if (match === null || version === undefined || !/\d/.test(version) || /(^|[.])x($|[.])/i.test(version))
      return undefined;
    found.push({ operator: operatorOf(match[1]), version });
    rest = rest.slice(match[0].length);
  }
  return found;
}

function operatorOf(text: string | undefined): Operator {
  switch (text) {
    case '>=':
    case '>':
    case '<=':
    case '<':
    case '!=':
      return text;
    default:
      return '=';
  }
}

/** Does the version lie in the range? */
export function inRange(version: string, range: VersionRange): boolean {
  return range.some((alternative) => alternative.every((each) => holds(version, each)));
}

function holds(version: string, { operator, version: bound }: Comparison): boolean {
  const order = compareVersions(version, bound);
  switch (operator) {
    case '>=':
      return order >= 0;
    case '>':
      return order > 0;
    case '<=':
      return order <= 0;
    case '<':
      return order < 0;
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
  }
}
