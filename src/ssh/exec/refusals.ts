import { readCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus, hintFor } from '../../base/errors';

/** What a person is told to do when a script on a node refuses (`die CODE TEXT` in lib.sh). */
interface Advice {
  readonly hint: string;
  readonly exit: ExitStatus;
}

const ADVICE: Readonly<Record<string, Advice>> = {
  fenced: {
    hint: 'Another process took this run or this node over. Look with `clusterlift runs`; nothing was changed here.',
    exit: ExitStatus.locked,
  },
  unlocked: {
    hint: 'Somebody freed the lock with `clusterlift unlock`. Look with `clusterlift runs`; nothing was changed since.',
    exit: ExitStatus.locked,
  },
  'state-lost': {
    hint: 'Find out what removed it and how far the step came, then decide with `clusterlift resume RUN --decide NODE=done`, `=retry` or `=failed`.',
    exit: ExitStatus.unknown,
  },
  'lock-other-name': {
    hint: 'The address of this node leads to another node of the run. Correct it in clusters.json, ssh_config or the DNS, then go on with `clusterlift resume`.',
    exit: ExitStatus.unknown,
  },
  'lock-busy': { hint: 'Try again in a moment; `clusterlift status` names the owner.', exit: ExitStatus.locked },
  'lock-changed': { hint: 'Look again who owns it: `clusterlift status`.', exit: ExitStatus.locked },
  'lock-jobs-alive': {
    hint: 'Wait until they have ended, or follow them: `clusterlift attach`. A lock is never taken from a living job.',
    exit: ExitStatus.locked,
  },
  'state-path': { hint: 'Set "stateDir" in clusters.json to an absolute path.', exit: ExitStatus.usage },
  'state-create': {
    hint: 'Set "become" so that we are root there, or "stateDir" to a directory that the login user may write.',
    exit: ExitStatus.refused,
  },
  'state-owner': {
    hint: 'Use the same user and "become" as before, or another "stateDir".',
    exit: ExitStatus.refused,
  },
  'state-noexec': { hint: 'Set "stateDir" to a directory on another file system.', exit: ExitStatus.refused },
  'job-unclaimed': { hint: 'Nothing was started. `clusterlift resume` tries it again.', exit: ExitStatus.unknown },
  'job-invalid': { hint: 'This is a bug in Clusterlift: please report it.', exit: ExitStatus.failed },
  'job-cwd': {
    hint: 'The package on the node is incomplete: `clusterlift resume` unpacks it again.',
    exit: ExitStatus.failed,
  },
  'stage-space': { hint: 'Make room there, or set "stateDir" to a larger file system.', exit: ExitStatus.refused },
  'stage-digest': {
    hint: 'The copy on the node was removed. Run the command again; if it happens twice, look at the disk and who can write there.',
    exit: ExitStatus.refused,
  },
  'stage-missing': { hint: 'Run the command again: it stages the package first.', exit: ExitStatus.failed },
  'stage-source': { hint: 'Name a regular file that the login user can read.', exit: ExitStatus.refused },
  'packages-many': {
    hint: 'The newest cannot be told for sure: name the package, or move old images to another directory.',
    exit: ExitStatus.refused,
  },
  'stage-tools': { hint: 'Install `sha256sum` (coreutils) or `openssl` there.', exit: ExitStatus.refused },
  'fetch-tools': { hint: 'Install `curl` there, or leave --fetch primary out.', exit: ExitStatus.refused },
  'fetch-busy': { hint: 'Wait until it has ended, then try again.', exit: ExitStatus.refused },
  'relay-failed': {
    hint: 'Use --distribution direct, or look at the network between the nodes.',
    exit: ExitStatus.failed,
  },
  'unpack-failed': {
    hint: 'Look at the free space; the unpacking starts anew with the next try.',
    exit: ExitStatus.failed,
  },
  'unpack-path': { hint: 'Ask the maker of the package for a repaired one.', exit: ExitStatus.refused },
  'record-missing': { hint: 'Run the upgrade again: it unpacks the package first.', exit: ExitStatus.failed },
  'mirror-offset': { hint: 'Run the command again; the journal is then copied anew.', exit: ExitStatus.failed },
  'prune-cut': { hint: 'Run the command again: nothing was removed.', exit: ExitStatus.failed },
  'run-unknown': { hint: 'List the runs with `clusterlift runs`.', exit: ExitStatus.usage },
  'temp-create': { hint: 'Make room in /tmp there, or set TMPDIR.', exit: ExitStatus.refused },
};

/** The error for a refusal of a script on a node; `text` is already one bounded, printable line. */
export function refusal(node: string, code: string, text: string): ClusterliftError {
  const { hint, exit } = ADVICE[code] ?? { hint: 'Look at the node.', exit: ExitStatus.failed };
  return new ClusterliftError({
    code: readCode(code),
    message: `${node}: ${text}`,
    hint: hintFor(hint, 'RUN', node),
    exit,
    node,
  });
}
