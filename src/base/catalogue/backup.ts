import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, usage, refused, unknown, locked } = ExitStatus;

/** Backups: locations, paths and tools. */
export const BACKUP_ERRORS = {
  'location-name': {
    exit: usage,
    cause: 'The name cannot be used for a backup location.',
    next: 'Choose another name.',
  },
  'location-uri': {
    exit: usage,
    cause: 'The address of a backup location is not valid.',
    next: 'Write file:///path, sftp://user@host[:port]/path or restic:repository.',
  },
  'location-password': {
    exit: usage,
    cause: 'The address of a backup location contains a password.',
    next: 'Remove it. Use a key, the prompt, or CLUSTERLIFT_BACKUP_PASSWORD.',
  },
  'location-unknown': {
    exit: usage,
    cause: 'No backup location has that name.',
    next: 'Choose a known one, or add it with `clusterlift backup add`.',
  },
  'location-exposed': {
    exit: refused,
    cause: 'Other users can write to the directory of the location or above it.',
    next: 'Give the directory to root, or use another location.',
  },
  'location-inside': {
    cause: 'The backup location is inside a path that is backed up. It is left out of the backup.',
    next: 'Use a location outside of the path.',
  },
  'keep-number': {
    exit: usage,
    cause: 'The number of restore points to keep is not valid.',
    next: 'Keep at least one.',
  },
  'clean-locked': {
    exit: locked,
    cause: 'A node is locked by a run that may use any restore point. Nothing was removed.',
    next: 'Wait until the run has ended, then clean again.',
  },
  'backup-point-large': {
    exit: refused,
    cause: 'The description of the restore point would be too large.',
    next: 'Back up fewer nodes at a time, or remove old scripts from the state directories.',
  },
  'backup-space': {
    exit: refused,
    cause: 'The location has too little free space.',
    next: 'Make room with `clusterlift backup clean`.',
  },
  'backup-full': {
    exit: failed,
    cause: 'The location is full.',
    next: 'Make room with `clusterlift backup clean`, or use another location.',
  },
  'backup-write': {
    exit: failed,
    cause: 'The location cannot be written.',
    next: 'Check that it exists, is mounted, and is writable.',
  },
  'backup-read': {
    exit: failed,
    cause: 'The location cannot be read.',
    next: 'Check its permissions and "become".',
  },
  'backup-compress': {
    exit: failed,
    cause: 'The compression program failed.',
    next: 'Run the command again. If it happens twice, check the disk and who can write to the location.',
  },
  'backup-tar': {
    exit: failed,
    cause: 'tar failed.',
    next: 'Read the log: it names the file that cannot be read.',
  },
  'backup-restic': {
    exit: failed,
    cause: 'restic failed.',
    next: 'Read the log: restic could not read or write something.',
  },
  'backup-job-failed': {
    exit: failed,
    cause: 'A backup job failed on a node.',
    next: 'Check the free space and the health of the node, then try again.',
  },
  'backup-changed': {
    exit: failed,
    cause: 'The data that arrived is not the data that was sent.',
    next: 'Run the command again. If it happens twice, check the memory and disk of the node.',
  },
  'backup-broken': {
    exit: refused,
    cause: 'The backup cannot be read back as it was written. Nothing was changed.',
    next: 'Check the disk of the location.',
  },
  'quiet-stop': {
    exit: failed,
    cause: 'The `stop` script failed before the backup. The application was started again.',
    next: 'Check the `stop` script of the package.',
  },
  'quiet-start': {
    exit: failed,
    cause: 'The `start` script failed after the backup. The application is down.',
    next: 'Start the application, then check the `start` script of the package.',
  },
  'tar-missing': {
    exit: refused,
    cause: 'The node has no suitable tar.',
    next: 'Install GNU tar (package `tar`).',
  },
  'tar-exclude': {
    exit: refused,
    cause: 'The tar of the node cannot exclude paths.',
    next: 'Install GNU tar, or name paths that need no exclusions.',
  },
  'tar-lossy': {
    cause: 'The tar of the node cannot keep everything, such as extended attributes.',
    next: 'Install GNU tar on the node.',
  },
  'tar-follows': {
    exit: refused,
    cause: 'The tar of the node would follow a link that another user can change.',
    next: 'Install GNU tar, or restrict the directory.',
  },
  'zstd-missing': {
    exit: refused,
    cause: 'The archive is compressed with zstd, which the node does not have.',
    next: 'Install zstd.',
  },
  'zstd-here': {
    exit: refused,
    cause: 'The archive is compressed with zstd, which this version of Node.js cannot unpack.',
    next: 'Use Node.js 22.15 or newer.',
  },
  'restic-missing': {
    exit: refused,
    cause: 'restic is not installed on the node.',
    next: 'Install restic 0.17 or newer.',
  },
  'restic-too-old': {
    exit: refused,
    cause: 'The restic on the node is too old.',
    next: 'Install restic 0.17 or newer.',
  },
  'restic-password': {
    exit: refused,
    cause: 'The password of the restic repository is wrong.',
    next: 'Give the password that the repository was created with.',
  },
  'restic-password-missing': {
    exit: refused,
    cause: 'The password of the restic repository is not known.',
    next: 'Answer the prompt, or set CLUSTERLIFT_RESTIC_PASSWORD or its _FILE variable.',
  },
  'restic-no-repository': {
    exit: refused,
    cause: 'There is no restic repository at the address.',
    next: 'Create it with `restic init`, or remove the location and add it again.',
  },
  'restic-locked': {
    exit: refused,
    cause: 'The restic repository is locked.',
    next: 'Wait until the other restic has ended. Remove a stale lock with `restic unlock`.',
  },
  'restic-create': {
    exit: refused,
    cause: 'The restic repository cannot be created.',
    next: 'Check its address and that it can be written.',
  },
  'restic-reach': {
    exit: refused,
    cause: 'The restic repository cannot be reached.',
    next: 'Check its address, the network, and restic.env in the state directory.',
  },
  'server-missing': {
    exit: [failed, refused],
    cause: 'A file or directory is missing on the backup server.',
    next: 'Check the location with `clusterlift backup list`.',
  },
  'server-denied': {
    exit: failed,
    cause: 'The backup server denied access.',
    next: 'Give the user write access to the directory of the location.',
  },
  'server-refused': {
    exit: failed,
    cause: 'The backup server refused a request.',
    next: 'Check the disk and the permissions of the server.',
  },
  'server-file-long': {
    exit: failed,
    cause: 'A file on the backup server is longer than allowed.',
    next: 'Check the location and who can write to it.',
  },
  'server-file-short': {
    exit: failed,
    cause: 'A file on the backup server became shorter while it was read.',
    next: 'Check the disk of the server, then try again.',
  },
  'server-lost': {
    exit: [refused, unknown],
    cause: 'The backup server cannot be reached.',
    next: 'Check the server and the network, then resume or start the command again.',
  },
  'limit-exceeded': {
    exit: refused,
    cause: 'A location or point holds more than the limits allow.',
    next: 'Remove what does not belong there. See docs/limits.md.',
  },
  'fetch-offset': {
    exit: failed,
    cause: 'A part of an archive arrived with another size than expected.',
    next: 'Run the command again.',
  },
  'path-control': {
    exit: refused,
    cause: 'A path of the backup contains control characters.',
    next: 'Correct the path.',
  },
  'path-relative': {
    exit: refused,
    cause: 'A path of the backup is not absolute.',
    next: 'Write the absolute path.',
  },
  'path-dots': {
    exit: refused,
    cause: 'A path of the backup contains "." or "..".',
    next: 'Write the path without them.',
  },
  'path-slashes': {
    exit: refused,
    cause: 'A path of the backup has an empty part or ends with "/".',
    next: 'Correct the path.',
  },
  'path-long': {
    exit: refused,
    cause: 'A path of the backup is too long.',
    next: 'Choose a directory above it.',
  },
  'path-none': {
    exit: refused,
    cause: 'There is no path to back up.',
    next: 'Add "backup.paths" to clusters.json or to the package.',
  },
  'path-system': {
    exit: refused,
    cause: 'A path of the backup is a system directory or is not on a disk.',
    next: 'Choose the directories of the application.',
  },
  'path-home': {
    exit: refused,
    cause: 'The home directory of the login user is inside a path of the backup.',
    next: 'Choose narrower paths.',
  },
  'path-sshd': {
    exit: refused,
    cause: 'A path of the backup contains files that are needed to log in.',
    next: 'Choose narrower paths.',
  },
  'path-state': {
    exit: refused,
    cause: 'The state directory overlaps a path of the backup.',
    next: 'Choose other paths, or another "stateDir".',
  },
  'path-location': {
    exit: refused,
    cause: 'The backup location overlaps a path of the backup.',
    next: 'Choose other paths, or another location.',
  },
  'path-mount': {
    exit: refused,
    cause: 'A path of the backup is a mount point or contains one.',
    next: 'Name the directories on each file system.',
  },
  'path-nested': {
    exit: refused,
    cause: 'One path of the backup is inside another one.',
    next: 'Keep one of them.',
  },
  'path-unsafe': {
    exit: refused,
    cause: 'Other users can change a directory above a path of the backup.',
    next: 'Give the directories to root.',
  },
  'path-excluded': {
    exit: refused,
    cause: 'An exclude pattern leaves out a whole path of the backup.',
    next: 'Remove the pattern, or make it narrower.',
  },
} satisfies Record<string, ErrorEntry>;
