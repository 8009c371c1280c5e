import { createHash } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { line } from '../base/text';
import type { IsoEntry, IsoImage } from './iso/image';
import { resolveEntry } from './iso/resolve';
import { startsItself } from './script-start';

/** At the root of an image: the digest of each of its files, as `sha256sum` writes it. */
export const SUMS_FILE = 'SHA256SUMS';
/** At the root of an image: a signature over SHA256SUMS. */
export const SIGNATURE_FILE = 'SHA256SUMS.sig';

/** Paths inside the image → digests in lower-case hex. */
export type Sums = ReadonlyMap<string, string>;

/**
 * Reads what `sha256sum` (GNU coreutils) writes: text and binary marks, and names with a backslash or line break.
 * @throws ClusterliftError `sums-invalid`
 */
export function parseSums(text: string): Sums {
  const sums = new Map<string, string>();
  for (const [index, each] of text.split('\n').entries()) {
    const content = each.replace(/\r$/, '');
    if (content === '') continue;
    const [path, digest] = parseLine(content, index + 1);
    if (sums.has(path) && sums.get(path) !== digest)
      throw sumsInvalid(`line ${String(index + 1)} contradicts an earlier one`);
    sums.set(path, digest);
  }
  return sums;
}

function parseLine(content: string, number: number): [string, string] {
  const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/is.exec(content);
  if (match === null) throw sumsInvalid(`line ${String(number)} is not “<64 hex digits>  <file>”`);
  const [, escaped, digest = '', name = ''] = match;
  const path = (escaped === '' ? name : unescapeName(name)).replace(/^(?:\.\/+)+/, '');
  if (path.startsWith('/') || path.split('/').some((part) => part === '' || part === '..' || part === '.')) {
    throw sumsInvalid(`line ${String(number)} names a file outside the image: ${line(path, 80)}`);
  }
  return [path, digest.toLowerCase()];
}

function unescapeName(name: string): string {
  return name.replace(/\\(.)/g, (whole, letter: string) => {
    switch (letter) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case '\\':
        return '\\';
      default:
        return whole;
    }
  });
}

export interface SumsOptions {
  /** A file that is not listed is an error: a signature covers only what is listed. */
  readonly listAll: boolean;
  /** Bytes hashed so far, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What was checked. */
export interface CheckedSums {
  readonly files: number;
  readonly bytes: number;
  /** Files of the image that no line mentions. */
  readonly unlisted: number;
  /** Listed files that are scripts with `#!`, or binaries, by what they hold. */
  readonly programs: ReadonlySet<string>;
}

/**
 * Hashes the listed files of an image in the order in which they lie, each extent once, and compares.
 * @throws ClusterliftError `sums-mismatch` naming the first file that differs, is missing or (`listAll`) is not listed
 */
export async function verifySums(image: IsoImage, sums: Sums, options: SumsOptions): Promise<CheckedSums> {
  const entries = new Map<string, IsoEntry>();
  for await (const entry of image.walk()) {
    options.signal?.throwIfAborted();
    entries.set(entry.path, entry);
  }
  const unlisted = [...entries.values()].filter((each) => each.kind !== 'directory' && !isListed(each, sums));
  const [first] = unlisted;
  if (options.listAll && first !== undefined)
    throw mismatch(`${line(first.path, 200)} is not listed in ${SUMS_FILE}, which is signed`);
  const listed = [...sums].map(([path, digest]) => ({ path, digest, file: fileOf(entries, path) }));
  const { bytes, programs } = await hashAll(image, listed, options);
  return { files: listed.length, bytes, unlisted: unlisted.length, programs };
}

/** The list cannot hold itself, nor the signature over it. A link is listed with the digest of what it leads to. */
function isListed({ path }: IsoEntry, sums: Sums): boolean {
  return path === SUMS_FILE || path === SIGNATURE_FILE || sums.has(path);
}

function fileOf(entries: ReadonlyMap<string, IsoEntry>, path: string): IsoEntry {
  const entry = resolveEntry(entries, path);
  if (entry === undefined) throw mismatch(`${line(path, 200)} is listed in ${SUMS_FILE}, but is not there`);
  if (entry.kind !== 'file') throw mismatch(`${line(path, 200)} is listed in ${SUMS_FILE}, but is a ${entry.kind}`);
  return entry;
}

interface Listed {
  readonly path: string;
  readonly digest: string;
  readonly file: IsoEntry;
}

interface Hashed {
  readonly digest: string;
  readonly program: boolean;
}

async function hashAll(
  image: IsoImage,
  listed: readonly Listed[],
  options: SumsOptions,
): Promise<Pick<CheckedSums, 'bytes' | 'programs'>> {
  const place = ({ file }: Listed): number => file.extents[0]?.offset ?? 0;
  const inOrder = [...listed].sort((a, b) => place(a) - place(b));
  const total = inOrder.reduce((sum, each) => sum + each.file.size, 0);
  const known = new Map<string, Hashed>();
  const programs = new Set<string>();
  let done = 0;
  for (const { path, digest, file } of inOrder) {
    // Hard links share their extents, links their file.
    const key = JSON.stringify(file.extents);
    const found =
      known.get(key) ?? (await hashFile(image, file, options, (bytes) => options.onProgress?.(done + bytes, total)));
    known.set(key, found);
    if (found.program) programs.add(file.path);
    if (found.digest !== digest) throw mismatch(`${line(path, 200)} is not what ${SUMS_FILE} says`);
    done += file.size;
    options.onProgress?.(done, total);
  }
  return { bytes: total, programs };
}

async function hashFile(
  image: IsoImage,
  file: IsoEntry,
  { signal }: SumsOptions,
  onBytes: (done: number) => void,
): Promise<Hashed> {
  const hash = createHash('sha256');
  let done = 0;
  let program = false;
  for await (const part of image.stream(file)) {
    signal?.throwIfAborted();
    if (done === 0) program = startsItself(part);
    hash.update(part);
    done += part.length;
    onBytes(done);
  }
  return { digest: hash.digest('hex'), program };
}

function sumsInvalid(why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'sums-invalid',
    message: `${SUMS_FILE} of the image cannot be read: ${why}`,
    hint: 'Make it with sha256sum at the root of the package, and make the image again.',
    exit: ExitStatus.refused,
  });
}

function mismatch(what: string): ClusterliftError {
  return new ClusterliftError({
    code: 'sums-mismatch',
    message: `The image is not what its publisher made: ${what}`,
    hint: 'Download or copy the image again; if that does not help, ask its publisher.',
    exit: ExitStatus.refused,
  });
}
