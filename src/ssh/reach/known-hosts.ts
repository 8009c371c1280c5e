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
    if (hosts === undefined || hosts === '' || hosts.startsWith('#') || !isBase64(key)) return [];
    if (keyType === undefined || keyType !== keyTypeOf(Buffer.from(key, 'base64'))) return [];
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

/** The names under which OpenSSH looks a server up (`get_hostfile_hostname_ipaddr` in its sshconnect.c). */
export interface RecordNames {
  /** `host`, or `[host]:port` for another port than 22; with a HostKeyAlias the alias alone, whatever the port. */
  readonly exact: string;
  /** The host without its port, where a key on record is good on any port; undefined: only `exact` counts. */
  readonly bare: string | undefined;
}

/** @param alias HostKeyAlias of ssh_config */
export function recordNames(host: string, port: number, alias?: string): RecordNames {
  if (alias !== undefined) return { exact: alias.toLowerCase(), bare: undefined };
  const name = host.toLowerCase();
  return port === 22 ? { exact: name, bare: undefined } : { exact: `[${name}]:${String(port)}`, bare: name };
}

/**
 * Looks a key up, with the answers of OpenSSH: a key on record for the bare name is good on another port, too,
 * but only a record for exactly this name makes it *changed*.
 * @param key the public key blob (RFC 4253, 6.6)
 */
export function judge(records: readonly KnownHost[], names: RecordNames, key: Uint8Array): Verdict {
  const encoded = stripPadding(Buffer.from(key).toString('base64'));
  const shown = (record: KnownHost): boolean => stripPadding(record.key) === encoded;
  const mine = records.filter((record) => matchesHost(record.hosts, names.exact));
  const revoked = mine.find((record) => record.marker === 'revoked' && shown(record));
  if (revoked) return { kind: 'revoked', at: revoked };
  const plain = mine.filter((record) => record.marker === 'none');
  if (plain.some(shown)) return { kind: 'known' };
  const [other] = plain;
  if (other) return { kind: 'changed', at: other };
  const { bare } = names;
  const elsewhere = bare === undefined ? [] : records.filter(({ hosts }) => matchesHost(hosts, bare)).filter(shown);
  // `ssh` would ask about a key that is revoked for the bare name; there is no good answer to that question.
  const revokedElsewhere = elsewhere.find((record) => record.marker === 'revoked');
  if (revokedElsewhere) return { kind: 'revoked', at: revokedElsewhere };
  if (elsewhere.some((record) => record.marker === 'none')) return { kind: 'known' };
  return { kind: 'unknown', certificateAuthority: mine.some((record) => record.marker === 'cert-authority') };
}

function stripPadding(base64: string): string {
  return base64.replace(/=+$/, '');
}

/** The key types on record for a host: to be offered first, else the server may show another key and look changed. */
export function recordedTypes(records: readonly KnownHost[], { exact, bare }: RecordNames): string[] {
  const isMine = ({ hosts }: KnownHost): boolean =>
    matchesHost(hosts, exact) || (bare !== undefined && matchesHost(hosts, bare));
  const types = records.filter((record) => record.marker === 'none' && isMine(record)).map((record) => record.keyType);
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
