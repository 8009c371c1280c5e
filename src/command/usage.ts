import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { line } from '../base/text';
import { hasPassword } from '../cluster/names';

type UsageCode = Extract<ErrorCode, `usage-${string}`> extends `usage-${infer Kind}` ? Kind : never;

/** A command line that makes no sense: a code that starts with `usage-`, and what to write instead. */
export function usage(code: UsageCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code: `usage-${code}`, message, hint, exit: ExitStatus.usage });
}

/** Something that a person typed, in quotes; without what might be a secret. */
export function quoted(text: string): string {
  return hasPassword(text) ? '(an address with a password)' : `"${line(text, 80)}"`;
}
