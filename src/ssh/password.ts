import type { Asker, Question } from './connection';
import type { SecretName, Secrets } from './secrets';

/** What a password is for. */
export interface Demand {
  /** Its unattended source; undefined: only a person gives it. */
  readonly given: SecretName | undefined;
  /** Those of one purpose share an answer that proved right: the nodes of one cluster, for one user. */
  readonly purpose: string;
  readonly question: (retry: boolean) => Question;
}

/** One password to try. Tell how it went; `release` (also without a verdict) lets the next one of the purpose ask. */
export interface Candidate {
  readonly value: string;
  accept(): void;
  reject(): void;
  release(): void;
}

const MAX_QUESTIONS = 3;

/** Gives passwords to try for one node, one after the other: given, known to work elsewhere, asked for. */
export class PasswordSource {
  /** Did any candidate turn out wrong? */
  refused = false;
  private readonly tried = new Set<string>();
  private questions = 0;
  /** Answered, but not tried yet: the server closed the connection while a person was typing. */
  private untried: string | undefined;

  constructor(
    private readonly demand: Demand,
    private readonly secrets: Secrets,
  ) {}

  /** Undefined: nobody gives one (any more). */
  async next(asker: Asker, signal?: AbortSignal): Promise<Candidate | undefined> {
    const known = this.known();
    if (known !== undefined) return this.candidate(known, () => undefined);
    const release = await this.secrets.takeTurn(this.demand.purpose);
    try {
      const value = this.known() ?? (await this.ask(asker, signal));
      if (value !== undefined) return this.candidate(value, release);
    } catch (error) {
      release();
      throw error;
    }
    release();
    return undefined;
  }

  /** Starts afresh, such as for the next command after all answers were wrong. */
  reset(): void {
    this.tried.clear();
    this.questions = 0;
    this.refused = false;
  }

  private known(): string | undefined {
    const { given, purpose } = this.demand;
    return [this.untried, given && this.secrets.get(given), this.secrets.recall(purpose)]
      .filter((each) => each !== undefined)
      .find((each) => !this.tried.has(each));
  }

  private async ask(asker: Asker, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.questions >= MAX_QUESTIONS) return undefined;
    this.questions++;
    const answer = await asker.ask(this.demand.question(this.refused), signal);
    signal?.throwIfAborted();
    if (answer === undefined) return undefined;
    this.secrets.mask(answer);
    this.untried = answer;
    return answer;
  }

  private candidate(value: string, release: () => void): Candidate {
    return {
      value,
      release,
      accept: () => {
        this.reset();
        this.secrets.remember(this.demand.purpose, value);
        release();
      },
      reject: () => {
        this.tried.add(value);
        this.refused = true;
        if (this.untried === value) this.untried = undefined;
        release();
      },
    };
  }
}
