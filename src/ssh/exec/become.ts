import { advice } from '../../base/shell';
import { randomBytes } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines, line } from '../../base/text';
import type { Become } from '../../cluster/model';
import type { Elevation } from './command';
import type { Asker, ExecRequest, ExecResult, Question, SecretTarget } from '../connection';
import { PasswordSource } from '../password';
import type { Secrets } from '../secrets';
import { abortReason } from '../errors';
import { NotStarted } from './session';
import { Shells, type Opener } from './shells';
import { deferred } from '../deferred';

/** Whose commands run, and how they become root. */
export interface Identity {
  readonly node: string;
  /** The login user; root needs no `become`. */
  readonly user: string;
  readonly become: Become;
  /** Nodes of one purpose share an accepted password. */
  readonly purpose: string;
  /** Which machine the password is for, as far as it is known now; absent: an answer is never kept. */
  readonly target?: () => SecretTarget | undefined;
}

/** What sudo says when `-n` forbids it to ask (sudo, sudo-rs). */
const PASSWORD_NEEDED = /password is required|interactive authentication is required|terminal is required/i;
const PASSWORD_WRONG = /incorrect (password|authentication)|try again|authentication failure|no password was provided/i;

/** Runs scripts as the login user or as root, and finds out once how sudo on this node is to be had. */
export class Runner {
  /** Known once a script began as root: no password (null), or this one. */
  private proven: { readonly password: string | undefined } | undefined;
  private needsPassword = false;
  private readonly passwords: PasswordSource;
  private gate: Promise<unknown> = Promise.resolve();
  private readonly shells: Shells;

  constructor(
    private readonly identity: Identity,
    private readonly asker: Asker,
    secrets: Secrets,
    open: Opener,
  ) {
    const { node, user, purpose, target } = identity;
    this.shells = new Shells(node, open);
    const question = (retry: boolean): Question => ({ kind: 'become-password', node, user, retry, target: target?.() });
    this.passwords = new PasswordSource({ given: 'become-password', purpose, question }, secrets);
  }

  /** Ends the shells that wait for a request. */
  close(): void {
    this.shells.close();
  }

  /** @throws ClusterliftError `become-refused`, `become-password-wrong`, `become-password-missing`, `script-not-started` and those of `converse` */
  async run(request: ExecRequest): Promise<ExecResult> {
    const { become, user } = this.identity;
    const kind = request.as === 'login' || user === 'root' ? 'none' : become;
    try {
      if (kind === 'sudo') return await this.sudo(request);
      return await this.shells.run(request, { elevation: { kind }, password: undefined, onReady: () => undefined });
    } catch (error) {
      if (error instanceof NotStarted) throw explain(error, this.identity, kind);
      // Whatever a wait was interrupted with.
      if (request.signal?.aborted === true && !(error instanceof ClusterliftError)) {
        throw abortReason(request.signal, `the command on ${this.identity.node}`);
      }
      throw error;
    }
  }

