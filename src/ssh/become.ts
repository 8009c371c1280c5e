import { randomBytes } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { lastLines } from '../base/text';
import type { Become } from '../cluster/model';
import type { Elevation } from './command';
import type { Asker, ExecRequest, ExecResult } from './connection';
import type { Secrets } from './secrets';
import { NotStarted, converse, type Pipe } from './session';
import { deferred } from './deferred';

/** Whose commands run, and how they become root. */
export interface Identity {
  readonly node: string;
  /** The login user; root needs no `become`. */
  readonly user: string;
  readonly become: Become;
  /** Nodes of one purpose share an accepted password, such as `become staging platform`. */
  readonly purpose: string;
}

/** Starts the bootstrap on the node. */
export type Opener = (elevation: Elevation, signal: AbortSignal | undefined) => Promise<Pipe>;

const MAX_QUESTIONS = 3;
/** What sudo says when `-n` forbids it to ask (sudo, sudo-rs). */
const PASSWORD_NEEDED = /password is required|interactive authentication is required|terminal is required/i;
const PASSWORD_WRONG = /incorrect (password|authentication)|try again|authentication failure|no password was provided/i;

/** Runs scripts as the login user or as root, and finds out once how sudo on this node is to be had. */
export class Runner {
  /** Known once a script began as root: no password (null), or this one. */
  private proven: { readonly password: string | undefined } | undefined;
  private needsPassword = false;
  private readonly tried = new Set<string>();
  private questions = 0;
  private gate: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly identity: Identity,
    private readonly asker: Asker,
    private readonly secrets: Secrets,
    private readonly open: Opener,
  ) {}

  /** @throws ClusterliftError `become-refused`, `become-password-wrong`, `become-password-missing`, `script-not-started` and those of `converse` */
  async run(request: ExecRequest): Promise<ExecResult> {
    const { become, user } = this.identity;
    const kind = request.as === 'login' || user === 'root' ? 'none' : become;
    try {
      if (kind === 'sudo') return await this.sudo(request);
      return await this.attempt(request, { kind }, undefined, () => undefined);
    } catch (error) {
      throw error instanceof NotStarted ? explain(error, this.identity, kind) : error;
    }
  }

  private async sudo(request: ExecRequest): Promise<ExecResult> {
    const { proven } = this;
    if (!proven) return this.firstSudo(request);
    try {
      return await this.attemptSudo(request, proven.password, () => undefined);
    } catch (error) {
      if (!isPasswordTrouble(error)) throw error;
      if (this.proven === proven) this.proven = undefined; // the rules or the password changed meanwhile
      return this.firstSudo(request);
    }
  }

  // Until one has been accepted, one at a time: several wrong passwords at once would lock the account.
  private async firstSudo(request: ExecRequest): Promise<ExecResult> {
    const turn = deferred<undefined>();
    const release = (): void => {
      turn.resolve(undefined);
    };
    const before = this.gate;
    this.gate = turn.promise;
    await before;
    try {
      if (!this.proven) return await this.prove(request, release);
    } finally {
      release();
    }
    return this.sudo(request);
  }

  private async prove(request: ExecRequest, onProven: () => void): Promise<ExecResult> {
    if (!this.needsPassword) {
      try {
        return await this.attemptSudo(request, undefined, () => {
          this.proven = { password: undefined };
          onProven();
        });
      } catch (error) {
        if (!isPasswordTrouble(error)) throw error;
        this.needsPassword = true;
      }
    }
    for (;;) {
      const { password, release } = await this.candidate(request.signal);
      try {
        return await this.attemptSudo(request, password, () => {
          this.proven = { password };
          this.tried.clear();
          this.secrets.remember(this.identity.purpose, password);
          release();
          onProven();
        });
      } catch (error) {
        if (!isPasswordTrouble(error)) throw error;
        this.tried.add(password);
      } finally {
        release();
      }
    }
  }

  private attemptSudo(request: ExecRequest, password: string | undefined, onReady: () => void): Promise<ExecResult> {
    if (password === undefined) return this.attempt(request, { kind: 'sudo' }, undefined, onReady);
    const prompt = `clusterlift-password-${randomBytes(6).toString('hex')}:`;
    return this.attempt(request, { kind: 'sudo-password', prompt }, { prompt, value: password }, onReady);
  }

  private async attempt(
    request: ExecRequest,
    elevation: Elevation,
    password: { prompt: string; value: string } | undefined,
    onReady: () => void,
  ): Promise<ExecResult> {
    const mark = `clusterlift-${randomBytes(12).toString('hex')}`;
    const pipe = await this.open(elevation, request.signal);
    return converse(pipe, request, { node: this.identity.node, mark, password, onReady });
  }

  /** The next password to try: given, known to work elsewhere, or asked for. `release` lets the next node ask. */
  private async candidate(signal: AbortSignal | undefined): Promise<{ password: string; release: () => void }> {
    const known = this.known();
    if (known !== undefined) return { password: known, release: () => undefined };
    const release = await this.secrets.takeTurn(this.identity.purpose);
    try {
      const password = this.known() ?? (await this.askPassword(signal));
      return { password, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  private known(): string | undefined {
    return [this.secrets.get('become-password'), this.secrets.recall(this.identity.purpose)]
      .filter((each) => each !== undefined)
      .find((each) => !this.tried.has(each));
  }

  private async askPassword(signal: AbortSignal | undefined): Promise<string> {
    const { node, user } = this.identity;
    const retry = this.tried.size > 0;
    if (this.questions >= MAX_QUESTIONS) throw this.wrongPassword();
    this.questions++;
    const answer = await this.asker.ask({ kind: 'become-password', node, user, retry }, signal);
    if (answer !== undefined) {
      this.secrets.mask(answer);
      return answer;
    }
    signal?.throwIfAborted();
    if (retry) throw this.wrongPassword();
    throw new ClusterliftError({
      code: 'become-password-missing',
      message: `sudo on ${node} wants the password of ${user}, and nobody is there to give it`,
      hint: 'Set CLUSTERLIFT_BECOME_PASSWORD or CLUSTERLIFT_BECOME_PASSWORD_FILE, or let sudo ask for none: `NOPASSWD: ALL`.',
      exit: ExitStatus.refused,
      node,
    });
  }

  private wrongPassword(): ClusterliftError {
    const { node, user } = this.identity;
    this.questions = 0;
    this.tried.clear();
    return new ClusterliftError({
      code: 'become-password-wrong',
      message: `sudo on ${node} did not accept the password of ${user}`,
      hint: `Try it there: log in as ${user} and run \`sudo -k true\`.`,
      exit: ExitStatus.refused,
      node,
    });
  }
}

function isPasswordTrouble(error: unknown): boolean {
  if (!(error instanceof NotStarted)) return false;
  return error.reason === 'wrong-password' || PASSWORD_NEEDED.test(error.text) || PASSWORD_WRONG.test(error.text);
}

/** Tells a person why a script never began on a node. Pure. */
export function explain(error: NotStarted, identity: Identity, kind: Become): ClusterliftError {
  const { node, user } = identity;
  const log = lastLines(error.text.replaceAll('clusterlift-boot', ''), 5);
  const refused = (message: string, hint: string): ClusterliftError =>
    new ClusterliftError({ code: 'become-refused', message, hint, exit: ExitStatus.refused, node, log });
  if (kind !== 'none') {
    const trouble = BECOME_TROUBLE.find(({ says }) => says.test(error.text));
    if (trouble) return refused(trouble.message(node, user, kind), trouble.hint(user));
    if (kind === 'doas') return refused(`doas refused ${user} on ${node}`, doasHint(user));
    if (error.reason === 'silent') {
      return refused(
        `sudo on ${node} asks ${user} something that we cannot answer`,
        `Log in as ${user} and run \`sudo -k true\`; it must ask for a password only, or for nothing.`,
      );
    }
  }
  return new ClusterliftError({
    code: 'script-not-started',
    message: `${node} did not start a shell for ${user}${error.code === null ? '' : ` (exit status ${String(error.code)})`}`,
    hint: `Log in as ${user} and run \`sh -c 'echo ok'\`: the account needs a login shell and no forced command.`,
    exit: ExitStatus.refused,
    node,
    log,
  });
}

const doasHint = (user: string): string =>
  `Only doas without a password is supported: put \`permit nopass ${user}\` in /etc/doas.conf, or use sudo.`;

const BECOME_TROUBLE: readonly {
  says: RegExp;
  message: (node: string, user: string, kind: Become) => string;
  hint: (user: string) => string;
}[] = [
  {
    says: /must have a tty/i,
    message: (node, user) => `sudo on ${node} refuses ${user} without a terminal (requiretty)`,
    hint: (user) => `As root there: echo 'Defaults:${user} !requiretty' > /etc/sudoers.d/clusterlift`,
  },
  {
    says: /not in the sudoers file|is not allowed to|may not run sudo|not permitted/i,
    message: (node, user, kind) => `${user} may not become root on ${node} with ${kind}`,
    hint: (user) =>
      `As root there: echo '${user} ALL=(ALL) ALL' > /etc/sudoers.d/clusterlift, or set another "user" or "become".`,
  },
  {
    says: /(sudo|doas)['’]?:? (command )?not found|(sudo|doas)['’]?: No such file/i,
    message: (node, _user, kind) => `${kind} is not installed on ${node}`,
    hint: () => 'Install it there, log in as root, or change "become" in clusters.json.',
  },
];
