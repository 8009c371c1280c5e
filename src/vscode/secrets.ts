import * as vscode from 'vscode';
import type { Question } from '../ssh/connection';
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
    const name = nameOf(question);
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

  /** Would an answer that was given once be given again without a person? True also for what is no secret. */
  async again(question: Question): Promise<boolean> {
    if (question.kind === 'otp') return false;
    const name = nameOf(question);
    return name === undefined || (await this.storage.get(PREFIX + name)) !== undefined;
  }

  /** Offers to keep what was typed. Does not wait: the connection goes on. */
  async offer(question: Question, value: string): Promise<void> {
    const name = nameOf(question);
    if (name === undefined || value === '' || setting('rememberSecrets') === 'never') return;
    const keep = l10n.t('Keep');
    void tell
      .info(l10n.t('Keep the secret for {0} in the secret storage of the editor?', name), keep)
      .then(async (choice) => {
        if (choice === keep) await this.keep(name, value);
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

/** What a secret is for, in words that hold no secret; undefined: never kept (one-time codes, confirmations). */
function nameOf(question: Question): string | undefined {
  switch (question.kind) {
    case 'password':
      return `${question.user}@${question.host}`;
    case 'passphrase':
      return question.file;
    case 'become-password':
      return `root: ${question.user}@${question.node}`;
    case 'restic-password':
      return `restic ${question.location}`;
    case 'url-auth':
      return URL.canParse(question.url) ? new URL(question.url).origin : undefined;
    case 'host-key':
    case 'otp':
    case 'confirm':
    case 'decide':
      return undefined;
  }
}
