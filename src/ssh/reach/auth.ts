import { advice } from '../../base/shell';
import type { AnyAuthMethod, KeyboardInteractiveCallback, Prompt } from 'ssh2';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Env } from '../../base/paths';
import { line } from '../../base/text';
import type { Asker } from '../connection';
import { type KeyFiles, type KeyOffer, OfferAgent } from './keys';
import { offersFor } from './offers';
import { type Candidate, PasswordSource } from '../password';
import type { PausableDeadline } from './pausable-deadline';
import { type Secrets, variableOf } from '../secrets';
import type { Target } from './target';

/** What a password may be used for. */
export interface Account {
  /** Its unattended source; undefined: only a person gives it, as for a jump host that is not a node. */
  readonly given: 'ssh-password' | 'backup-password' | undefined;
  /** Those of one purpose share an accepted password. */
  readonly purpose: string;
  /** Where the way there stands. */
  readonly realm: Realm;
}

/** The cluster on whose behalf a connection is made. */
export interface Realm {
  /** Path of its clusters.json. */
  readonly file: string;
  readonly cluster: string;
}

export interface AuthContext {
  readonly target: Target;
  /** Whose password it is. */
  readonly account: Account;
  readonly env: Env;
  readonly secrets: Secrets;
  readonly keys: KeyFiles;
}

/** What the server answered to the last attempt. */
interface Reply {
  readonly left: readonly string[];
  readonly partial: boolean;
}

/** Who is asked during one connection attempt. */
interface Scene {
  readonly asker: Asker;
  readonly deadline: PausableDeadline;
  readonly signal: AbortSignal | undefined;
}

type Attempts = AsyncGenerator<AnyAuthMethod, void, Reply>;

/** A server that asks more often than this plays with us. */
const MAX_PROMPTS = 10;
const MAX_ROUNDS = 3;
const PASSWORD_PROMPT =
  /pass(word|wort|code|phrase)|kennwort|mot de passe|contrase|wachtwoord|parola|senha|hasło|пароль|密码|パスワード/i;
const OTP_PROMPT =
  /one.?time|otp|verification|token|authenticat|second factor|2fa|mfa|duo|yubi|passcode|\bcode\b|\bpin\b/i;

/**
 * Tries what there is, in the order of OpenSSH but password before keyboard-interactive: keys that were named,
 * keys of the agent, the usual key files, password, questions of the server.
 * One for the whole life of a connection: it remembers what was refused.
 */
export class Authenticator {
  private readonly passwords: PasswordSource;
  private tried: string[] = [];
  private offered: readonly string[] = [];
  private open: Candidate | undefined;
  /** A question of the server was answered, and it has not said anything to that yet. */
  private answered = false;
  private again: 'refused' | 'hung-up' | undefined;
  private key: KeyOffer | undefined;
  private old: readonly string[] = [];

  /** The key that alone let us in the last time; undefined: it took something else. */
  get acceptedKey(): KeyOffer | undefined {
    return this.key;
  }

  /** The old algorithms that this login took, as ssh_config allows. */
  get oldAlgorithms(): readonly string[] {
    return this.old;
  }

  constructor(private readonly context: AuthContext) {
    const { node, user, host, port } = context.target;
    const { given, purpose, realm } = context.account;
    const target = { ...realm, host, port, user };
    this.passwords = new PasswordSource(
      { given, purpose, question: (retry) => ({ kind: 'password', node, user, host, retry, target }) },
      context.secrets,
    );
  }

  /** The handler that ssh2 calls for each attempt of one connection. */
  handler(
    asker: Asker,
    deadline: PausableDeadline,
    signal: AbortSignal | undefined,
    onError: (error: Error) => void,
  ): (left: readonly string[] | null, partial: boolean | null, next: (method: AnyAuthMethod | false) => void) => void {
    this.tried = [];
    this.key = undefined;
    this.old = [];
    this.again = this.answered ? 'hung-up' : undefined;
    this.answered = false;
    const attempts = this.attempts({ asker: deadline.wrap(asker), deadline, signal });
    return (left, partial, next) => {
      // Waiting for another node's question counts as a question, too.
      deadline
        .during(() => attempts.next({ left: left ?? this.offered, partial: partial ?? false }))
        .then((result) => {
          next(result.done === true ? false : result.value);
        }, onError);
    };
  }

