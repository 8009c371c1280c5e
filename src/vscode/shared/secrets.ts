import * as vscode from 'vscode';
import { line } from '../../base/text';
import type { Question, SecretTarget } from '../../ssh/connection';
import { setting } from './settings';
import { Store } from './store';
import { tell } from './tell';

const { l10n } = vscode;

const PREFIX = 'clusterlift.secret.';
const INDEX = 'clusterlift.secrets';

/** Passwords and passphrases, in the editor's secret storage only. The names of them, without any secret, lie in the global state. */
export class SecretStore extends Store {
  /** Given out in this window already: when it is asked for again, it was wrong. */
  readonly #used = new Set<string>();

  constructor(
    private readonly storage: vscode.SecretStorage,
    private readonly memento: vscode.Memento,
  ) {
    super();
  }

  /** A kept answer, unless it was just refused. */
  async recall(question: Question): Promise<string | undefined> {
    const name = purposeOf(question)?.key;
    if (name === undefined) return undefined;
    const refused = 'retry' in question && question.retry;
    if (refused) {
      if (this.#used.delete(name)) await this.#delete(name);
      return undefined;
    }
    const kept = await this.storage.get(PREFIX + name);
    if (kept !== undefined) this.#used.add(name);
    return kept;
  }

  /** Would an answer that was given once be given again without a person? True also for other answers. */
  async again(question: Question): Promise<boolean> {
    if (question.kind === 'otp') return false;
    const name = purposeOf(question)?.key;
    return name === undefined || (await this.storage.get(PREFIX + name)) !== undefined;
  }

  /** Offers to keep what was typed. Does not wait: the connection goes on. */
  async offer(question: Question, value: string): Promise<void> {
    const purpose = purposeOf(question);
    if (!purpose || value === '' || setting('rememberSecrets') === 'never') return;
    const keep = l10n.t('Save');
    void tell
      .info(l10n.t('Save the secret for {0} in the secret storage of the editor?', line(purpose.label)), keep)
      .then(async (choice) => {
        if (choice === keep) await this.keep(purpose.key, value);
      });
  }

  async keep(name: string, value: string): Promise<void> {
    await this.storage.store(PREFIX + name, value);
    await this.memento.update(INDEX, [...new Set([...this.names(), name])]);
  }

  names(): string[] {
    return this.memento.get<string[]>(INDEX, []);
  }

  /** Removes all of them. @returns how many there were */
  async forget(): Promise<number> {
    const names = this.names();
    for (const name of names) await this.storage.delete(PREFIX + name);
    await this.memento.update(INDEX, undefined);
    this.#used.clear();
    return names.length;
  }

  async #delete(name: string): Promise<void> {
    await this.storage.delete(PREFIX + name);
    await this.memento.update(
      INDEX,
      this.names().filter((each) => each !== name),
    );
  }
}

/** What a secret is for: the key that it is kept by, and the target in words. */
interface Purpose {
  readonly key: string;
  readonly label: string;
}

/**
 * A secret is kept for one file, cluster, host, port and user, so that another machine of the same name never gets it.
 * A password of root is also bound to the host key that was verified.
 * @returns undefined: never kept (one-time codes, confirmations, a target that is not known)
 */
function purposeOf(question: Question): Purpose | undefined {
  switch (question.kind) {
    case 'password':
      return question.target && machine('ssh', question.target);
    case 'become-password':
      return question.target && machine('root', question.target);
    case 'passphrase':
      return { key: keyOf('key', question.file), label: question.file };
    case 'restic-password': {
      const { location, repository } = question;
      return repository === undefined
        ? undefined
        : { key: keyOf('restic', repository), label: `restic ${location}: ${repository}` };
    }
    case 'url-auth': {
      const origin = URL.canParse(question.url) ? new URL(question.url).origin : undefined;
      return origin === undefined ? undefined : { key: keyOf('url', origin), label: origin };
    }
    case 'host-key':
    case 'otp':
    case 'confirm':
    case 'decide':
      return undefined;
  }
}

function machine(what: 'ssh' | 'root', { file, cluster, host, port, user, hostKey }: SecretTarget): Purpose {
  const account = `${user}@${host}:${String(port)}${what === 'root' ? ' (root)' : ''}`;
  const key = what === 'root' ? [hostKey ?? ''] : [];
  return {
    key: keyOf(what, file, cluster, user, host, String(port), ...key),
    label: [account, ...key, cluster, file].filter((each) => each !== '').join(', '),
  };
}

/** Unambiguous, whatever the parts hold. */
function keyOf(...parts: string[]): string {
  return JSON.stringify(parts);
}
