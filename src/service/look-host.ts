import type { Asker } from '../ssh/connection';

/** What the service gives to whoever looks, or opens a terminal, for a window. */
export interface LookHost {
  /** The person at the window. */
  readonly asker: Asker;
  /** The window does not want to know any more, or is gone. */
  readonly signal: AbortSignal;
}
