import { dirname } from 'node:path/posix';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import { formatSize } from '../../base/units';
import type { PackageInfo } from '../../package/inspect';
import type { IsoImage } from '../../package/iso/image';
import type { ExtraFile } from '../../package/recipe';
import { unpackPlan, type UnpackPlan } from '../../package/unpack-plan';
import type { ShortFile } from '../../ssh/short';
import type { PackageContent } from '../runpackage';

/** Bytes of a file, and of all, that go to a node before it has the package. */
const MOST_FILE = 256 * 1024;
const MOST_ALL = 2 * 1024 * 1024;

export async function contentOf(
  image: IsoImage,
  reader: RandomReader,
  extra: readonly ExtraFile[],
): Promise<PackageContent> {
  return { reader, unpack: await unpackPlan(image), extra };
}

/** The scripts of a package and the small files beside them (what they source lies there), as paths. */
export function scriptPathsOf(plan: UnpackPlan, info: PackageInfo): string[] {
  const scripts = Object.values(info.manifest.scripts).filter((path) => path !== undefined);
  const folders = new Set(scripts.map((path) => dirname(path)));
  const named = plan.files.filter(({ path }) => scripts.includes(path));
  const beside = plan.files.filter(
    ({ path }) => !scripts.includes(path) && dirname(path) !== '.' && folders.has(dirname(path)),
  );
  let room = MOST_ALL;
  const kept = [...named, ...beside].filter(({ size }) => size <= MOST_FILE && (room -= size) >= 0);
  return [...kept.map(({ path }) => path), ...info.extraFiles.map(({ path }) => path)];
}

/**
 * The same with their content.
 * @throws ClusterliftError `script-size` where a script that is asked before anything is staged cannot be sent
 */
export async function scriptFilesOf(image: IsoImage, info: PackageInfo): Promise<ShortFile[]> {
  const plan = await unpackPlan(image);
  const paths = new Set(scriptPathsOf(plan, info));
  const { version, check, health } = info.manifest.scripts;
  for (const { path, size } of plan.files) {
    if ([version, check, health].includes(path) && !paths.has(path)) throw tooLarge(path, size);
  }
  const files: ShortFile[] = [];
  for (const entry of plan.files) {
    if (!paths.has(entry.path)) continue;
    files.push({ path: entry.path, mode: entry.mode, content: await image.readFile(entry, MOST_FILE) });
  }
  const extra = info.extraFiles.map(({ path, content }) => ({ path, mode: 0o755, content: Buffer.from(content) }));
  return [...files, ...extra];
}

function tooLarge(path: string, size: number): ClusterliftError {
  return new ClusterliftError({
    code: 'script-size',
    message: `The script ${path} of the package is too large (${formatSize(size)}) to be asked before the package is on a node`,
    hint: `Version, check and health may have ${formatSize(MOST_FILE)} each, and ${formatSize(MOST_ALL)} with all that lies beside them: keep programs and data in another folder.`,
    exit: ExitStatus.refused,
  });
}
