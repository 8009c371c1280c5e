/** Milliseconds of work that this extension gives to the start of a window. Imported first, so that loading counts. */
let spent = 0;
let since = performance.now();

/** The work goes on, after the editor did something else. */
export function go(): void {
  since = performance.now();
}

/** The work stops for now. @returns milliseconds spent until now, in all */
export function halt(): number {
  spent += performance.now() - since;
  return spent;
}
