import type { Extent, IsoEntry, IsoImage } from './iso/image';

/** A file, and what the node must find in it; undefined: not known here. */
export type UnpackFile = IsoEntry & { readonly sha256?: string | undefined };

/** How the files of an image are cut out of it on a node: data for the node's script, one line each, on its stdin. */
export interface UnpackPlan {
  /** Parents before their children. */
  readonly directories: readonly IsoEntry[];
  /** In the order in which they lie in the image. */
  readonly files: readonly UnpackFile[];
  readonly links: readonly IsoEntry[];
  /** Bytes of all files. */
  readonly bytes: number;
}

/**
 * Lists what unpacking has to make.
 * @throws ClusterliftError as `openIso`, and `package-unsafe-path`: nothing of the plan leads out of its directory
 */
export async function unpackPlan(image: IsoImage): Promise<UnpackPlan> {
  const all: IsoEntry[] = [];
  for await (const entry of image.walk()) all.push(entry);
  const files = all.filter((each) => each.kind === 'file').sort((a, b) => firstOffset(a) - firstOffset(b));
  return {
    directories: all.filter((each) => each.kind === 'directory'),
    files,
    links: all.filter((each) => each.kind === 'symlink'),
    bytes: files.reduce((sum, each) => sum + each.size, 0),
  };
}

function firstOffset(file: IsoEntry): number {
  return file.extents[0]?.offset ?? 0;
}

/**
 * The lines of a plan; directories, then files, then links (so that nothing is written through one).
 * Fields are separated by one blank and hold none:
 *
 *     d <mode> <path>
 *     f <mode> <size> <offset>:<length>[,<offset>:<length>…] <sha256> <path>
 *                                                  `-` instead of extents for an empty file, and for no digest
 *     l <target> <path>
 *
 * Modes are octal, numbers decimal, offsets count from the start of the image; texts are escaped for `printf %b`.
 */
export function* planLines(plan: UnpackPlan): Generator<string> {
  // The owner must be able to write into a directory, and to read what was unpacked.
  for (const { mode, path } of plan.directories) yield `d ${octal(mode | 0o700)} ${escapeText(path)}\n`;
  for (const { mode, size, extents, sha256 = '-', path } of plan.files) {
    yield `f ${octal(mode | 0o400)} ${String(size)} ${extentText(extents)} ${sha256} ${escapeText(path)}\n`;
  }
  for (const { target, path } of plan.links) yield `l ${escapeText(target ?? '')} ${escapeText(path)}\n`;
}

/** `planLines` in pieces that suit a pipe. */
export function* planChunks(plan: UnpackPlan): Generator<Uint8Array> {
  let text = '';
  for (const each of planLines(plan)) {
    text += each;
    if (text.length >= CHUNK) {
      yield Buffer.from(text);
      text = '';
    }
  }
  if (text !== '') yield Buffer.from(text);
}

const CHUNK = 64 * 1024;

function octal(mode: number): string {
  return mode.toString(8);
}

function extentText(extents: readonly Extent[]): string {
  if (extents.length === 0) return '-';
  return extents.map(({ offset, length }) => `${String(offset)}:${String(length)}`).join(',');
}

/** Every byte that is not plainly harmless becomes `\0ooo`, which `printf %b` turns back (POSIX). No field has a blank. */
export function escapeText(text: string): string {
  if (/^[A-Za-z0-9._/+=@,-]*$/.test(text)) return text;
  const escape = (byte: number): string => {
    const letter = String.fromCharCode(byte);
    return /[A-Za-z0-9._/+=@,-]/.test(letter) ? letter : `\\0${byte.toString(8).padStart(3, '0')}`;
  };
  return [...Buffer.from(text)].map(escape).join('');
}
