import { createHash } from 'node:crypto';
import { dirname } from 'node:path/posix';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { formatSize } from '../../base/units';
import type { PackageInfo } from '../../package/inspect';
import type { IsoEntry, IsoImage } from '../../package/iso/image';
import { resolveEntry } from '../../package/iso/resolve';
import type { ExtraFile } from '../../package/recipe';
import { scriptStart, START_BYTES, type ScriptStart } from '../../package/script-start';
import { unpackPlan, type UnpackPlan } from '../../package/unpack-plan';
import type { VerifiedContent } from '../../package/verify';
import type { ScriptFile } from '../../ssh/exec/quick-script';

/** Bytes of a file, and of all, that go to a node before it has the package. */
const MOST_FILE = 256 * 1024;
const MOST_ALL = 2 * 1024 * 1024;

/** All that is known of what is in a package before any of it is on a node. */
export interface Content {
  /** With the modes and digests that hold on the nodes. */
  readonly unpack: UnpackPlan;
  readonly extra: readonly ExtraFile[];
  /** The scripts and the small files beside them (what they source lies there). */
  readonly files: readonly ScriptFile[];
  /** How each script that the manifest names is started. */
  readonly starts: readonly ScriptStart[];
}

/**
 * Reads structure and scripts of a package that was verified, through the same reader.
 * @param known what the verification found
 * @param signed a signature vouches for it, which covers contents, not modes
 * @throws ClusterliftError `script-size` where a script that is asked before anything is staged cannot be sent
 */
export async function contentOf(
  image: IsoImage,
  info: PackageInfo,
  known: Pick<VerifiedContent, 'sums'>,
  signed: boolean,
): Promise<Content> {
  const plan = await unpackPlan(image);
  const named = namedFiles(plan, info);
  const contents = await readScripts(image, plan, info, named);
  const starts = await startsOf(image, named, contents);
  const own = new Set(named.flatMap(({ file }, index) => (starts[index]?.kind === 'shell' ? [] : [file.path])));
  const programs = known.sums?.checked.programs;
  const modeOf = ({ path, mode }: IsoEntry): number => {
    if (signed) return own.has(path) || programs?.has(path) === true ? 0o755 : (mode & 0o644) | 0o600;
    return own.has(path) ? mode | 0o700 : mode;
  };
  const replaced = new Set(info.extraFiles.map(({ path }) => path));
  const left = plan.files.filter(({ path }) => !replaced.has(path));
  const unpacked = left.map((file) => {
    const content = contents.get(file.path);
    const sha256 = known.sums?.list.get(file.path) ?? (content && createHash('sha256').update(content).digest('hex'));
    return { ...file, mode: modeOf(file), sha256 };
  });
  const sent = unpacked.flatMap(({ path, mode }): ScriptFile[] => {
    const content = contents.get(path);
    return content ? [{ path, mode, content }] : [];
  });
  // Where a link stands for a script, the script itself is sent by that name.
  const linked = named.flatMap(({ path, file }) =>
    path === file.path ? [] : sent.filter((each) => each.path === file.path).map((each) => ({ ...each, path })),
  );
  const extra = info.extraFiles.map(({ path, content }) => ({ path, mode: 0o755, content: Buffer.from(content) }));
  const files = [...sent, ...linked, ...extra];
  return { unpack: { ...plan, files: unpacked }, extra: info.extraFiles, files, starts };
}

interface NamedFile {
  /** As the manifest says it; a link may stand there. */
  readonly path: string;
  readonly file: IsoEntry;
}

function namedFiles(plan: UnpackPlan, info: PackageInfo): NamedFile[] {
  const entries = new Map([...plan.directories, ...plan.files, ...plan.links].map((each) => [each.path, each]));
  return [...new Set(Object.values(info.manifest.scripts))].flatMap((path) => {
    const file = path === undefined ? undefined : resolveEntry(entries, path);
    return path !== undefined && file?.kind === 'file' ? [{ path, file }] : [];
  });
}

async function readScripts(
  image: IsoImage,
  plan: UnpackPlan,
  info: PackageInfo,
  named: readonly NamedFile[],
): Promise<Map<string, Uint8Array>> {
  const scripts = new Set(named.map(({ file }) => file.path));
  const folders = new Set(named.flatMap(({ path, file }) => [dirname(path), dirname(file.path)]));
  const beside = plan.files.filter(
    ({ path }) => !scripts.has(path) && dirname(path) !== '.' && folders.has(dirname(path)),
  );
  let room = MOST_ALL;
  const fits = ({ size }: IsoEntry): boolean => size <= MOST_FILE && (room -= size) >= 0;
  const kept = [...plan.files.filter(({ path }) => scripts.has(path)), ...beside].filter(fits);
  const { version, check, health } = info.manifest.scripts;
  for (const { path, file } of named) {
    if ([version, check, health].includes(path) && !kept.includes(file)) throw tooLarge(path, file.size);
  }
  const contents = new Map<string, Uint8Array>();
  for (const file of kept) contents.set(file.path, await image.readFile(file, MOST_FILE));
  return contents;
}

async function startsOf(
  image: IsoImage,
  named: readonly NamedFile[],
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<ScriptStart[]> {
  const starts: ScriptStart[] = [];
  for (const { path, file } of named) {
    starts.push(scriptStart(path, contents.get(file.path) ?? (await image.readStart(file, START_BYTES))));
  }
  return starts;
}

function tooLarge(path: string, size: number): ClusterliftError {
  return new ClusterliftError({
    code: 'script-size',
    message: `The script ${path} of the package is too large (${formatSize(size)}) to be asked before the package is on a node`,
    hint: `Version, check and health may have ${formatSize(MOST_FILE)} each, and ${formatSize(MOST_ALL)} with all that lies beside them: keep programs and data in another folder.`,
    exit: ExitStatus.refused,
  });
}
