import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { line } from './text';

/** Bytes of SSH that cannot be read, or say what does not count; the message completes a sentence about them. */
export class SshDataError extends Error {}

export interface SshSignature {
  /** The key as a blob (RFC 4253, 6.6). */
  readonly publicKey: Buffer;
  readonly algorithm: string;
  readonly bytes: Buffer;
}

/**
 * Did the holder of this key sign these bytes? ed25519, ECDSA and RSA with SHA-2 only.
 * Keys and signatures: RFC 4253, 5656, 8332, 8709.
 * @throws SshDataError when key or signature cannot be read, or are of a kind that does not count
 */
export function signatureFits({ publicKey, algorithm, bytes }: SshSignature, signed: Buffer): boolean {
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
        throw new SshDataError(`keys of type ${line(type, 60)} are not supported; use ed25519, RSA or ECDSA`);
    }
  } catch (error) {
    if (error instanceof SshDataError) throw error;
    throw new SshDataError('its key cannot be read', { cause: error });
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
  if (hash === undefined || n.length < 256) throw new SshDataError('RSA needs SHA-2 and at least 2048 bits');
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
  if (point.length !== 1 + 2 * size || point[0] !== 4)
    throw new SshDataError('its ECDSA key is not an uncompressed point');
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  const jwk = { kty: 'EC', crv: name, x: x.toString('base64url'), y: y.toString('base64url') };
  const numbers = new Fields(bytes);
  const pair = [numbers.number(), numbers.number()];
  if (pair.some((each) => each.length > size)) return false;
  const padded = Buffer.concat(pair.map((each) => Buffer.concat([Buffer.alloc(size - each.length), each])));
  return verify(hash, signed, { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, padded);
}

/** Reads the wire format of SSH (RFC 4251, section 5). */
export class Fields {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get over(): boolean {
    return this.at === this.bytes.length;
  }

  byte(): number {
    if (this.over) throw new SshDataError('it ends too early');
    return this.bytes.readUInt8(this.at++);
  }

  uint32(): number {
    if (this.at + 4 > this.bytes.length) throw new SshDataError('it ends too early');
    this.at += 4;
    return this.bytes.readUInt32BE(this.at - 4);
  }

  string(): Buffer {
    const length = this.uint32();
    if (this.at + length > this.bytes.length) throw new SshDataError('it ends too early');
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

/** A string in that format. */
export function sshString(content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
