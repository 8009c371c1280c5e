import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import {
  BaseAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
  createAgent,
  utils,
} from 'ssh2';
import { within } from '../../base/async';
import { after } from '../../base/clock';
import { messageOf } from '../../base/errors';
import { advice } from '../../base/shell';
import type { Asker } from '../connection';
import { fingerprint } from './known-hosts';
import { PasswordSource } from '../password';
import type { Secrets } from '../secrets';

/** A key that may be offered: the server is asked about its public part before anything is unlocked. */
export interface KeyOffer {
  /** For messages, such as `~/.ssh/id_ed25519` or `agent key SHA256:…`. */
  readonly label: string;
  readonly publicKey: ParsedKey;
  sign(data: Buffer, options: SigningRequestOptions, asker: Asker, signal: AbortSignal | undefined): Promise<Buffer>;
}

/** Why a key is not offered at all. */
export interface KeyProblem {
  readonly label: string;
  readonly problem: string;
  /** Known all the same: the agent may hold the private part. */
  readonly publicKey?: ParsedKey;
}

export const DEFAULT_IDENTITIES = ['id_ed25519', 'id_ecdsa', 'id_rsa'];
/** Milliseconds for an agent to list its keys. */
const AGENT_DEADLINE = 5000;
const AGENT_SIGN_DEADLINE = 120_000;

/** The key files of one run; each is unlocked once, whatever number of nodes wants it. */
export class KeyFiles {
  private readonly unlocked = new Map<string, Promise<ParsedKey>>();

  constructor(private readonly secrets: Secrets) {}

  /** The key of a file as an offer; undefined when there is no such file. */
  async offer(file: string, node: string): Promise<KeyOffer | KeyProblem | undefined> {
    const read = await readKeyFile(file);
    if (typeof read === 'string') return { label: file, problem: read };
    const text = read?.content;
    const companion = await readKeyFile(`${file}.pub`).then((each) =>
      typeof each === 'string' ? undefined : each?.content,
    );
    if (!text && !companion) return undefined;
    const publicKey = (companion && publicPart(companion)) ?? (text && publicPart(text));
    if (publicKey instanceof Error) return { label: file, problem: problemOf(publicKey) };
    if (!publicKey)
      return { label: file, problem: 'needs its .pub file next to it, because it is encrypted in the old PEM format' };
    const parsed = text && single(utils.parseKey(text));
    if (!text || (parsed && !(parsed instanceof Error) && !parsed.isPrivateKey())) {
      return { label: file, problem: 'only the public key is there', publicKey };
    }
    if (read.exposed) return { label: file, problem: advice`others can read it: \`chmod go-rwx ${file}\``, publicKey };
    return {
      label: file,
      publicKey,
      sign: async (data, { hash }, asker, signal) => {
        const key = await this.unlock(file, text, node, asker, signal);
        return key.sign(data, hash);
      },
    };
  }

  private unlock(file: string, text: Buffer, node: string, asker: Asker, signal?: AbortSignal): Promise<ParsedKey> {
    const known = this.unlocked.get(file);
    if (known) return known;
    const key = this.decrypt(file, text, node, asker, signal);
    this.unlocked.set(file, key);
    key.catch(() => {
      this.unlocked.delete(file);
    });
    return key;
  }

  private async decrypt(
    file: string,
    text: Buffer,
    node: string,
    asker: Asker,
    signal?: AbortSignal,
  ): Promise<ParsedKey> {
    const open = single(utils.parseKey(text));
    if (!(open instanceof Error)) return open;
    const passphrases = new PasswordSource(
      {
        given: 'key-passphrase',
        purpose: `passphrase ${file}`,
        question: (retry) => ({ kind: 'passphrase', node, file, retry }),
      },
      this.secrets,
    );
    for (;;) {
      const candidate = await passphrases.next(asker, signal);
      if (!candidate) throw new Error(passphrases.refused ? 'its passphrase was wrong' : 'nobody gave its passphrase');
      const key = single(utils.parseKey(text, candidate.value));
      if (!(key instanceof Error)) {
        candidate.accept();
        return key;
      }
      candidate.reject();
    }
  }
}

/** Largest key file, in bytes. */
const MAX_KEY_FILE = 1 << 20;

interface KeyFile {
  readonly content: Buffer;
  /** Our own file, and others may read it: `ssh` ignores such a private key. */
  readonly exposed: boolean;
}

/** A regular file of a reasonable size, opened without waiting; a text says why not; undefined: there is none. */
async function readKeyFile(file: string): Promise<KeyFile | string | undefined> {
  // A name like \\\\server\\share would send this user's Windows credentials there.
  if (process.platform === 'win32' && /^[\\/]{2}/.test(file)) return 'a key file on a network share is not opened';
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const stat = await handle.stat();
    const { mode, uid, size } = stat;
    if (!stat.isFile()) return 'not a regular file';
    if (size > MAX_KEY_FILE) return 'larger than 1 MiB, so it is not a key';
    const exposed = process.platform !== 'win32' && uid === process.getuid?.() && (mode & 0o077) !== 0;
    return { content: await handle.readFile(), exposed };
  } catch (error) {
    return messageOf(error);
  } finally {
    await handle.close();
  }
}