  /** The server let us in. */
  succeeded(): void {
    this.open?.accept();
    this.open = undefined;
    this.answered = false;
  }

  /** The connection is over, for whatever reason. */
  released(): void {
    this.open?.release();
    this.open = undefined;
  }

  /** @throws nothing; tells why nobody was let in */
  failure(cause?: unknown): ClusterliftError {
    const { node, user } = this.context.target;
    const server = this.offered.length > 0 ? `it accepts ${this.offered.join(', ')}` : 'it named no method';
    const tried = this.tried.length > 0 ? this.tried.join('; ') : 'there was nothing to try';
    return new ClusterliftError({
      code: 'auth-failed',
      message: `${node} did not let ${user} in: ${server}; tried: ${tried}`,
      hint: this.hint(),
      exit: ExitStatus.refused,
      node,
      cause,
    });
  }

  private hint(): string {
    const { user, host, port } = this.context.target;
    const ways = [advice`Try \`ssh -p ${String(port)} ${user}@${host}\` from here`];
    if (this.offered.includes('publickey')) ways.push('set "identityFile", or add a key to the agent');
    const { given } = this.context.account;
    if (given && this.offered.some((each) => each !== 'publickey')) ways.push(`set ${variableOf(given)} or …_FILE`);
    return `${ways.join('; ')}.`;
  }

  private async *attempts(scene: Scene): Attempts {
    const { user: username } = this.context.target;
    // Costs no try, and says which methods there are.
    let reply: Reply = yield { type: 'none', username };
    const done = new Set<string>();
    for (;;) {
      this.offered = reply.left;
      const method = ['publickey', 'password', 'keyboard-interactive'].find(
        (each) => reply.left.includes(each) && !done.has(each),
      );
      if (method === undefined) return;
      const outcome: Reply = yield* this.tryMethod(method, scene, reply);
      if (outcome.partial) done.clear();
      done.add(method);
      reply = outcome;
    }
  }

  private tryMethod(method: string, scene: Scene, reply: Reply): AsyncGenerator<AnyAuthMethod, Reply, Reply> {
    if (method === 'publickey') return this.tryKeys(scene, reply);
    if (method === 'password') return this.tryPassword(scene, reply);
    return this.tryInteractive(scene, reply);
  }

  private async *tryKeys(scene: Scene, reply: Reply): AsyncGenerator<AnyAuthMethod, Reply, Reply> {
    const { user: username } = this.context.target;
    const { target, env, keys } = this.context;
    const { offers, leftOut } = await offersFor(target, env, keys);
    this.tried.push(...leftOut);
    for (const offer of offers) {
      const { asker, deadline, signal } = scene;
      const agent = new OfferAgent(offer.publicKey, (data, options) =>
        deadline.during(() => {
          this.checkHash(offer, options.hash);
          return offer.sign(data, options, asker, signal);
        }),
      );
      this.key = offer;
      yield { type: 'agent', username, agent };
      this.key = undefined;
      signal?.throwIfAborted();
      this.tried.push(agent.problem === undefined ? offer.label : `${offer.label} (${agent.problem})`);
      if (!agent.signed) continue;
      // Good, but not enough: ssh2 does not pass on what the server wants besides, so we ask again.
      const after = yield { type: 'none', username };
      return { left: after.left, partial: true };
    }
    return reply;
  }

  /** SHA-1 is broken for signatures: a server that takes nothing else is refused, unless ssh_config allows it. */
  private checkHash({ publicKey }: KeyOffer, hash: string | undefined): void {
    if (publicKey.type !== 'ssh-rsa' || hash === 'sha256' || hash === 'sha512') return;
    if (!this.context.target.algorithms.sha1Logins)
      throw new Error('the server takes only SHA-1 signatures (ssh-rsa) of it');
    this.old = ['ssh-rsa'];
  }

