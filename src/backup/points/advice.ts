import type { Advice } from '../../ssh/exec/refusals';

const again = 'Run the command again; if it happens twice, look at the disk and at who can write to the location.';

/** The next step for each refusal of the scripts of this room. */
export const ADVICE: Advice = {
  'tar-missing': 'Install GNU tar there (package `tar`).',
  'tar-exclude': 'Install GNU tar there, or name paths that need no exclusions.',
  'zstd-missing': 'Install zstd there (package `zstd`).',
  'quiet-stop': 'Look at the `stop` script of the package; nothing was backed up.',
  'quiet-start': 'Start the application there by hand, now. Then look at the `start` script of the package.',
  'backup-full': 'Make room: clusterlift backup clean <location> keep <n>, or use another location.',
  'backup-write': 'Check that the location exists there, is mounted, and can be written.',
  'location-exposed':
    'Give that directory to root (`chown root`, `chmod go-w`), or use another location. If nobody else works on that machine: --override location-exposed.',
  'backup-read': 'Check the permissions of the location and "become".',
  'backup-compress': again,
  'backup-tar': 'Look at the log: a file there cannot be read.',
  'backup-restic': 'Look at the log: restic could not read or write something.',
  'restic-missing': 'Install restic 0.17 or newer there.',
  'restic-too-old':
    'Install restic 0.17 or newer there: the one of the distribution may be older; restic.net has a static binary for /usr/local/bin.',
  'restic-password': 'Give the password that the repository was made with (unattended: CLUSTERLIFT_RESTIC_PASSWORD).',
  'restic-no-repository':
    'Make it with `restic init`, or `clusterlift backup remove` the location and `backup add` it again: adding makes it.',
  'restic-locked':
    'Wait until the other restic is done. A lock that a dead restic left is removed with `restic unlock` on the machine it ran on.',
  'restic-create': 'Check the address of the repository and that it can be written.',
  'restic-reach': 'Check the address of the repository, the network, and restic.env in the state directory.',
  'restore-stage': 'Restore what the message names first (mount it, make it writable), then try again.',
  'restore-unsafe':
    'Give the directories on the way to root (`chown root`, `chmod go-w`), or put a directory where the link is; nothing was replaced.',
  'restore-missing': 'The part is gone from the location. Use another restore point.',
  'restore-digest': 'Do not use this point: its data was changed or damaged. Use another one.',
  'restore-members': 'Do not use this point: somebody made it to write elsewhere. Look who can write to the location.',
  'restore-unpack': 'Look at the log and the free space; the node is as it was.',
  'restore-compare': 'Look at the disk of the node; it is as it was.',
  'swap-went-back': 'Look at the log and the free space, then start the restore again.',
  'swap-stuck':
    'Move it back by hand, as the message says, then go on with `clusterlift resume RUN --decide NODE=retry`.',
  'swap-backwards': 'Start a new restore.',
  'swap-open': 'Go on with `clusterlift resume`.',
};
