import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import type { Point } from '../backup/point';
import { manifestOf, type Manifest } from '../package/manifest';
import type { RunPackage } from './runpackage';

/**
 * The package of a restore point: its manifest and scripts, so that a restore needs no image.
 * @returns undefined: the point was made of a cluster that is not upgraded from packages
 * @throws ClusterliftError `point-invalid`
 */
export function pointPackage(point: Point): RunPackage | undefined {
  if (point.package === null || point.manifest === null) return undefined;
  const { product, version, sha256 } = point.package;
  const manifestValue: unknown = JSON.parse(point.manifest);
  const files = Object.entries(point.scripts).map(([path, { content }]) => ({
    path,
    // A point keeps no modes; what is no program is not run.
    mode: 0o755,
    content: Buffer.from(content, 'base64'),
  }));
  return {
    product,
    version,
    sha256: sha256 ?? '0'.repeat(64),
    size: 0,
    manifest: manifest(point, manifestValue),
    manifestValue,
    place: 'run',
    onNode: undefined,
    scriptPaths: () => Promise.resolve(files.map(({ path }) => path)),
    scriptFiles: () => Promise.resolve(files),
    open: () => Promise.reject(new Error('A restore point holds no image')),
  };
}

function manifest(point: Point, value: unknown): Manifest {
  try {
    return manifestOf(value);
  } catch (cause) {
    throw new ClusterliftError({
      code: 'point-invalid',
      message: `The manifest in restore point ${point.id} cannot be used: ${messageOf(cause)}`,
      hint: 'Use another restore point. If nobody edited this one, look who can write to the location.',
      exit: ExitStatus.refused,
      cause,
    });
  }
}
