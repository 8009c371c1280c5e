import { ClusterliftError, ExitStatus } from '../base/errors';
import { line } from '../base/text';

/** How a cluster installs an image that has no manifest: two commands of its configuration. */
export interface Recipe {
  /** Runs in the unpacked image. */
  readonly run: string;
  /** Prints the installed version. */
  readonly version: string;
}

/** A file that stands in for a script of the image, to be put beside the unpacked files with mode 0755. */
export interface ExtraFile {
  /** From the root of the image. */
  readonly path: string;
  readonly content: string;
}

const FOLDER = '.clusterlift';

/** The scripts that a recipe amounts to. */
export function recipeFiles(recipe: Recipe): ExtraFile[] {
  return [
    { path: `${FOLDER}/version`, content: `#!/bin/sh\n${recipe.version}\n` },
    { path: `${FOLDER}/upgrade`, content: `#!/bin/sh\n${recipe.run}\n` },
  ];
}

/**
 * The manifest that stands in for the missing one. Product and version come from the name of the file, such as
 * `acme-voice-24.2.0.iso`, else from the volume id, such as `ACME_VOICE_24_2_0`.
 * @throws ClusterliftError `no-package-version` when neither holds them
 */
export function recipeManifest(name: string, volumeId: string, recipe: Recipe): object {
  const found = nameAndVersion(stem(name)) ?? nameAndVersion(volumeId.replace(/(?<=\d)_(?=\d)/g, '.'));
  if (found === undefined) {
    throw new ClusterliftError({
      code: 'no-package-version',
      message: `${line(name, 200)} has no manifest, and neither its name nor its volume id (“${line(volumeId, 40)}”) says which version it is`,
      hint: 'Rename it so that it ends with product and version, such as acme-voice-24.2.0.iso.',
      exit: ExitStatus.refused,
    });
  }
  return { schema: 1, ...found, scripts: { version: `${FOLDER}/version`, upgrade: `${FOLDER}/upgrade` }, recipe };
}

function stem(name: string): string {
  return (name.split(/[/\\]/).at(-1) ?? '').replace(/\.iso$/i, '');
}

function nameAndVersion(text: string): { readonly product: string; readonly version: string } | undefined {
  const match = /^([A-Za-z][A-Za-z0-9._-]*?)[-_ ]v?(\d+(?:\.\d+)+(?:[-+_.][A-Za-z0-9]+)*)$/.exec(text);
  const [, product, version] = match ?? [];
  if (product === undefined || version === undefined) return undefined;
  return { product: product.toLowerCase().replaceAll('_', '-'), version };
}
