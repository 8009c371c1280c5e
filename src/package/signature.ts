import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../base/errors';
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
 * Format: OpenSSH PROTOCOL.sshsig; keys and signatures: RFC 4253, 5656, 8332, 8709.
 * @param message the bytes that were signed
 * @param signature the armoured text
 * @param trusted public keys, one `type base64 comment` each
 * @throws ClusterliftError `signature-invalid` when it does not fit the message or cannot be read,
 *   `signature-untrusted` when none of the trusted keys made it
 */
export function verifySignature(message: Uint8Array, signature: string, trusted: readonly string[]): Signer {
  const sig = parseSignature(signature);
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
    string(Buffer.from(NAMESPACE)),
    string(sig.reserved),
    string(Buffer.from(sig.hash)),
    string(createHash(sig.hash).update(message).digest()),
  ]);
  if (!fits(sig, signed)) throw invalid('it does not fit the file');
  return { name: signer.comment === '' ? fingerprint : signer.comment, fingerprint };
}

const MAGIC = Buffer.from('SSHSIG');

interface Signature {
  readonly publicKey: Buffer;
  readonly reserved: Buffer;
  readonly hash: 'sha256' | 'sha512';
  readonly algorithm: string;
  readonly bytes: Buffer;
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

function fits({ publicKey, algorithm, bytes }: Signature, signed: Buffer): boolean {
  const fields = new Fields(publicKey);
  const type = fields.string().toString();
  try {
    switch (type) {
      case 'ssh-ed25519':
        return algorithm === type && verify(null, signed, ed25519(fields.string()), bytes);
      case 'ssh-rsa':
        return rsaFits(fields, algorithm, signed, bytes);
      case 'ecdsa-sha2-nistp256':
      case 'ecdsa-sha2-nistp384':
      case 'ecdsa-sha2-nistp521':
        return algorithm === type && ecdsaFits(fields, CURVES[type], signed, bytes);
      default:
        throw invalid(`keys of type ${line(type, 60)} are not supported; use ed25519, RSA or ECDSA`);
    }
  } catch (error) {
    if (error instanceof ClusterliftError) throw error;
    throw invalid('its key cannot be read', error);
  }
}

function ed25519(key: Buffer): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') }, format: 'jwk' });
}

/** The old `ssh-rsa` algorithm is SHA-1 and does not count. */
function rsaFits(fields: Fields, algorithm: string, signed: Buffer, bytes: Buffer): boolean {
  const hash = algorithm === 'rsa-sha2-512' ? 'sha512' : algorithm === 'rsa-sha2-256' ? 'sha256' : undefined;
  const e = fields.number();
  const n = fields.number();
  if (hash === undefined || n.length < 256) throw invalid('RSA needs SHA-2 and at least 2048 bits');
  const jwk = { kty: 'RSA', e: e.toString('base64url'), n: n.toString('base64url') };
  return verify(hash, signed, createPublicKey({ key: jwk, format: 'jwk' }), bytes);
}

interface Curve {
  readonly name: string;
  /** Bytes of a coordinate. */
  readonly size: number;
  readonly hash: string;
}

const CURVES = {
  'ecdsa-sha2-nistp256': { name: 'P-256', size: 32, hash: 'sha256' },
  'ecdsa-sha2-nistp384': { name: 'P-384', size: 48, hash: 'sha384' },
  'ecdsa-sha2-nistp521': { name: 'P-521', size: 66, hash: 'sha512' },
} as const satisfies Record<string, Curve>;

function ecdsaFits(fields: Fields, { name, size, hash }: Curve, signed: Buffer, bytes: Buffer): boolean {
  fields.string(); // the curve once more
  const point = fields.string();
  if (point.length !== 1 + 2 * size || point[0] !== 4) throw invalid('its ECDSA key is not an uncompressed point');
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  const jwk = { kty: 'EC', crv: name, x: x.toString('base64url'), y: y.toString('base64url') };
  const numbers = new Fields(bytes);
  const pair = [numbers.number(), numbers.number()];
  if (pair.some((each) => each.length > size)) return false;
  const padded = Buffer.concat(pair.map((each) => Buffer.concat([Buffer.alloc(size - each.length), each])));
  return verify(hash, signed, { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, padded);
}

/** The wire format of SSH (RFC 4251, section 5). */
class Fields {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  uint32(): number {
    if (this.at + 4 > this.bytes.length) throw invalid('it ends too early');
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }

  string(): Buffer {
    const length = this.uint32();
    if (this.at + length > this.bytes.length) throw invalid('it ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A positive number without the zeros in front. */
  number(): Buffer {
    const bytes = this.string();
    const first = bytes.findIndex((each) => each !== 0);
    return first === -1 ? Buffer.alloc(0) : bytes.subarray(first);
  }
}

function string(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
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
