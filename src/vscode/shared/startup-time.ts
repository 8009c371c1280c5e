import { monotonic } from '../../base/clock';

/** Milliseconds of work that this extension gives to the start of a window. Imported first, so that loading counts. */
let spent = 0;
let since = monotonic();

/** The work goes on, after the editor did something else. */
export function go(): void {
  since = monotonic();
}

/** The work stops for now. @returns milliseconds spent until now, in all */
export function halt(): number {
  spent += monotonic() - since;
  return spent;
}