  private async *tryPassword(scene: Scene, reply: Reply): AsyncGenerator<AnyAuthMethod, Reply, Reply> {
    let last = reply;
    for (;;) {
      const candidate = await this.passwords.next(scene.asker, scene.signal);
      if (!candidate) {
        if (!this.passwords.refused) this.tried.push('password (nobody gave one)');
        return last;
      }
      this.open = candidate;
      last = yield { type: 'password', username: this.context.target.user, password: candidate.value };
      if (last.partial) {
        this.succeeded();
        return last;
      }
      this.rejected(candidate, 'password');
      if (!last.left.includes('password')) return last;
    }
  }

  private rejected(candidate: Candidate, method: string): void {
    candidate.reject();
    this.open = undefined;
    this.tried.push(`${method} (refused)`);
  }

  // Repeated while the password was wrong and somebody gives another one.
  private async *tryInteractive(scene: Scene, reply: Reply): AsyncGenerator<AnyAuthMethod, Reply, Reply> {
    let last = reply;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const talk = new Interview(scene, {
        password: async () => {
          this.open = await this.passwords.next(scene.asker, scene.signal);
          return this.open;
        },
        question: async (prompt, echo) => {
          const { node } = this.context.target;
          const { again } = this;
          const question = { kind: 'otp', node, prompt, echo, ...(again && { again }) } as const;
          const answer = await scene.asker.ask(question, scene.signal);
          this.answered ||= answer !== undefined;
          return answer;
        },
      });
      last = yield { type: 'keyboard-interactive', username: this.context.target.user, prompt: talk.prompt };
      scene.signal?.throwIfAborted();
      this.again = this.answered && !last.partial ? 'refused' : undefined;
      this.answered = false;
      const { candidate } = talk;
      if (last.partial) {
        candidate?.accept();
        return last;
      }
      if (talk.speechless) this.tried.push('keyboard-interactive (nobody answered)');
      else if (candidate) this.rejected(candidate, 'keyboard-interactive');
      else this.tried.push('keyboard-interactive (refused)');
      candidate?.release();
      if (talk.speechless || !last.left.includes('keyboard-interactive')) return last;
    }
    return last;
  }
}

/** One keyboard-interactive exchange: password prompts get the password once, everything else is asked for. */
class Interview {
  candidate: Candidate | undefined;
  speechless = false;
  private asked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly ask: {
      password(): Promise<Candidate | undefined>;
      question(prompt: string, echo: boolean): Promise<string | undefined>;
    },
  ) {}

  readonly prompt = (
    _name: string,
    instructions: string,
    _language: string,
    prompts: Prompt[],
    finish: KeyboardInteractiveCallback,
  ): void => {
    this.scene.deadline
      .during(() => this.answers(instructions, prompts))
      .then(finish, () => {
        this.speechless = true;
        finish(prompts.map(() => ''));
      });
  };

  private async answers(instructions: string, prompts: readonly Prompt[]): Promise<string[]> {
    const answers: string[] = [];
    for (const prompt of prompts) {
      const answer = await this.answer(instructions, prompt);
      if (answer === undefined) this.speechless = true;
      answers.push(answer ?? '');
    }
    return answers;
  }

  private async answer(instructions: string, { prompt, echo }: Prompt): Promise<string | undefined> {
    if (this.speechless || ++this.asked > MAX_PROMPTS) return undefined;
    const isPassword = echo !== true && PASSWORD_PROMPT.test(prompt) && !OTP_PROMPT.test(prompt);
    if (isPassword && !this.candidate) {
      this.candidate = await this.ask.password();
      return this.candidate?.value;
    }
    return this.ask.question(line(`${instructions} ${prompt}`, 300), echo === true);
  }
}
