import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory } from '../../base/directories';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { writeOwn } from '../../base/own-files';
import { advice } from '../../base/shell';
import { rsaBitsOf } from './algorithms';
import type { Asker } from '../connection';
import {
  type KnownHost,
  type RecordNames,
  fingerprint,
  judge,
  keyTypeOf,
  parseKnownHosts,
  recordedTypes,
} from './known-hosts';

/** Who is to be verified. */
export interface Host {
  /** As people call it: a node of the cluster, or a jump host. */
  readonly node: string;
  readonly names: RecordNames;
  /** The user's and the system's known_hosts. */
  readonly files: readonly string[];
  /** `StrictHostKeyChecking yes`: an unknown key is refused without a question. */
  readonly strict: boolean;
  /** Fewest bits of an RSA key. */
  readonly rsaBits: number;
}

export interface HostKeysOptions {
  /** Our own store; the user's files are only read. */
  readonly store: string;
  /** `--accept-new-host-keys` */
  readonly acceptNew: boolean;
}

/** Decides on the keys that servers show. */
export class HostKeys {
  private writing: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: HostKeysOptions) {}

  /** The key types on record, for the order in which we offer algorithms. */
  async typesOf(host: Host): Promise<string[]> {
    return recordedTypes(await this.records(host), host.names);
  }

  /**
   * Returns when the key may be trusted. A new key that a person (or the option) accepted is stored first.
   * @param key public key blob
   * @throws ClusterliftError `host-key-revoked`, `host-key-changed`, `host-key-unknown`, `host-key-weak`
   */
  async verify(host: Host, key: Uint8Array, asker: Asker, signal?: AbortSignal): Promise<void> {
    const verdict = judge(await this.records(host), host.names, key);
    const bits = rsaBitsOf(key) ?? host.rsaBits;
    if (bits < host.rsaBits && verdict.kind !== 'revoked') throw weak(host, bits);
    switch (verdict.kind) {
      case 'known':
        return;
      case 'revoked':
        throw revoked(host, key, verdict.at);
      case 'changed':
        throw changed(host, key, verdict.at);
      case 'unknown':
        if (!(await this.accepted(host, key, asker, signal))) throw unknown(host, key, verdict.certificateAuthority);
        await this.add(host, key);
    }
  }

  private async accepted(host: Host, key: Uint8Array, asker: Asker, signal: AbortSignal | undefined): Promise<boolean> {
    if (host.strict) return false;
    if (this.options.acceptNew) return true;
    const question = {
      kind: 'host-key',
      node: host.node,
      host: host.names.exact,
      keyType: keyTypeOf(key),
      fingerprint: fingerprint(key),
    } as const;
    return (await asker.ask(question, signal)) === 'yes';
  }

  private async records(host: Host): Promise<KnownHost[]> {
    const texts = await Promise.all([...host.files, this.options.store].map(readKnownHosts));
    return texts.flat();
  }

  // Appends a whole line in one write; one writer at a time within this process.
  private async add(host: Host, key: Uint8Array): Promise<void> {
    const { store } = this.options;
    const line = `${host.names.exact} ${keyTypeOf(key)} ${Buffer.from(key).toString('base64')}\n`;
    const write = async (): Promise<void> => {
      await makeDirectory(dirname(store));
      const file = await open(store, 'a+', 0o600);
      try {
        const { size } = await file.stat();
        const last = size === 0 ? undefined : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0];
        await file.appendFile(last === undefined || last === 0x0a ? line : `\n${line}`);
        await file.sync();
      } finally {
        await file.close();
      }
    };
    const keep = (): Promise<void> => writeOwn(dirname(store), write);
    const mine = this.writing.then(keep, keep);
    this.writing = mine;
    await mine;
  }
}

async function readKnownHosts(file: string): Promise<KnownHost[]> {
  try {
    return parseKnownHosts(await readFile(file, 'utf8'), file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new ClusterliftError({
      code: 'known-hosts-unreadable',
      message: `${file} cannot be read, so no host key can be checked`,
      hint: advice`Make it readable for this user: \`ls -l ${file}\``,
      exit: ExitStatus.refused,
      cause: error,
    });
  }
}

function unknown(host: Host, key: Uint8Array, certificateAuthority: boolean): ClusterliftError {
  const name = host.names.exact;
  const ca = certificateAuthority
    ? ' (host certificates, as your @cert-authority line wants them, are not supported)'
    : '';
  return new ClusterliftError({
    code: 'host-key-unknown',
    message: `the host key of ${host.node} (${name}) is not known: ${keyTypeOf(key)} ${fingerprint(key)}${ca}`,
    hint: advice`Compare it with \`ssh-keygen -lf /etc/ssh/ssh_host_${fileType(key)}_key.pub\` on the node; then connect once with \`ssh\`, answer the question, or use --accept-new-host-keys.`,
    exit: ExitStatus.refused,
    node: host.node,
  });
}

function weak(host: Host, bits: number): ClusterliftError {
  return new ClusterliftError({
    code: 'host-key-weak',
    message: `the RSA host key of ${host.node} has ${String(bits)} bits, and at least ${String(host.rsaBits)} are needed`,
    hint: 'Give the node a new host key (`ssh-keygen -A` makes what is missing). If it cannot have one, set `RequiredRSASize 1024` for this host in your own ssh_config.',
    exit: ExitStatus.refused,
    node: host.node,
  });
}

function changed(host: Host, key: Uint8Array, at: KnownHost): ClusterliftError {
  const name = host.names.exact;
  const recorded = fingerprint(Buffer.from(at.key, 'base64'));
  return new ClusterliftError({
    code: 'host-key-changed',
    message: `the host key of ${host.node} (${name}) changed: it shows ${keyTypeOf(key)} ${fingerprint(key)}, but ${at.file}:${String(at.line)} has ${at.keyType} ${recorded}`,
    hint: advice`Somebody may be listening in. If the node was reinstalled: \`ssh-keygen -R ${name} -f ${at.file}\``,
    exit: ExitStatus.refused,
    node: host.node,
  });
}

function revoked(host: Host, key: Uint8Array, at: KnownHost): ClusterliftError {
  return new ClusterliftError({
    code: 'host-key-revoked',
    message: `the host key of ${host.node} is revoked: ${keyTypeOf(key)} ${fingerprint(key)} in ${at.file}:${String(at.line)}`,
    hint: 'Do not connect; give the node a new host key.',
    exit: ExitStatus.refused,
    node: host.node,
  });
}

// As in the names of sshd's files: ssh_host_ed25519_key.
function fileType(key: Uint8Array): string {
  const type = keyTypeOf(key);
  return type.startsWith('ecdsa') ? 'ecdsa' : type.replace(/^ssh-/, '');
}
