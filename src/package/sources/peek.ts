import { hasCode } from '../../base/errors';
import { inspectPackage, type InspectOptions, type PackageInfo } from '../inspect';
import type { Address } from './address';
import type { HttpOptions } from './http';
import { TransientError } from './errors';
import { openUrlReader } from './url';
import type { Validators } from './validators';

/** A package on a web server, looked at but not fetched. */
export interface Peeked {
  readonly info: PackageInfo;
  /** For `DownloadOptions.expected`: what is downloaded must be what was looked at. */
  readonly validators: Validators;
}

/**
 * Looks at a package before it is downloaded, so that gigabytes are not fetched to find out that it is not a package.
 * @returns undefined when only the download can tell: the server knows no ranges, or is not available at the moment
 * @throws ClusterliftError of `inspectPackage`, and of the server where asking again is of no use
 */
export async function peekUrl(
  address: Address,
  http: HttpOptions,
  inspect: InspectOptions,
): Promise<Peeked | undefined> {
  try {
    const reader = await openUrlReader(address, http);
    try {
      return { info: await inspectPackage(reader, inspect), validators: reader.validators };
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (error instanceof TransientError || hasCode(error, 'url-no-range')) return undefined;
    throw error;
  }
}
