import type { FaceStreams } from '../command/face';
import type { KeySource } from '../command/terminal/asker';
import type { TerminalStream } from '../command/terminal/look';

/** A face without a terminal: what it writes is kept for a caller, or thrown away; nobody types. */

/** UTF-16 units kept of each stream; a list of that size is no answer to anybody. */
const MOST = 64 * 1024 * 1024;

class Capture implements TerminalStream {
  readonly isTTY = false;
  #text = '';

  constructor(private readonly keep: boolean) {}

  get lines(): string[] {
    return this.#text.split('\n').filter((each) => each !== '');
  }

  write(text: string): boolean {
    if (this.keep && this.#text.length < MOST) this.#text += text;
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

/** For the process of a run: everything a person should know goes through journal and control socket. */
export function silentStreams(): FaceStreams {
  return { input: NO_KEYS, output: new Capture(false), errors: new Capture(false) };
}

/** For the service: `rows` are the objects that `--json` wrote, `lines` what is for people. */
export function capturedStreams(): { streams: FaceStreams; rows(): unknown[]; lines(): string[] } {
  const [output, errors] = [new Capture(true), new Capture(true)];
  return {
    streams: { input: NO_KEYS, output, errors },
    rows: () => output.lines.map((each): unknown => JSON.parse(each)),
    lines: () => errors.lines,
  };
}
