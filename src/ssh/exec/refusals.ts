import { type ErrorCode, entryOf, readCode } from '../../base/catalogue';
import { ClusterliftError, hintFor } from '../../base/errors';

/** The next step for each refusal of some scripts (`die CODE TEXT` in lib.sh). In commands, `NODE=` stands for the node. */
export type Advice = Readonly<Partial<Record<ErrorCode, string>>>;

/** Refusals of the scripts in this folder, with which all others begin. */
const ADVICE: Advice = {
  fenced: 'Another process took this run or this node over. Look with `clusterlift runs`; nothing was changed here.',
  unlocked:
    'Somebody freed the lock with `clusterlift unlock`. Look with `clusterlift runs`; nothing was changed since.',
  'state-lost':
    'Find out what removed it and how far the step came, then decide with `clusterlift resume RUN --decide NODE=done`, `=retry` or `=failed`.',
  'lock-other-name':
    'The address of this node leads to another node of the run. Correct it in clusters.json, ssh_config or the DNS, then go on with `clusterlift resume`.',
  'state-path': 'Set "stateDir" in clusters.json to an absolute path.',
  'state-create': 'Set "become" so that we are root there, or "stateDir" to a directory that the login user may write.',
  'state-owner': 'Use the same user and "become" as before, or another "stateDir".',
  'state-noexec': 'Set "stateDir" to a directory on another file system.',
  'job-invalid': 'This is a bug in Clusterlift: please report it.',
  'temp-create': 'Make room in /tmp there, or set TMPDIR.',
  'unpack-path': 'Ask the maker of the package for a repaired one.',
};

/**
 * The error for a refusal of a script on a node. Its exit status is that of the catalogue.
 * @param text already one bounded, printable line
 * @param advice of the script that refused; a code that it does not name gets the general next step
 */
export function refusal(
  node: string,
  code: string,
  text: string,
  advice: Advice = {},
  log?: readonly string[],
): ClusterliftError {
  const known: Readonly<Record<string, string | undefined>> = { ...ADVICE, ...advice };
  const hint = known[code] ?? entryOf(code)?.next ?? 'Check the node for errors.';
  return new ClusterliftError({
    code: readCode(code),
    message: `${node}: ${text}`,
    hint: hintFor(hint, 'RUN', node),
    node,
    log,
  });
}
