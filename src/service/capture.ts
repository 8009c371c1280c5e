import type { Streams } from '../command/ui';
import type { KeySource } from '../terminal/asker';
import type { TerminalStream } from '../terminal/theme';

/** A stream without a terminal: what is written goes to a function, a text at a time; nobody types. */
class Outlet implements TerminalStream {
  readonly isTTY = false;

  constructor(private readonly take: (text: string) => void) {}

  write(text: string): boolean {
    this.take(text);
    return true;
  }

  on(): this {
    return this;
  }

  off(): this {
    return this;
  }
}

const NO_KEYS: KeySource = {
  isTTY: false,
  resume: () => undefined,
  pause: () => undefined,
  on: () => undefined,
  off: () => undefined,
};

/** Streams of a command without `--json`: everything is lines for people. */
export function plainStreams(onLines: (lines: readonly string[]) => void): Streams {
  const outlet = new Outlet((text) => {
    onLines(text.replace(/\n$/, '').split('\n'));
  });
  return { input: NO_KEYS, output: outlet, errors: outlet };
}

/**
 * Streams of a command with `--json`.
 * @param onObject gets the text of each object
 * @param onLines gets lines for people
 */
export function headlessStreams(
  onObject: (json: string) => void,
  onLines: (lines: readonly string[]) => void,
): Streams {
  return {
    input: NO_KEYS,
    output: new Outlet(onObject),
    errors: new Outlet((text) => {
      onLines(text.replace(/\n$/, '').split('\n'));
    }),
  };
}
