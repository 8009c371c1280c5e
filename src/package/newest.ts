import { ClusterliftError, ExitStatus } from '../base/errors';
import { formatSize } from '../base/units';
import { compareVersions } from './version';

/** An image that was found in a package directory. */
export interface Candidate {
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  /** Bytes. */
  readonly size: number;
  /** Where it is known without reading the whole image. */
  readonly sha256?: string | undefined;
  /** What it says about itself, or why it cannot be used. */
  readonly read: { readonly product: string; readonly version: string } | { readonly error: ClusterliftError };
}

export interface Installed {
  readonly product: string;
  readonly version: string;
}

export interface Choice {
  readonly candidate: Candidate;
  readonly product: string;
  readonly version: string;
  /** For people: why this one, and what was passed over. */
  readonly reason: string;
}

interface Readable {
  readonly candidate: Candidate;
  readonly product: string;
  readonly version: string;
}

/**
 * Picks the package of `upgrade` without a name (docs/commands.md): of the installed product, never older than what is installed,
 * the newest by manifest version, then by time.
 * @param installed undefined: nothing is installed
 * @throws ClusterliftError `no-package-found`, `package-product-unclear` (nothing installed and several products),
 *   `package-tie` (two different images of the newest version)
 */
export function chooseNewest(candidates: readonly Candidate[], installed: Installed | undefined): Choice {
  const readable = candidates.flatMap(readableOf);
  const product = installed?.product ?? onlyProduct(readable);
  const fitting = readable.filter((each) => each.product === product);
  const allowed = fitting.filter(
    (each) => installed === undefined || compareVersions(each.version, installed.version) >= 0,
  );
  const [best] = [...allowed].sort(newestFirst);
  if (best === undefined) throw noneFound(candidates, readable, fitting, installed);
  refuseTie(allowed.filter((each) => compareVersions(each.version, best.version) === 0));
  return { ...best, reason: reasonOf(best, candidates.length, readable.length, allowed.length, installed) };
}

function readableOf(candidate: Candidate): Readable[] {
  const { read } = candidate;
  return 'error' in read ? [] : [{ candidate, product: read.product, version: read.version }];
}

function newestFirst(a: Readable, b: Readable): number {
  return (
    compareVersions(b.version, a.version) ||
    b.candidate.mtime - a.candidate.mtime ||
    (a.candidate.path < b.candidate.path ? -1 : 1)
  );
}

function onlyProduct(readable: readonly Readable[]): string | undefined {
  const products = [...new Set(readable.map((each) => each.product))].sort();
  if (products.length <= 1) return products[0];
  throw new ClusterliftError({
    code: 'package-product-unclear',
    message: `Nothing is installed, and there are packages of several products: ${products.join(', ')}`,
    hint: 'Name the package: upgrade <ISO>.',
    exit: ExitStatus.refused,
  });
}

/** The same image twice (size, digest) is fine; two different images of one version need an answer. */
function refuseTie(newest: readonly Readable[]): void {
  const [first] = newest;
  const other = newest.find((each) => first !== undefined && differ(first.candidate, each.candidate));
  if (first === undefined || other === undefined) return;
  throw new ClusterliftError({
    code: 'package-tie',
    message:
      `There are two different images of ${first.product} ${first.version}: ` +
      `${first.candidate.path} (${sizeText(first)}) and ${other.candidate.path} (${sizeText(other)})`,
    hint: 'Remove the wrong one, or name the right one: upgrade <ISO>.',
    exit: ExitStatus.refused,
  });
}

function differ(a: Candidate, b: Candidate): boolean {
  if (a.size !== b.size) return true;
  return a.sha256 !== undefined && b.sha256 !== undefined && a.sha256 !== b.sha256;
}

function sizeText({ candidate }: Readable): string {
  return `${formatSize(candidate.size)}${candidate.sha256 === undefined ? '' : `, ${candidate.sha256.slice(0, 12)}…`}`;
}

/**
 * Candidates whose digests decide a tie: of the newest version and the same size. Hash them, then choose again.
 * Empty when the choice is clear without.
 */
export function digestsNeeded(candidates: readonly Candidate[], installed: Installed | undefined): Candidate[] {
  const choice = chooseNewest(candidates, installed);
  const same = candidates.filter(
    ({ read, size }) =>
      !('error' in read) &&
      read.product === choice.product &&
      compareVersions(read.version, choice.version) === 0 &&
      size === choice.candidate.size,
  );
  return same.length < 2 ? [] : same.filter((each) => each.sha256 === undefined);
}

function noneFound(
  candidates: readonly Candidate[],
  readable: readonly Readable[],
  fitting: readonly Readable[],
  installed: Installed | undefined,
): ClusterliftError {
  const error = (message: string, hint: string): ClusterliftError =>
    new ClusterliftError({ code: 'no-package-found', message, hint, exit: ExitStatus.refused });
  if (installed !== undefined && fitting.length > 0) {
    const newest = [...fitting].sort(newestFirst)[0]?.version ?? '';
    return error(
      `The newest package of ${installed.product} there is ${newest}, older than the installed ${installed.version}`,
      'Put a newer package into the login user’s directory, or name one: upgrade <ISO>|<URL>.',
    );
  }
  if (installed !== undefined && readable.length > 0) {
    return error(
      `None of the ${String(readable.length)} packages there is of the installed product ${installed.product}`,
      'Put a package of this product there, or name one: upgrade <ISO>|<URL>.',
    );
  }
  const reasons = candidates.flatMap(({ path, read }) => ('error' in read ? [`${path}: ${read.error.message}`] : []));
  return error(
    reasons.length === 0 ? 'There is no package' : `There is no usable package. ${reasons.slice(0, 3).join('; ')}`,
    'Copy a package to the login user’s directory or its media directory on the primary, or name one: upgrade <ISO>|<URL>.',
  );
}

function reasonOf(
  best: Readable,
  found: number,
  readable: number,
  allowed: number,
  installed: Installed | undefined,
): string {
  const was = installed === undefined ? 'nothing is installed' : `${installed.version} is installed`;
  const among =
    found === 1 ? 'the only image there' : `the newest of ${String(allowed)} that fit, among ${String(found)} images`;
  const unreadable = found - readable;
  const left = unreadable === 0 ? '' : `; ${String(unreadable)} cannot be used`;
  return `${best.product} ${best.version}: ${among}; ${was}${left}`;
}
