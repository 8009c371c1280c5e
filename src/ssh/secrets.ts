import { readFileSync } from 'node:fs';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import { deferred } from './deferred';

/** The secrets that can come unattended (docs/commands.md), each as `NAME` or `NAME_FILE`. */
const VARIABLES = {
  'ssh-password': 'CLUSTERLIFT_SSH_PASSWORD',
  'backup-password': 'CLUSTERLIFT_BACKUP_PASSWORD',
  'key-passphrase': 'CLUSTERLIFT_KEY_PASSPHRASE',
  'become-password': 'CLUSTERLIFT_BECOME_PASSWORD',
  'restic-password': 'CLUSTERLIFT_RESTIC_PASSWORD',
  'url-auth': 'CLUSTERLIFT_URL_AUTH',
} as const;

export type SecretName = keyof typeof VARIABLES;

/** The environment variable that a secret comes by. */
export function variableOf(name: SecretName): string {
  return VARIABLES[name];
}

const MASK = '********';
/** Shorter ones would mask half of every text. */
const SHORTEST_MASKED = 4;

/** The secrets of one run: kept in memory only, as long as the run. */
export class Secrets {
  private readonly given = new Map<SecretName, string>();
  /** What worked before, by who it is for. */
  private readonly proven = new Map<string, string>();
  private readonly turns = new Map<string, Promise<unknown>>();
  private masked: string[] = [];

  /**
   * Takes the secrets out of the environment, so that no child inherits them; call it once, first thing.
   * @throws ClusterliftError `secret-file` when a `…_FILE` cannot be read
   */
  static take(env: Record<string, string | undefined>): Secrets {
    const secrets = new Secrets();
    for (const name of Object.keys(VARIABLES) as SecretName[]) {
      const variable = VARIABLES[name];
      const value = env[variable] ?? fromFile(variable, env[`${variable}_FILE`]);
      Reflect.deleteProperty(env, variable);
      Reflect.deleteProperty(env, `${variable}_FILE`);
      if (value !== undefined && value !== '') secrets.provide(name, value);
    }
    return secrets;
  }

  /** A secret handed over by another part, such as the editor's store. */
  provide(name: SecretName, value: string): void {
    this.given.set(name, value);
    this.mask(value);
  }

  /** What was given unattended. */
  get(name: SecretName): string | undefined {
    return this.given.get(name);
  }

  /** What worked before for the same purpose, such as `become` on the nodes of one cluster: not asked for each node. */
  recall(purpose: string): string | undefined {
    return this.proven.get(purpose);
  }

  remember(purpose: string, value: string): void {
    this.proven.set(purpose, value);
    this.mask(value);
  }

  /** It stopped working (or was wrong for good). */
  forget(purpose: string): void {
    this.proven.delete(purpose);
  }

  /**
   * One at a time for a purpose: while a person answers for one node, the others wait and then try that answer.
   * @returns what gives the turn to the next one; calling it twice does no harm
   */
  async takeTurn(purpose: string): Promise<() => void> {
    const before = this.turns.get(purpose) ?? Promise.resolve();
    const mine = deferred<undefined>();
    this.turns.set(purpose, mine.promise);
    await before;
    return () => {
      mine.resolve(undefined);
    };
  }

  /** From now on `redact` masks it, also as it looks in a URL or in JSON, and the password of a `user:password`. */
  mask(value: string): void {
    const colon = value.indexOf(':');
    const parts = colon > 0 ? [value, value.slice(colon + 1)] : [value];
    const forms = parts.flatMap((part) => [
      part,
      encodeURIComponent(Buffer.from(part).toString()),
      JSON.stringify(part).slice(1, -1),
      Buffer.from(part).toString('base64'),
    ]);
    const known = new Set([...this.masked, ...forms.filter((form) => form.length >= SHORTEST_MASKED)]);
    this.masked = [...known].sort((a, b) => b.length - a.length); // the longest first: no tail stays visible
  }

  /** The text without any secret of at least four characters. */
  redact(text: string): string {
    return this.masked.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
  }
}

function fromFile(variable: string, file: string | undefined): string | undefined {
  if (file === undefined || file === '') return undefined;
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new ClusterliftError({
      code: 'secret-file',
      message: `the file that ${variable}_FILE names cannot be read: ${messageOf(error)}`,
      hint: `Make ${file} readable for this user, or set ${variable} instead.`,
      exit: ExitStatus.usage,
      cause: error,
    });
  }
}
