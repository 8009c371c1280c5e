import type { CipherAlgorithm, KexAlgorithm, MacAlgorithm, NegotiatedAlgorithms, ServerHostKeyAlgorithm } from 'ssh2';
import { matchesPattern } from './known-hosts';
import type { SshOptions } from './ssh-config';

/** What one connection offers, in order of preference. Compression is never offered: a server could send bombs. */
export interface Algorithms {
  readonly kex: readonly KexAlgorithm[];
  readonly cipher: readonly CipherAlgorithm[];
  readonly hmac: readonly MacAlgorithm[];
  readonly serverHostKey: readonly ServerHostKeyAlgorithm[];
  /** Fewest bits of an RSA key, of the server or of ours. */
  readonly rsaBits: number;
  /** May a key of ours sign with SHA-1 (`ssh-rsa`)? */
  readonly sha1Logins: boolean;
}

/** What ssh2 can do of the defaults of OpenSSH 9.2 (ssh_config(5)), without its SHA-1 MACs. */
const KEX: readonly KexAlgorithm[] = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group-exchange-sha256',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
];
// The first one is hardware-accelerated everywhere; the editor's crypto has no chacha20.
const CIPHERS: readonly CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
];
const MACS: readonly MacAlgorithm[] = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
];
const HOST_KEYS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Offered only where the user's own ssh_config names them for the host. */
const OLD_KEX: readonly KexAlgorithm[] = [
  'diffie-hellman-group-exchange-sha1',
  'diffie-hellman-group14-sha1',
  'diffie-hellman-group1-sha1',
];
const OLD_CIPHERS: readonly CipherAlgorithm[] = ['aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'];
const OLD_MACS: readonly MacAlgorithm[] = ['hmac-sha1-etm@openssh.com', 'hmac-sha1'];
const OLD_HOST_KEYS: readonly ServerHostKeyAlgorithm[] = ['ssh-rsa'];
const OLD = new Set<string>([...OLD_KEX, ...OLD_CIPHERS, ...OLD_MACS, ...OLD_HOST_KEYS]);

const RSA_BITS = 2048;

/**
 * The algorithms for one host.
 * @param all what all ssh_config files say about the host: they may leave algorithms out and order them
 * @param own what the user's own file says: only that may ask for old ones
 */
export function algorithmsFor(all: SshOptions, own: SshOptions): Algorithms {
  const list = <T extends string>(
    key: 'kexalgorithms' | 'ciphers' | 'macs' | 'hostkeyalgorithms',
    usual: readonly T[],
    old: readonly T[],
  ): readonly T[] => {
    const isOwn = own[key] !== undefined;
    const chosen = choose(all[key], usual, isOwn ? old : []);
    return chosen.length > 0 ? chosen : usual;
  };
  const bits = Number(own.requiredrsasize ?? RSA_BITS);
  return {
    kex: list('kexalgorithms', KEX, OLD_KEX),
    cipher: list('ciphers', CIPHERS, OLD_CIPHERS),
    hmac: list('macs', MACS, OLD_MACS),
    serverHostKey: list('hostkeyalgorithms', HOST_KEYS, OLD_HOST_KEYS),
    // OpenSSH never goes below 1024 bits, whatever is asked for.
    rsaBits: Number.isInteger(bits) ? Math.max(bits, 1024) : RSA_BITS,
    sha1Logins: choose(own.pubkeyacceptedalgorithms, HOST_KEYS, OLD_HOST_KEYS).includes('ssh-rsa'),
  };
}

/** A list of ssh_config(5): names replace the usual ones; `+` adds, `-` takes away, `^` puts first. */
function choose<T extends string>(text: string | undefined, usual: readonly T[], old: readonly T[]): readonly T[] {
  if (text === undefined) return usual;
  const sign = /^[-+^]/.exec(text)?.[0] ?? '';
  const patterns = text.slice(sign.length).split(',');
  const isNamed = (name: string): boolean => patterns.some((pattern) => matchesPattern(pattern, name));
  if (sign === '-') return usual.filter((name) => !isNamed(name));
  const known = [...usual, ...old];
  const named = patterns.flatMap((pattern) => known.filter((name) => matchesPattern(pattern, name)));
  if (sign === '+') return [...new Set([...usual, ...named])];
  return [...new Set(sign === '^' ? [...named, ...usual] : named)];
}

/** Types on record first: a server that shows another of its keys would look changed. */
export function hostKeyOrder(
  offered: readonly ServerHostKeyAlgorithm[],
  known: readonly string[],
): ServerHostKeyAlgorithm[] {
  const isKnown = (algorithm: string): boolean => known.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm);
  return [...offered.filter(isKnown), ...offered.filter((each) => !isKnown(each))];
}

/** The old algorithms among those that a connection uses. */
export function oldAmong({ kex, serverHostKey, cs, sc }: NegotiatedAlgorithms): string[] {
  const used = [kex, serverHostKey, cs.cipher, sc.cipher, cs.mac, sc.mac];
  return [...new Set(used)].filter((name) => OLD.has(name));
}

/** Bits of the modulus of an RSA public key (RFC 4253, 6.6: `ssh-rsa`, e, n); undefined: another type, or no key. */
export function rsaBitsOf(key: Uint8Array): number | undefined {
  const blob = Buffer.from(key);
  let at = 0;
  const field = (): Buffer => {
    const length = blob.readUInt32BE(at);
    const value = blob.subarray(at + 4, at + 4 + length);
    if (value.length !== length) throw new RangeError('cut off');
    at += 4 + length;
    return value;
  };
  try {
    if (field().toString('latin1') !== 'ssh-rsa') return undefined;
    field();
    const modulus = field();
    const first = modulus.findIndex((byte) => byte !== 0);
    return first < 0 ? 0 : (modulus.length - first) * 8 - Math.clz32(modulus[first] ?? 0) + 24;
  } catch {
    return undefined;
  }
}