  private async sudo(request: ExecRequest): Promise<ExecResult> {
    const { proven } = this;
    if (!proven) return this.firstSudo(request);
    try {
      return await this.attemptSudo(request, proven.password, () => undefined);
    } catch (error) {
      if (!isPasswordError(error)) throw error;
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
        if (!isPasswordError(error)) throw error;
        this.needsPassword = true;
      }
    }
    for (;;) {
      const candidate = await this.passwords.next(this.asker, request.signal);
      if (!candidate) throw this.noPassword();
      try {
        return await this.attemptSudo(request, candidate.value, () => {
          this.proven = { password: candidate.value };
          candidate.accept();
          onProven();
        });
      } catch (error) {
        if (!isPasswordError(error)) throw error;
        candidate.reject();
      } finally {
        candidate.release();
      }
    }
  }

  private attemptSudo(request: ExecRequest, password: string | undefined, onReady: () => void): Promise<ExecResult> {
    if (password === undefined)
      return this.shells.run(request, { elevation: { kind: 'sudo' }, password: undefined, onReady });
    const prompt = `clusterlift-password-${randomBytes(6).toString('hex')}:`;
    const elevation: Elevation = { kind: 'sudo-password', prompt };
    return this.shells.run(request, { elevation, password: { prompt, value: password }, onReady });
  }

  private noPassword(): ClusterliftError {
    const { node, user } = this.identity;
    const wrong = this.passwords.refused;
    // The next command starts again: the rules may have been fixed meanwhile.
    this.passwords.reset();
    this.needsPassword = false;
    return wrong
      ? new ClusterliftError({
          code: 'become-password-wrong',
          message: `sudo on ${node} did not accept the password of ${user}`,
          hint: advice`Try it there: log in as ${user} and run \`sudo -k true\`.`,
          exit: ExitStatus.refused,
          node,
        })
      : new ClusterliftError({
          code: 'become-password-missing',
          message: `sudo on ${node} wants the password of ${user}, and nobody is there to give it`,
          hint: 'Set CLUSTERLIFT_BECOME_PASSWORD or CLUSTERLIFT_BECOME_PASSWORD_FILE, or let sudo ask for none (`NOPASSWD: ALL`).',
          exit: ExitStatus.refused,
          node,
        });
  }
}

function isPasswordError(error: unknown): boolean {
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
    const failure = BECOME_ERRORS.find((each) => each.says.test(error.text) && (each.both || kind === 'sudo'));
    if (failure) return refused(failure.message(node, user, kind), failure.hint(user));
    const said = /^.*\b(?:sudo|doas): .*$/m.exec(error.text)?.[0];
    if (kind === 'doas') return refused(`doas refused ${user} on ${node}`, doasHint(user));
    if (said !== undefined) {
      return refused(
        `sudo failed for ${user} on ${node}: ${line(said, 200)}`,
        advice`Log in as ${user} and run \`sudo -k true\`.`,
      );
    }
    if (error.reason === 'silent') {
      return refused(
        `sudo on ${node} asks ${user} something that we cannot answer`,
        advice`Log in as ${user} and run \`sudo -k true\`; it must ask for a password only, or for nothing.`,
      );
    }
  }
  return new ClusterliftError({
    code: 'script-not-started',
    message: `${node} did not start a shell for ${user}${error.code === null ? '' : ` (exit status ${String(error.code)})`}`,
    hint: advice`Log in as ${user} and run \`sh -c 'echo ok'\`: the account needs a login shell and no forced command.`,
    exit: ExitStatus.refused,
    node,
    log,
  });
}

const doasHint = (user: string): string =>
  advice`Only doas without a password is supported: put \`permit nopass ${user}\` in /etc/doas.conf, or use sudo.`;

const BECOME_ERRORS: readonly {
  says: RegExp;
  /** Also for doas. */
  both: boolean;
  message: (node: string, user: string, kind: Become) => string;
  hint: (user: string) => string;
}[] = [
  {
    says: /must have a tty/i,
    both: false,
    message: (node, user) => `sudo on ${node} refuses ${user} without a terminal (requiretty)`,
    hint: (user) => advice`As root there: \`echo ${`Defaults:${user} !requiretty`} > /etc/sudoers.d/clusterlift\``,
  },
  {
    says: /not in the sudoers file|is not allowed to|may not run sudo/i,
    both: false,
    message: (node, user, kind) => `${user} may not become root on ${node} with ${kind}`,
    hint: (user) =>
      advice`As root there: \`echo ${`${user} ALL=(ALL) ALL`} > /etc/sudoers.d/clusterlift\`, or set another "user" or "become".`,
  },
  {
    says: /(sudo|doas)['’]?:? (command )?not found|(sudo|doas)['’]?: No such file/i,
    both: true,
    message: (node, _user, kind) => `${kind} is not installed on ${node}`,
    hint: () => 'Install it there, log in as root, or change "become" in clusters.json.',
  },
];
