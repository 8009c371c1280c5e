import { createHash } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { Fields, signatureFits, SshDataError, sshString, type SshSignature } from '../base/ssh-signature';
import { line } from '../base/text';

/** Signatures are for this use only: one made for another (such as `git`) does not count. */
const NAMESPACE = 'clusterlift';

/** Who signed. */
export interface Signer {
  /** The comment of the trusted line, else the fingerprint. */
  readonly name: string;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly fingerprint: string;
}

/**
 * Checks a signature made with `ssh-keygen -Y sign -n clusterlift`.
 * Format: OpenSSH PROTOCOL.sshsig.
 * @param message the bytes that were signed
 * @param signature the armoured text
 * @param trusted public keys, one `type base64 comment` each
 * @throws ClusterliftError `signature-invalid` when it does not fit the message or cannot be read,
 *   `signature-untrusted` when none of the trusted keys made it
 */
export function verifySignature(message: Uint8Array, signature: string, trusted: readonly string[]): Signer {
  const sig = read(() => parseSignature(signature));
  const fingerprint = fingerprintOf(sig.publicKey);
  const signer = trusted.map(parseTrusted).find((each) => each.blob.equals(sig.publicKey));
  if (signer === undefined) {
    throw new ClusterliftError({
      code: 'signature-untrusted',
      message: `The package is signed by ${fingerprint}, which is not one of trustedSigners`,
      hint: 'Check with the publisher whether this key is theirs; if so, add it to upgrade.trustedSigners in clusters.json.',
      exit: ExitStatus.refused,
    });
  }
  const signed = Buffer.concat([
    MAGIC,
    sshString(NAMESPACE),
    sshString(sig.reserved),
    sshString(sig.hash),
    sshString(createHash(sig.hash).update(message).digest()),
  ]);
  if (!read(() => signatureFits(sig, signed))) throw invalid('it does not fit the file');
  return { name: signer.comment === '' ? fingerprint : signer.comment, fingerprint };
}

const MAGIC = Buffer.from('SSHSIG');

interface Signature extends SshSignature {
  readonly reserved: Buffer;
  readonly hash: 'sha256' | 'sha512';
}

function parseSignature(text: string): Signature {
  const match = /^\s*-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----\s*$/.exec(text);
  if (match?.[1] === undefined) throw invalid('it is not an SSH signature');
  const blob = Buffer.from(match[1], 'base64');
  if (!blob.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid('it is not an SSH signature');
  const outer = new Fields(blob.subarray(MAGIC.length));
  if (outer.uint32() !== 1) throw invalid('its version is unknown');
  const publicKey = outer.string();
  const namespace = outer.string().toString();
  const reserved = outer.string();
  const hash = outer.string().toString();
  const inner = new Fields(outer.string());
  if (namespace !== NAMESPACE) throw invalid(`it was made for “${line(namespace, 40)}”, not for “${NAMESPACE}”`);
  if (hash !== 'sha256' && hash !== 'sha512') throw invalid(`its hash ${line(hash, 40)} is unknown`);
  return { publicKey, reserved, hash, algorithm: inner.string().toString(), bytes: inner.string() };
}

function parseTrusted(text: string): { readonly blob: Buffer; readonly comment: string } {
  const [, base64 = '', comment = ''] = /^\s*\S+\s+(\S+)\s*(.*?)\s*$/.exec(text) ?? [];
  return { blob: Buffer.from(base64, 'base64'), comment: line(comment, 100) };
}

function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof SshDataError ? invalid(error.message, error) : error;
  }
}

function invalid(why: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'signature-invalid',
    message: `The signature of the package is no good: ${why}`,
    hint: 'Do not use this package; get it again from its publisher.',
    exit: ExitStatus.refused,
    cause,
  });
}
