import { ClusterliftError, ExitStatus } from '../../base/errors';
import { quote, shellWord } from '../../base/shell';

/**
 * The bootstrap: what stands in the argv of the node's shell is one constant, whatever we run.
 *
 * It reads one line from its stdin, turns it back with `printf %b` and evaluates it. `read` of a POSIX shell takes
 * single bytes from a pipe, exactly up to the newline, so what follows on stdin belongs to the script.
 * Written without backslashes, newlines and `!`, because the login shell that sees it first may be csh or fish.
 */
const BOOTSTRAP = 'echo clusterlift-boot >&2; IFS= read -r l || exit 97; eval "$(printf %b "$l")"';

/** What the bootstrap prints on stderr before it reads its line: nothing in between (sudo) reads our stdin any more. */
export const BOOT_MARK = 'clusterlift-boot\n';

/** One argv for every way to start; `env` because the messages of sudo are read by us. */
const SHELL = ['sh', '-c', BOOTSTRAP, 'clusterlift'] as const;

/** How the shell on the node becomes root. */
export type Elevation =
  | { readonly kind: 'none' }
  | { readonly kind: 'sudo' }
  | { readonly kind: 'sudo-password'; readonly prompt: string }
  | { readonly kind: 'doas' };

/** The argv to start the bootstrap with; constant but for the prompt's nonce. */
export function bootstrapArgv(elevation: Elevation): readonly string[] {
  return ['env', 'LC_ALL=C', ...elevate(elevation), ...SHELL];
}

// `-k` with a command: cached credentials count for nothing, so sudo either never asks or always asks.
function elevate(elevation: Elevation): readonly string[] {
  switch (elevation.kind) {
    case 'none':
      return [];
    case 'sudo':
      return ['sudo', '-n', '-k', '--'];
    case 'sudo-password':
      return ['sudo', '-k', '-S', '-p', elevation.prompt, '--'];
    case 'doas':
      return ['doas', '-n'];
  }
}

/** The same as one line for the login shell of the node. */
export function bootstrapCommand(elevation: Elevation): string {
  return `exec ${bootstrapArgv(elevation).map(shellWord).join(' ')}`;
}

/**
 * The line for the bootstrap: sets `$1`…, prints `mark` on both outputs (what came before is noise of login files
 * and sudo), then holds the script. Pure ASCII, because some shells' `read` mishandles bytes above 0x7f.
 * @throws ClusterliftError `argument-nul` when an argument or the script holds a NUL: no shell can keep it
 */
export function payload(script: string, args: readonly string[], mark: string): Buffer {
  refuseNul(script, ...args);
  const set = `unset l; set -- ${args.map(quote).join(' ')}\n`;
  return Buffer.from(`${escape(`${set}${ready(mark)}${script}`)}\n`, 'latin1');
}

/** Prints the mark on both outputs. */
export function ready(mark: string): string {
  return `printf '%s\\n' ${mark}; printf '%s\\n' ${mark} >&2\n`;
}

/** @throws ClusterliftError `argument-nul` */
export function refuseNul(...texts: readonly string[]): void {
  if (texts.some((text) => text.includes('\0'))) {
    throw new ClusterliftError({
      code: 'argument-nul',
      message: 'a value for a node contains a NUL character, which no shell can pass on',
      hint: 'Remove the NUL character from the configuration or the package.',
      exit: ExitStatus.usage,
    });
  }
}

// For `printf %b`: backslash doubled, newline as \n, everything else that is not printable ASCII as \0ooo.
export function escape(text: string): string {
  let out = '';
  let plainFrom = 0;
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x20 && byte < 0x7f && byte !== 0x5c) continue;
    out += bytes.toString('latin1', plainFrom, at) + escapeByte(byte);
    plainFrom = at + 1;
  }
  return out + bytes.toString('latin1', plainFrom);
}

function escapeByte(byte: number): string {
  if (byte === 0x5c) return '\\\\';
  if (byte === 0x0a) return '\\n';
  return `\\0${byte.toString(8).padStart(3, '0')}`;
}
