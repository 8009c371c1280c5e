import { ExitStatus } from '../../base/errors';

interface Advice {
  readonly hint: string;
  readonly exit: ExitStatus;
}

const again = 'Run the command again; if it happens twice, look at the disk and at who can write to the location.';

/** What a person is told to do when a script of this room refuses on a node (`die CODE TEXT`). */
const ADVICE: Readonly<Record<string, Advice>> = {
  'tar-missing': { hint: 'Install GNU tar there (package `tar`).', exit: ExitStatus.refused },
  'tar-exclude': { hint: 'Install GNU tar there, or name paths that need no exclusions.', exit: ExitStatus.refused },
  'zstd-missing': { hint: 'Install zstd there (package `zstd`).', exit: ExitStatus.refused },
  'quiet-stop': { hint: 'Look at the `stop` script of the package; nothing was backed up.', exit: ExitStatus.failed },
  'quiet-start': {
    hint: 'Start the application there by hand, now. Then look at the `start` script of the package.',
    exit: ExitStatus.failed,
  },
  'backup-full': {
    hint: 'Make room: clusterlift backup clean <location> keep <n>, or use another location.',
    exit: ExitStatus.failed,
  },
  'backup-write': {
    hint: 'Check that the location exists there, is mounted, and can be written.',
    exit: ExitStatus.failed,
  },
  'location-exposed': {
    hint: 'Give that directory to root (`chown root`, `chmod go-w`), or use another location. If nobody else works on that machine: --override location-exposed.',
    exit: ExitStatus.refused,
  },
  'backup-read': { hint: 'Check the permissions of the location and "become".', exit: ExitStatus.failed },
  'backup-compress': { hint: again, exit: ExitStatus.failed },
  'backup-tar': { hint: 'Look at the log: a file there cannot be read.', exit: ExitStatus.failed },
  'backup-restic': { hint: 'Look at the log: restic could not read or write something.', exit: ExitStatus.failed },
  'restic-missing': { hint: 'Install restic 0.17 or newer there.', exit: ExitStatus.refused },
  'restic-too-old': {
    hint: 'Install restic 0.17 or newer there: the one of the distribution may be older; restic.net has a static binary for /usr/local/bin.',
    exit: ExitStatus.refused,
  },
  'restic-password': {
    hint: 'Give the password that the repository was made with (unattended: CLUSTERLIFT_RESTIC_PASSWORD).',
    exit: ExitStatus.refused,
  },
  'restic-no-repository': {
    hint: 'Make it with `restic init`, or `clusterlift backup remove` the location and `backup add` it again: adding makes it.',
    exit: ExitStatus.refused,
  },
  'restic-locked': {
    hint: 'Wait until the other restic is done. A lock that a dead restic left is removed with `restic unlock` on the machine it ran on.',
    exit: ExitStatus.refused,
  },
  'restic-create': {
    hint: 'Check the address of the repository and that it can be written.',
    exit: ExitStatus.refused,
  },
  'restic-reach': {
    hint: 'Check the address of the repository, the network, and restic.env in the state directory.',
    exit: ExitStatus.refused,
  },
  'restore-stage': {
    hint: 'Restore what the message names first (mount it, make it writable), then try again.',
    exit: ExitStatus.failed,
  },
  'restore-unsafe': {
    hint: 'Give the directories on the way to root (`chown root`, `chmod go-w`), or put a directory where the link is; nothing was replaced.',
    exit: ExitStatus.refused,
  },
  'restore-missing': {
    hint: 'The part is gone from the location. Use another restore point.',
    exit: ExitStatus.refused,
  },
  'restore-digest': {
    hint: 'Do not use this point: its data was changed or damaged. Use another one.',
    exit: ExitStatus.refused,
  },
  'restore-members': {
    hint: 'Do not use this point: somebody made it to write elsewhere. Look who can write to the location.',
    exit: ExitStatus.refused,
  },
  'restore-unpack': { hint: 'Look at the log and the free space; the node is as it was.', exit: ExitStatus.failed },
  'restore-compare': { hint: 'Look at the disk of the node; it is as it was.', exit: ExitStatus.failed },
  'swap-went-back': {
    hint: 'Look at the log and the free space, then start the restore again.',
    exit: ExitStatus.failed,
  },
  'swap-stuck': {
    hint: 'Move it back by hand, as the message says, then go on with `clusterlift resume RUN --decide NODE=retry`.',
    exit: ExitStatus.unknown,
  },
  'swap-backwards': { hint: 'Start a new restore.', exit: ExitStatus.failed },
  'swap-open': { hint: 'Go on with `clusterlift resume`.', exit: ExitStatus.failed },
};

export function adviceFor(code: string): Advice | undefined {
  return ADVICE[code];
}
