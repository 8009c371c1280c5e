import { createHash } from 'node:crypto';
import { wallClock } from '../base/clock';
import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { parseSigner } from '../base/signers';
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

/** Whose signatures count. */
export interface Signers {
  /** Lines as `parseSigner` reads them. */
  readonly trusted: readonly string[];
  /** Keys that count no more, also where they are trusted: such a line, or a fingerprint. */
  readonly revoked: readonly string[];
  /** Milliseconds since 1970: the time that limits of keys are compared with. Default: now. */
  readonly at?: number;
}

/** What a signature that fits its message is worth. */
export interface Verdict extends Signer {
  readonly standing: 'trusted' | 'unknown' | 'early' | 'expired' | 'revoked';
  /** Milliseconds since 1970: until when it counts not yet (`early`), or since when no more (`expired`). */
  readonly limit?: number;
}

/**
 * Reads a signature made with `ssh-keygen -Y sign -n clusterlift`, and says who made it.
 * Format: OpenSSH PROTOCOL.sshsig. The time of a signature is not in it: limits of a key hold for the moment of checking.
 * @param message the bytes that were signed
 * @param signature the armoured text
 * @throws ClusterliftError `signature-invalid` when it does not fit the message or cannot be read
 */
export function judgeSignature(message: Uint8Array, signature: string, signers: Signers): Verdict {
  const sig = read(() => parseSignature(signature));
  const signed = Buffer.concat([
    MAGIC,
    sshString(NAMESPACE),
    sshString(sig.reserved),
    sshString(sig.hash),
    sshString(createHash(sig.hash).update(message).digest()),
  ]);
  if (!read(() => signatureFits(sig, signed))) throw invalid('it does not fit the file');
  return standingOf(sig.publicKey, signers);
}

/**
 * Checks a signature of somebody who must be trusted.
 * @throws ClusterliftError those of `judgeSignature`; `signature-untrusted`, `signature-expired`, `signature-revoked`
 */
export function verifySignature(message: Uint8Array, signature: string, signers: Signers): Signer {
  const { standing, name, fingerprint, limit } = judgeSignature(message, signature, signers);
  switch (standing) {
    case 'trusted':
      return { name, fingerprint };
    case 'unknown':
      throw untrusted(
        'signature-untrusted',
        `The package is signed by ${fingerprint}, which is not one of trustedSigners`,
        'Check with the publisher whether this key is theirs; if so, add it to upgrade.trustedSigners in clusters.json.',
      );
    case 'early':
    case 'expired': {
      const when = `${standing === 'early' ? 'counts only from' : 'counted only until'} ${dayOf(limit)}`;
      const key = standing === 'early' ? 'valid-after' : 'valid-before';
      throw untrusted(
        'signature-expired',
        `The package is signed by ${name}, whose key ${when}`,
        `Get a package with a newer signature, or change "${key}" of that key in upgrade.trustedSigners.`,
      );
    }
    case 'revoked':
      throw untrusted(
        'signature-revoked',
        `The package is signed by ${name}, whose key is revoked`,
        'Do not use this package; ask its publisher for one with a signature of another key.',
      );
  }
}

/** Revoked beats trusted. Of several lines for one key, the one that counts now does. */
function standingOf(publicKey: Buffer, { trusted, revoked, at = wallClock() }: Signers): Verdict {
  const fingerprint = fingerprintOf(publicKey);
  const lines = trusted.flatMap((each) => parseSigner(each) ?? []).filter(({ blob }) => blob.equals(publicKey));
  const named = lines.find(({ comment }) => comment !== '');
  const who = { name: named ? line(named.comment, 100) : fingerprint, fingerprint };
  const gone = revoked.some((each) => each.trim() === fingerprint || parseSigner(each)?.blob.equals(publicKey));
  if (gone) return { ...who, standing: 'revoked' };
  // As OpenSSH has it: whole seconds, and the last one counts.
  const second = Math.floor(at / 1000) * 1000;
  const [first] = lines;
  if (!first) return { ...who, standing: 'unknown' };
  const now = lines.find(({ after = -Infinity, before = Infinity }) => after <= second && second <= before);
  if (now) return { ...who, ...(now.comment !== '' && { name: line(now.comment, 100) }), standing: 'trusted' };
  const early = lines.find(({ after }) => after !== undefined && at < after);
  return early
    ? { ...who, standing: 'early', ...limitOf(early.after) }
    : { ...who, standing: 'expired', ...limitOf(first.before) };
}

function limitOf(limit: number | undefined): Pick<Verdict, 'limit'> {
  return limit === undefined ? {} : { limit };
}

/** `2026-12-31 23:00 UTC` */
export function dayOf(time: number | undefined): string {
  return time === undefined ? '?' : `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function untrusted(code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.refused });
}

/** How each message of `signature-invalid` begins. */
export const NO_GOOD = 'The signature of the package is no good: ';

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
    message: `${NO_GOOD}${why}`,
    hint: 'Do not use this package; get it again from its publisher.',
    exit: ExitStatus.refused,
    cause,
  });
}
