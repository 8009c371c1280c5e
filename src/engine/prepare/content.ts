import { dirname } from 'node:path/posix';
import type { RandomReader } from '../../base/reader';
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
  const wanted = plan.files.filter(
    ({ path }) => scripts.includes(path) || (dirname(path) !== '.' && folders.has(dirname(path))),
  );
  let room = MOST_ALL;
  const kept = wanted.filter(({ size }) => size <= MOST_FILE && (room -= size) >= 0);
  return [...kept.map(({ path }) => path), ...info.extraFiles.map(({ path }) => path)];
}

/** The same with their content. */
export async function scriptFilesOf(image: IsoImage, info: PackageInfo): Promise<ShortFile[]> {
  const plan = await unpackPlan(image);
  const paths = new Set(scriptPathsOf(plan, info));
  const files: ShortFile[] = [];
  for (const entry of plan.files) {
    if (!paths.has(entry.path)) continue;
    files.push({ path: entry.path, mode: entry.mode, content: await image.readFile(entry, MOST_FILE) });
  }
  const extra = info.extraFiles.map(({ path, content }) => ({ path, mode: 0o755, content: Buffer.from(content) }));
  return [...files, ...extra];
}
