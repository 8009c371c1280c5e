import type { Asker } from '../ssh/connection';

/** What the service gives to a query, or to a terminal, of a window. */
export interface QueryHost {
  /** The person at the window. */
  readonly asker: Asker;
  /** The window does not want to know any more, or is gone. */
  readonly signal: AbortSignal;
}