/** The keys of an agent; empty, with the reason, when it does not answer. */
export async function agentOffers(socket: string): Promise<{ offers: KeyOffer[]; problem: string | undefined }> {
  const agent = createAgent(socket);
  try {
    const keys = await new Promise<readonly unknown[]>((resolve, reject) => {
      const timer = after(AGENT_DEADLINE, () => {
        reject(new Error('it does not answer'));
      });
      agent.getIdentities((error: Error | null | undefined, list: readonly unknown[] | undefined) => {
        timer.cancel();
        if (error) reject(error);
        else resolve(list ?? []);
      });
    });
    const offers = keys.flatMap((each) => {
      const key = single(utils.parseKey(each as ParsedKey));
      return key instanceof Error ? [] : [agentOffer(agent, key)];
    });
    return { offers, problem: undefined };
  } catch (error) {
    return { offers: [], problem: messageOf(error) };
  }
}

function agentOffer(agent: BaseAgent, publicKey: ParsedKey): KeyOffer {
  return {
    label: `agent key ${fingerprint(publicKey.getPublicSSH())}`,
    publicKey,
    sign: (data, options) =>
      within(AGENT_SIGN_DEADLINE, signBy(data, options), () => new Error('the agent does not sign')),
  };

  // It may ask a person first (`ssh-add -c`).
  function signBy(data: Buffer, options: SigningRequestOptions): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      agent.sign(publicKey, data, options, (error, signature) => {
        if (error ?? !signature) reject(error ?? new Error('the agent did not sign'));
        else resolve(signature);
      });
    });
  }
}

/** An offer as the agent that ssh2 wants: it asks the server about the public key first, and signs only then. */
export class OfferAgent extends BaseAgent<ParsedKey> {
  /** Did the server want it, so that we signed? */
  signed = false;
  /** Why we could not sign. */
  problem: string | undefined;

  constructor(
    private readonly publicKey: ParsedKey,
    private readonly signWith: (data: Buffer, options: SigningRequestOptions) => Promise<Buffer>,
  ) {
    super();
  }

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    done(undefined, [this.publicKey]);
  }

  override sign(
    _key: ParsedKey,
    data: Buffer,
    optionsOrDone: SigningRequestOptions | SignCallback,
    maybeDone?: SignCallback,
  ): void {
    const done = typeof optionsOrDone === 'function' ? optionsOrDone : maybeDone;
    const options = typeof optionsOrDone === 'function' ? {} : optionsOrDone;
    this.signWith(data, options).then(
      (signature) => {
        this.signed = true;
        done?.(undefined, signature);
      },
      (error: unknown) => {
        this.problem = messageOf(error);
        done?.(error instanceof Error ? error : new Error(this.problem));
      },
    );
  }
}

// The public part of a public or private key file; undefined: it is encrypted so that nothing can be seen.
function publicPart(text: Buffer): ParsedKey | Error | undefined {
  const key = single(utils.parseKey(text));
  if (!(key instanceof Error)) return key;
  if (!/encrypted/i.test(key.message)) return key;
  const blob = openSshPublicBlob(text.toString('latin1'));
  if (!blob) return undefined;
  const type = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
  return single(utils.parseKey(`${type} ${blob.toString('base64')}`));
}

/** In an encrypted OpenSSH key, the public key lies in the clear (PROTOCOL.key of OpenSSH, section 1). */
function openSshPublicBlob(pem: string): Buffer | undefined {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  const data = Buffer.from(body, 'base64');
  const magic = 'openssh-key-v1\0';
  if (data.subarray(0, magic.length).toString('latin1') !== magic) return undefined;
  let at = magic.length;
  const field = (): Buffer => {
    const length = data.readUInt32BE(at);
    const value = data.subarray(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  try {
    field(); // cipher
    field(); // key derivation
    field(); // its options
    at += 4; // number of keys
    return field();
  } catch {
    return undefined;
  }
}

function single(parsed: ParsedKey | ParsedKey[] | Error): ParsedKey | Error {
  return Array.isArray(parsed) ? (parsed[0] ?? new Error('no key in it')) : parsed;
}

function problemOf(error: Error): string {
  if (/sk-(ssh|ecdsa)/.test(error.message)) return 'keys on FIDO tokens are not supported; use the agent';
  return `cannot be read as a key: ${error.message}`;
}

/** Same key? */
export function sameKey(a: ParsedKey, b: ParsedKey): boolean {
  return a.getPublicSSH().equals(b.getPublicSSH());
}
