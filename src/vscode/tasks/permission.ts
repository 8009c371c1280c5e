import { monotonic } from '../../base/clock';
import { propertiesOf, type Entry } from './entries';

/** Milliseconds between a person's yes and the start that it is for; the editor may ask something in between. */
const GOOD_FOR = 60_000;

/**
 * A person's yes to one start of one task. The editor keeps a task that ran and offers it again, so a yes is used up by
 * the first start, is for this definition only, and does not wait.
 */
export class Permission {
  readonly #definition: string;
  readonly #until: number;
  #open = true;

  /** @param now milliseconds of a monotonic clock */
  constructor(
    definition: Entry,
    private readonly now: () => number = monotonic,
  ) {
    this.#definition = propertiesOf(definition);
    this.#until = now() + GOOD_FOR;
  }

  /** May this start skip the question? No second one may. */
  take(definition: Entry): boolean {
    const open = this.#open;
    this.#open = false;
    return open && this.now() <= this.#until && propertiesOf(definition) === this.#definition;
  }

  /** The start it was for did not come. */
  revoke(): void {
    this.#open = false;
  }
}
