import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { OwnPackage, Point } from '../../backup/points/point';
import { manifestOf, type Manifest } from '../../package/manifest';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import { scriptsOfEach, type Scripts } from '../control/runpackage';

/**
 * The scripts of a restore point, so that a restore needs no image. Where the parts carry what their own
 * nodes had, each node has that, and nothing else.
 * @returns undefined: the point was made of a cluster that is not upgraded from packages
 * @throws ClusterliftError `point-invalid`
 */
export function pointScripts(point: Point, primary: string): Scripts | undefined {
  if (point.files === undefined) return commonScripts(point);
  const own = Object.values(point.nodes).flatMap((part): [string, Scripts][] =>
    part.package ? [[part.node, ownScripts(point, part.package)]] : [],
  );
  return scriptsOfEach(new Map(own), primary);
}

/** Of an upgrade's package, which is the same for all; points of earlier versions have one for all as well. */
function commonScripts(point: Point): Scripts | undefined {
  if (point.package === null || point.manifest === null) return undefined;
  const files = Object.entries(point.scripts).map(([path, { content }]) => fileOf(path, content));
  return scriptsOf(point, point.package, point.manifest, files);
}

function ownScripts(point: Point, own: OwnPackage): Scripts {
  const content = (digest: string): string => point.files?.[digest] ?? '';
  const text = Buffer.from(content(own.manifest), 'base64').toString('utf8');
  const files = Object.entries(own.scripts).map(([path, digest]) => fileOf(path, content(digest)));
  const scripts = scriptsOf(point, own, text, files);
  const { product } = scripts.manifest;
  if (product !== own.product) throw invalid(point.id, `it is that of ${product}`);
  return scripts;
}

/** A point keeps no modes; a file that is not a program is not run. */
function fileOf(path: string, base64: string): ScriptFile {
  return { path, mode: 0o755, content: Buffer.from(base64, 'base64') };
}

function scriptsOf(
  point: Point,
  { product, version, sha256 }: Pick<OwnPackage, 'product' | 'version' | 'sha256'>,
  text: string,
  files: readonly ScriptFile[],
): Scripts {
  const { manifest, value } = parsed(point.id, text);
  return {
    product,
    version,
    sha256: sha256 ?? undefined,
    manifest,
    manifestValue: value,
    place: 'run',
    scriptPaths: () => Promise.resolve(files.map(({ path }) => path)),
    scriptFiles: () => Promise.resolve(files),
  };
}

function parsed(id: string, text: string): { manifest: Manifest; value: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return { manifest: manifestOf(value), value };
  } catch (cause) {
    throw invalid(id, messageOf(cause), cause);
  }
}

function invalid(id: string, why: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'point-invalid',
    message: `The manifest in restore point ${id} cannot be used: ${why}`,
    hint: 'Use another restore point. If nobody edited this one, look who can write to the location.',
    exit: ExitStatus.refused,
    cause,
  });
}
