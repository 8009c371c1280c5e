import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). */
export interface KnownHost {
  readonly marker: 'none' | 'revoked' | 'cert-authority';
  /** The first field: names and patterns with commas, or `|1|salt|hash`. */
  readonly hosts: string;
  readonly keyType: string;
  /** The key as base64. */
  readonly key: string;
  readonly file: string;
  readonly line: number;
}

/** What is on record about a key that a server shows. */
export type Verdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'revoked'; readonly at: KnownHost }
  /** Another key is on record, maybe of another type. */
  | { readonly kind: 'changed'; readonly at: KnownHost }
  | { readonly kind: 'unknown'; readonly certificateAuthority: boolean };

/** Reads the lines of a known_hosts file; comments and lines that make no sense are left out, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => {
    const fields = line.trim().split(/[ \t]+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [hosts, keyType, key] = fields;
    if (hosts === undefined || hosts === '' || hosts.startsWith('#') || keyType === undefined || !isBase64(key))
      return [];
    const kind = marker === undefined ? 'none' : MARKERS.get(marker);
    return kind === undefined ? [] : [{ marker: kind, hosts, keyType, key, file, line: index + 1 }];
  });
}

const MARKERS = new Map([
  ['@revoked', 'revoked' as const],
  ['@cert-authority', 'cert-authority' as const],
]);

function isBase64(text: string | undefined): text is string {
  return text !== undefined && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}

/** The name under which a server is on record: `host`, or `[host]:port` for another port than 22. Lower case. */
export function recordName(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${String(port)}`;
}

/**
 * Looks a key up. A key that is on record for the bare name is also good on another port, as for OpenSSH;
 * but only a record for exactly this name makes it *changed*.
 * @param key the public key blob (RFC 4253, 6.6)
 */
export function judge(records: readonly KnownHost[], host: string, port: number, key: Uint8Array): Verdict {
  const encoded = Buffer.from(key).toString('base64');
  const mine = records.filter((record) => matchesHost(record.hosts, recordName(host, port)));
  const bare = port === 22 ? [] : records.filter((record) => matchesHost(record.hosts, recordName(host, 22)));
  const same = [...mine, ...bare].filter((record) => stripPadding(record.key) === stripPadding(encoded));
  const revoked = same.find((record) => record.marker === 'revoked');
  if (revoked) return { kind: 'revoked', at: revoked };
  if (same.some((record) => record.marker === 'none')) return { kind: 'known' };
  const other = mine.find((record) => record.marker === 'none');
  if (other) return { kind: 'changed', at: other };
  return { kind: 'unknown', certificateAuthority: mine.some((record) => record.marker === 'cert-authority') };
}

function stripPadding(base64: string): string {
  return base64.replace(/=+$/, '');
}

/** The key types on record for a host: to be offered first, else the server may show another key and look changed. */
export function recordedTypes(records: readonly KnownHost[], host: string, port: number): string[] {
  const names = new Set([recordName(host, port), recordName(host, 22)]);
  const types = records
    .filter((record) => record.marker === 'none' && [...names].some((name) => matchesHost(record.hosts, name)))
    .map((record) => record.keyType);
  return [...new Set(types)];
}

/** Does the first field of a line name this host? One negated pattern that matches rules the line out. */
export function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return matchesHash(hosts, name);
  let found = false;
  for (const pattern of hosts.split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern((negated ? pattern.slice(1) : pattern).toLowerCase(), name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

// `|1|base64(salt)|base64(HMAC-SHA1(salt, name))`
function matchesHash(field: string, name: string): boolean {
  const [, version, salt, hash] = field.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** `*` is any run of characters, `?` any one; everything else is itself. In linear time per `*`: patterns may be hostile. */
export function matchesPattern(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** The fingerprint that `ssh-keygen -l` shows: `SHA256:…` without padding. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${stripPadding(createHash('sha256').update(key).digest('base64'))}`;
}

/** The type that a key blob names itself by; `unknown` when it is none. */
export function keyTypeOf(key: Uint8Array): string {
  const blob = Buffer.from(key);
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0;
  const name = blob.subarray(4, 4 + length).toString('latin1');
  return length > 0 && length < 100 && /^[\w@.-]+$/.test(name) ? name : 'unknown';
}
