import { ClusterliftError, ExitStatus } from '../base/errors';
import type { RandomReader } from '../base/reader';
import { line } from '../base/text';
import { openIso, type IsoImage } from './iso/image';
import {
  MANIFEST_FILE,
  MOST_MANIFEST,
  manifestOf,
  parseManifest,
  type Manifest,
  type ParsedManifest,
} from './manifest';
import { recipeFiles, recipeManifest, type ExtraFile, type Recipe } from './recipe';
import { SIGNATURE_FILE, SUMS_FILE } from './sums';

/** What a package says about itself; plain data. Known after a few KB, before anything was verified. */
export interface PackageInfo {
  readonly product: string;
  readonly version: string;
  readonly manifest: Manifest;
  /** The JSON value of the manifest; `manifestOf` reads it again. */
  readonly manifestValue: unknown;
  /** As it stands in the image; undefined where a recipe stands in for it. */
  readonly manifestText: string | undefined;
  readonly volumeId: string;
  /** Bytes of the whole image. */
  readonly imageSize: number;
  readonly naming: 'rock-ridge' | 'joliet' | 'plain';
  readonly hasSums: boolean;
  readonly hasSignature: boolean;
  /** What a recipe adds beside the unpacked files. */
  readonly extraFiles: readonly ExtraFile[];
}

export interface OpenPackage {
  readonly info: PackageInfo;
  readonly image: IsoImage;
}

export interface InspectOptions {
  /** How messages call the package, and where a recipe finds product and version: a file name or a URL's last part. */
  readonly name?: string;
  /** The cluster's, for images without a manifest. */
  readonly recipe?: Recipe | undefined;
}

/**
 * Reads what a package says about itself, whatever it lies on.
 * @throws ClusterliftError of `openIso` and `parseManifest`; `no-manifest`; `manifest-script-missing`
 */
export async function openPackage(reader: RandomReader, options: InspectOptions = {}): Promise<OpenPackage> {
  const name = options.name ?? 'The image';
  const image = await openIso(reader);
  const manifest = await image.find(MANIFEST_FILE);
  const text = manifest?.kind === 'file' ? utf8(await image.readFile(manifest, MOST_MANIFEST)) : undefined;
  const parsed =
    text === undefined ? fromRecipe(name, image, options.recipe) : parseManifest(text, `${name}/${MANIFEST_FILE}`);
  if (text !== undefined) await checkScripts(image, parsed.manifest, name);
  const info: PackageInfo = {
    product: parsed.manifest.product,
    version: parsed.manifest.version,
    manifest: parsed.manifest,
    manifestValue: parsed.value,
    manifestText: text,
    volumeId: line(image.volumeId, 32),
    imageSize: reader.size,
    naming: image.naming,
    hasSums: (await image.find(SUMS_FILE))?.kind === 'file',
    hasSignature: (await image.find(SIGNATURE_FILE))?.kind === 'file',
    extraFiles: parsed.manifest.recipe === undefined ? [] : recipeFiles(parsed.manifest.recipe),
  };
  return { info, image };
}

/** `openPackage` where only the answer counts. */
export async function inspectPackage(reader: RandomReader, options: InspectOptions = {}): Promise<PackageInfo> {
  return (await openPackage(reader, options)).info;
}

/** How many files an image holds, and their bytes. Reads all directories. */
export async function contentOf(image: IsoImage): Promise<{ readonly files: number; readonly bytes: number }> {
  let [files, bytes] = [0, 0];
  for await (const { kind, size } of image.walk()) {
    if (kind === 'file') files++;
    bytes += size;
  }
  return { files, bytes };
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
}

function fromRecipe(name: string, image: IsoImage, recipe: Recipe | undefined): ParsedManifest {
  if (recipe !== undefined) {
    const value = recipeManifest(name, image.volumeId, { run: recipe.run, version: recipe.version });
    return { manifest: manifestOf(value), value };
  }
  throw new ClusterliftError({
    code: 'no-manifest',
    message: `${line(name, 200)} has no ${MANIFEST_FILE} at its root: it is an image, but not an upgrade package`,
    hint:
      image.naming === 'plain'
        ? 'It has only short plain names; make it with Rock Ridge (xorriso -as mkisofs -R), or give the cluster a “recipe”.'
        : 'Give an upgrade package, or configure a “recipe” for the cluster in clusters.json.',
    exit: ExitStatus.refused,
  });
}

/** A script that is named but absent would be found out in the middle of an upgrade. */
async function checkScripts(image: IsoImage, manifest: Manifest, name: string): Promise<void> {
  for (const [action, path] of Object.entries(manifest.scripts)) {
    if (path === undefined) continue;
    const entry = await image.find(path);
    if (entry !== undefined && entry.kind !== 'directory') continue;
    throw new ClusterliftError({
      code: 'manifest-script-missing',
      message: `${line(name, 200)}: the manifest names ${path} for “${action}”, but the image ${entry === undefined ? 'has no such file' : 'has a directory there'}`,
      hint: 'Put the script into the image, or take it out of the manifest.',
      exit: ExitStatus.refused,
    });
  }
}
