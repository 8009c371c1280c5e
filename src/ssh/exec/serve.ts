import { quote } from '../../base/shell';
import { escape, ready, refuseNul } from './command';
import { behindLibrary, compose } from './library';
import serveScript from './serve.sh';

/** Makes a shell of the bootstrap serve requests. */
export const SERVING = compose(serveScript);

/** What one request is to a serving shell. */
export interface Served {
  readonly script: string;
  readonly args: readonly string[];
  /** Random; printed on both outputs when the script begins, and when it ended. */
  readonly mark: string;
  readonly endMark: string;
}

/**
 * The lines of a request, without the library, which the shell has already. A text is sent once; the shell keeps it under a
 * name. The script runs in a subshell and finds an ended stdin.
 * @param known texts that the shell has, with their names; a new one is added
 * @throws ClusterliftError `argument-nul`
 */
export function requestLines({ script, args, mark, endMark }: Served, known: Map<string, string>): Buffer {
  refuseNul(script, ...args);
  const kept = known.get(script);
  const name = kept ?? `clusterlift_t${known.size}`;
  const own = behindLibrary(script);
  if (kept === undefined) known.set(script, name);
  const text = [
    ...(kept === undefined ? [`${name}=${quote(own ?? script)}`] : []),
    `(set -- ${args.map(quote).join(' ')}`,
    `${ready(mark)}${own === undefined ? '' : 'set -eu'}`,
    `eval "$${name}") </dev/null`,
    `clusterlift_end ${endMark} $?`,
    '',
  ].join('\n');
  return Buffer.from(`${endMark}\n${asLines(text)}${endMark}\n`, 'latin1');
}

// `read` of some shells mishandles bytes above 0x7f.
function asLines(text: string): string {
  return /^[\n\t\x20-\x7e]*$/.test(text) ? text : `eval "$(printf %b ${quote(escape(text))})"\n`;
}
