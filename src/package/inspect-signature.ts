import { createHash } from 'node:crypto';
import { ClusterliftError } from '../base/errors';
import { line } from '../base/text';
import type { OpenPackage } from './inspect';
import { MANIFEST_FILE } from './manifest';
import { judgeSignature, NO_GOOD, type Signers, type Verdict } from './signature';
import { parseSums, SIGNATURE_FILE, SUMS_FILE, type Sums } from './sums';
import { MOST_SIGNATURE, MOST_SUMS, readRoot } from './verify';

/** What the signature of a package is worth, before the whole of it is read. */
export type SignatureReport =
  | { readonly state: 'none' }
  | { readonly state: 'invalid'; readonly why: string }
  | ({ readonly state: Verdict['standing'] } & Omit<Verdict, 'standing'>);

/** Larger scripts are compared with the list when the whole package is. */
const MOST_SCRIPT = 16 * 1024 * 1024;

/**
 * Verifies the signature over SHA256SUMS, and that the list has the manifest and the scripts as they are. All other files
 * are left to those who use the package: this reads little, wherever the package lies.
 */
export async function inspectSignature({ info, image }: OpenPackage, signers: Signers): Promise<SignatureReport> {
  const signature = await readRoot(image, SIGNATURE_FILE, MOST_SIGNATURE);
  if (signature === undefined)
    return info.hasSignature ? { state: 'invalid', why: 'it cannot be read' } : { state: 'none' };
  try {
    const list = await readRoot(image, SUMS_FILE, MOST_SUMS);
    if (list === undefined) return { state: 'invalid', why: `there is no ${SUMS_FILE} that it could be of` };
    const { standing, ...who } = judgeSignature(list, Buffer.from(signature).toString('latin1'), signers);
    const other = await firstUnlike({ info, image }, parseSums(Buffer.from(list).toString()));
    if (other !== undefined)
      return { state: 'invalid', why: `${line(other, 100)} is not what the signed ${SUMS_FILE} says` };
    return { state: standing, ...who };
  } catch (error) {
    if (error instanceof ClusterliftError && /^(?:signature|sums)-/.test(error.code))
      return { state: 'invalid', why: line(error.message.replace(NO_GOOD, ''), 300) };
    throw error;
  }
}

/** The manifest or a script that the list does not have as it is. */
async function firstUnlike({ info, image }: OpenPackage, sums: Sums): Promise<string | undefined> {
  const paths = [MANIFEST_FILE, ...Object.values(info.manifest.scripts)];
  for (const path of paths) {
    const entry = path === undefined ? undefined : await image.find(path);
    if (path === undefined || entry?.kind !== 'file' || entry.size > MOST_SCRIPT) continue;
    const digest = createHash('sha256')
      .update(await image.readFile(entry, MOST_SCRIPT))
      .digest('hex');
    if (sums.get(path) !== digest) return path;
  }
  return undefined;
}
