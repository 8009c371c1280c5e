import { Duplex } from 'node:stream';
import { BaseAgent, type IdentityCallback, type ParsedKey, type SignCallback, type SigningRequestOptions } from 'ssh2';
import { messageOf } from '../base/errors';
import { Fields, signatureFits, SshDataError, sshString } from '../base/ssh-signature';

/** One login, and nothing else, that an `ssh` on another machine may do with a key of ours. */
export interface OneLogin {
  readonly user: string;
  /** Blob of the host key that the server was verified by. */
  readonly hostKey: Buffer;
  /** Blob of our public key. */
  readonly publicKey: Buffer;
  /** Signs with it; gives the raw signature, ECDSA as DER or as SSH has it. */
  sign(data: Buffer, options: SigningRequestOptions): Promise<Buffer>;
}

// draft-ietf-sshm-ssh-agent, section 5 and OpenSSH's PROTOCOL.agent.
const FAILURE = 5;
const SUCCESS = 6;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
const EXTENSION = 27;
const USERAUTH_REQUEST = 50;
/** Bytes of a message. */
const MOST = 64 * 1024;
/** Messages of one login: `ssh` sends three. Answers wait in memory until they are read. */
const MOST_MESSAGES = 100;

/**
 * The agent that a node finds while it logs in to another one to fetch a file. It signs once, and only what lets this user
 * in at the server with this host key: `ssh` must prove where it is (session-bind, OpenSSH 8.9) before it gets a
 * signature. All other messages fail.
 */
export class OneTimeAgent extends BaseAgent<ParsedKey> {
  private used = false;
  /** Why nothing was signed, as far as we know. */
  problem: string | undefined;

  constructor(private readonly login: OneLogin) {
    super();
  }

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    done(undefined, []); // we log in to the node itself in another way
  }

  override sign(
    _key: ParsedKey,
    _data: Buffer,
    optionsOrDone: SigningRequestOptions | SignCallback,
    maybeDone?: SignCallback,
  ): void {
    const done = typeof optionsOrDone === 'function' ? optionsOrDone : maybeDone;
    done?.(new Error('not for this login'));
  }

  /** ssh2 calls it when a program on the node opens its agent. */
  override getStream(done: (error: Error | undefined, stream: Duplex) => void): void {
    let rest = Buffer.alloc(0);
    let bound: Buffer | undefined;
    let messages = 0;
    const stream: Duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, written) => {
        rest = Buffer.concat([rest, chunk]);
        void answerAll().then(() => {
          written();
        });
      },
      final: (over) => {
        stream.push(null);
        over();
      },
    });
    const answerAll = async (): Promise<void> => {
      while (rest.length >= 4) {
        const length = rest.readUInt32BE(0);
        if (length > MOST || (rest.length >= 4 + length && ++messages > MOST_MESSAGES)) {
          stream.push(null);
          return;
        }
        if (rest.length < 4 + length) return;
        const message = rest.subarray(4, 4 + length);
        rest = rest.subarray(4 + length);
        const answer = await this.answer(message, bound).catch((error: unknown) => {
          this.problem = messageOf(error);
          return undefined;
        });
        bound = answer?.bound ?? bound;
        stream.push(sshString(answer?.bytes ?? Buffer.of(FAILURE)));
      }
    };
    done(undefined, stream);
  }

  /** @throws Error when it is refused */
  private async answer(message: Buffer, bound: Buffer | undefined): Promise<{ bytes: Buffer; bound?: Buffer }> {
    const fields = new Fields(message);
    switch (fields.byte()) {
      case REQUEST_IDENTITIES: {
        const one = Buffer.of(IDENTITIES_ANSWER, 0, 0, 0, 1);
        return { bytes: Buffer.concat([one, sshString(this.login.publicKey), sshString('clusterlift')]) };
      }
      case EXTENSION:
        return { bytes: Buffer.of(SUCCESS), bound: this.bind(fields) };
      case SIGN_REQUEST:
        return { bytes: await this.signOnce(fields, bound) };
      default:
        throw new SshDataError('it was asked for something else than a login');
    }
  }

  /** The session id that the server with our host key has signed. */
  private bind(fields: Fields): Buffer {
    if (fields.string().toString() !== 'session-bind@openssh.com') throw new SshDataError('unknown extension');
    const hostKey = fields.string();
    const session = fields.string();
    const signature = new Fields(fields.string());
    const forwarded = fields.byte() !== 0;
    const proof = { publicKey: hostKey, algorithm: signature.string().toString(), bytes: signature.string() };
    if (forwarded || !hostKey.equals(this.login.hostKey) || !signatureFits(proof, session)) {
      throw new SshDataError('it was asked to log in to another server');
    }
    return session;
  }

  private async signOnce(fields: Fields, bound: Buffer | undefined): Promise<Buffer> {
    const key = fields.string();
    const data = fields.string();
    if (bound === undefined) throw new SshDataError('ssh there does not prove where it logs in (before OpenSSH 8.9)');
    if (this.used || !key.equals(this.login.publicKey)) throw new SshDataError('it was asked for a second login');
    const algorithm = this.algorithmOf(data, bound);
    this.used = true;
    const hash = HASHES.get(algorithm);
    const bytes = await this.login.sign(data, hash ? { hash } : {});
    const wire = algorithm.startsWith('ecdsa-') ? ecdsaOnTheWire(bytes) : bytes;
    const signature = Buffer.concat([sshString(algorithm), sshString(wire)]);
    return Buffer.concat([Buffer.of(SIGN_RESPONSE), sshString(signature)]);
  }

  /** Reads what is to be signed: it must be exactly the login that was meant (RFC 4252, 7). */
  private algorithmOf(data: Buffer, bound: Buffer): string {
    const { user, hostKey, publicKey } = this.login;
    const fields = new Fields(data);
    const session = fields.string();
    const type = fields.byte();
    const [who, service, method] = [fields.string(), fields.string(), fields.string()].map(String);
    const withKey = fields.byte() === 1;
    const algorithm = fields.string().toString();
    const key = fields.string();
    const named = method === 'publickey-hostbound-v00@openssh.com';
    const there = named ? fields.string().equals(hostKey) : method === 'publickey';
    const right =
      session.equals(bound) &&
      type === USERAUTH_REQUEST &&
      who === user &&
      service === 'ssh-connection' &&
      withKey &&
      key.equals(publicKey) &&
      there &&
      fields.over;
    if (!right) throw new SshDataError('it was asked to sign something else than this login');
    if (algorithm === 'ssh-rsa' || algorithm.includes('-cert-'))
      throw new SshDataError(`${algorithm} is not supported`);
    return algorithm;
  }
}

const HASHES: ReadonlyMap<string, 'sha256' | 'sha512'> = new Map([
  ['rsa-sha2-256', 'sha256'],
  ['rsa-sha2-512', 'sha512'],
]);

/** Node gives `SEQUENCE { r, s }` in DER; SSH wants two strings (RFC 5656, 3.1.2). An agent gives it as SSH wants it. */
function ecdsaOnTheWire(signature: Buffer): Buffer {
  if (signature[0] !== 0x30) return signature;
  const content = signature.subarray((signature[1] ?? 0) & 0x80 ? 3 : 2);
  const rLength = content[1] ?? 0;
  const r = content.subarray(2, 2 + rLength);
  const s = content.subarray(4 + rLength, 4 + rLength + (content[3 + rLength] ?? 0));
  return Buffer.concat([sshString(r), sshString(s)]);
}
