import { ClusterliftError, ExitStatus } from '../base/errors';
import { line } from '../base/text';
import { hasPassword } from '../cluster/names';

/** A command line that makes no sense: status 2, a code that starts with `usage-`, and what to write instead. */
export function usage(code: string, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code: `usage-${code}`, message, hint, exit: ExitStatus.usage });
}

/** Something that a person typed, in quotes; without what might be a secret. */
export function quoted(text: string): string {
  return hasPassword(text) ? '(an address with a password)' : `"${line(text, 80)}"`;
}
