import { ClusterliftError, ExitStatus } from '../base/errors';
import type { IsoImage } from './iso/image';
import { judgeSignature, verifySignature, type Signer } from './signature';
import { parseSums, SIGNATURE_FILE, SUMS_FILE, verifySums, type CheckedSums, type Sums } from './sums';

export interface VerifyOptions {
  /** As in clusters.json; without any, nobody's signature is asked for. */
  readonly trustedSigners: readonly string[];
  /** Keys whose signature is refused, even if they are trusted. */
  readonly revokedSigners: readonly string[];
  readonly requireSignature: boolean;
  /** Bytes hashed so far, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What is now known about the content of a package. */
export interface VerifiedContent {
  readonly signedBy: Signer | undefined;
  /** Undefined: the package has no SHA256SUMS. */
  readonly sums: { readonly list: Sums; readonly checked: CheckedSums } | undefined;
}

/** Lines of 200,000 long names fit. */
export const MOST_SUMS = 64 * 1024 * 1024;
export const MOST_SIGNATURE = 64 * 1024;

/**
 * Checks the signature first, then every file that SHA256SUMS lists.
 * @throws ClusterliftError `signature-missing`, those of `verifySignature`, `sums-invalid`, `sums-mismatch`
 */
export async function verifyContent(image: IsoImage, options: VerifyOptions): Promise<VerifiedContent> {
  const list = await readRoot(image, SUMS_FILE, MOST_SUMS);
  const signature = await readRoot(image, SIGNATURE_FILE, MOST_SIGNATURE);
  const signed = list !== undefined && signature !== undefined;
  if (options.requireSignature && (!signed || options.trustedSigners.length === 0)) throw missing(signed);
  const signedBy = signed ? signerOf(list, signature, options) : undefined;
  if (list === undefined) return { signedBy, sums: undefined };
  const sums = parseSums(Buffer.from(list).toString());
  const { onProgress, signal } = options;
  const checked = await verifySums(image, sums, {
    listAll: signedBy !== undefined,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  return { signedBy, sums: { list: sums, checked } };
}

/** Undefined: nobody is trusted by name, and the key is not a revoked one. */
function signerOf(list: Uint8Array, signature: Uint8Array, options: VerifyOptions): Signer | undefined {
  const { trustedSigners: trusted, revokedSigners: revoked } = options;
  const text = Buffer.from(signature).toString('latin1');
  if (trusted.length > 0) return verifySignature(list, text, { trusted, revoked });
  if (revoked.length > 0 && judgeSignature(list, text, { trusted, revoked }).standing === 'revoked')
    verifySignature(list, text, { trusted, revoked });
  return undefined;
}

/** A file at the root of an image; undefined: there is none. */
export async function readRoot(image: IsoImage, name: string, most: number): Promise<Uint8Array | undefined> {
  const entry = await image.find(name);
  return entry?.kind === 'file' ? image.readFile(entry, most) : undefined;
}

function missing(signed: boolean): ClusterliftError {
  return new ClusterliftError({
    code: 'signature-missing',
    message: signed
      ? 'The package is signed, but the cluster names nobody whose signature would count'
      : `The package is not signed (it has no ${SIGNATURE_FILE}), and this cluster takes only signed ones`,
    hint: signed
      ? 'Add the publisher’s public key to upgrade.trustedSigners in clusters.json.'
      : 'Get a signed package from its publisher, or set upgrade.requireSignature to false.',
    exit: ExitStatus.refused,
  });
}
