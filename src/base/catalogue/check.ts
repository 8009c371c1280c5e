import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, refused, unknown, locked } = ExitStatus;

/** Findings of the checks before a run. */
export const CHECK_ERRORS = {
  'checks-failed': {
    exit: [refused, locked],
    cause: 'Several checks block the run. Nothing was changed.',
    next: 'Fix what the report names, then run the same command again.',
  },
  architecture: {
    exit: refused,
    cause: 'The package is for another processor architecture.',
    next: 'Get the package for this architecture.',
  },
  'operating-system': {
    exit: refused,
    cause: 'The package is for another operating system.',
    next: 'Get the package for this system, or leave the node out with --nodes.',
  },
  'commands-missing': {
    exit: refused,
    cause: 'Commands that the package needs are not installed.',
    next: 'Install them on the node.',
  },
  'tools-missing': {
    exit: refused,
    cause: 'A tool that Clusterlift needs is not installed.',
    next: 'Install it on the node.',
  },
  'clock-skew': {
    exit: refused,
    cause: 'The clock of the node differs from the clock of this machine.',
    next: 'Synchronize the clocks.',
  },
  'ssh-old-algorithms': {
    cause: 'The connection uses old SSH algorithms that your ssh_config allows.',
    next: 'Update the SSH server of the node.',
  },
  'state-read-only': {
    exit: refused,
    cause: 'The state directory is on a read-only file system.',
    next: 'Set "stateDir" to a directory that can be written.',
  },
  'state-foreign': {
    exit: refused,
    cause: 'The state directory belongs to another user.',
    next: 'Use the same user and "become" as before, or another "stateDir".',
  },
  'state-shared': {
    exit: refused,
    cause: 'Two machines share one state directory.',
    next: 'Set "stateDir" of each node to a directory of its own.',
  },
  'machine-twice': {
    exit: refused,
    cause: 'Two nodes are the same machine.',
    next: 'Remove one of them from clusters.json, or correct its address.',
  },
  'machine-shared': {
    cause: 'Two nodes seem to be the same machine with two state directories.',
    next: 'Remove one of them from clusters.json, or give each container its own host key.',
  },
  'kill-user-processes': {
    exit: refused,
    cause: 'The node ends all processes of the user when the session ends.',
    next: 'Set "become", or run `loginctl enable-linger` on the node.',
  },
  locked: {
    exit: locked,
    cause: 'Another run has locked the node.',
    next: 'Follow that run with `clusterlift attach`, or resume it.',
  },
  'stale-lock': {
    cause: 'A stale lock was taken over by decision of a person.',
    next: 'Check the earlier run with `clusterlift runs`.',
  },
  'job-running': {
    exit: [refused, unknown],
    cause: 'A job of a run is still running on the node.',
    next: 'Resume that run: `clusterlift resume`.',
  },
  'unfinished-run': {
    cause: 'An earlier run on this node was not finished.',
    next: 'Resume it, or start a new run, which continues from there.',
  },
  'unfulfilled-provision': {
    cause: 'The node still waits for a provision that an earlier run requested.',
    next: 'Run `clusterlift provision`.',
  },
  'unfulfilled-reboot': {
    cause: 'The node still waits for a restart that an earlier run requested.',
    next: 'Restart the node, or upgrade it.',
  },
  downgrade: {
    exit: refused,
    cause: 'The installed version is newer than the package.',
    next: 'Use a newer package, or restore a backup.',
  },
  'version-path': {
    exit: refused,
    cause: 'The package does not upgrade from the installed version.',
    next: 'Upgrade to a version in between first.',
  },
  product: {
    exit: refused,
    cause: 'Another product is installed.',
    next: 'Check that it is the right package.',
  },
  'disk-space': {
    exit: refused,
    cause: 'A file system of the node has too little free space.',
    next: 'Make room, or set "stateDir" to a larger file system.',
  },
  unhealthy: {
    exit: failed,
    cause: 'The health script reports that the application is not healthy.',
    next: 'Find out why on the node and fix it.',
  },
  'check-script': {
    exit: refused,
    cause: 'The check script of the package failed.',
    next: 'Fix what it names on the node.',
  },
  'version-script': {
    exit: failed,
    cause: 'The version script of the package failed.',
    next: 'Fix the script: it must print the installed version and exit with 0.',
  },
  'version-output': {
    exit: failed,
    cause: 'The version script printed something that is not a version.',
    next: 'Fix the script: it must print one word, such as 24.2.0.',
  },
  'installed-invalid': {
    exit: refused,
    cause: 'The manifest of the installed package cannot be used.',
    next: 'Upgrade the node again, or leave it out with --nodes.',
  },
  'not-asked': {
    cause: 'Some checks did not run, because others block the run.',
    next: 'Fix what blocks. Then they run, too.',
  },
  'node-not-asked': {
    exit: refused,
    cause: 'A node could not be checked.',
    next: 'Report a bug in Clusterlift.',
  },
  'no-backup': {
    cause: 'The run makes no backup, so it cannot be rolled back.',
    next: 'Add `backup LOCATION`.',
  },
  'local-backup': {
    cause: 'The backup is kept on the nodes themselves. It is lost if the node is lost.',
    next: 'Use a backup server: `clusterlift backup add`.',
  },
  'backup-differs': {
    cause: 'A node has its own paths or exclusions, so the restore point differs between nodes.',
    next: 'Check "backup" in clusters.json and in the package.',
  },
  'restore-loses': {
    cause: 'Changes that were made after the restore point will be lost.',
    next: 'Check that nothing of value was written since then.',
  },
  'no-undo': {
    exit: refused,
    cause: 'What a restore replaces cannot be kept.',
    next: 'Fix the reason, or restore without it: --override no-undo.',
  },
  'primary-left-out': {
    exit: [refused, failed],
    cause: 'The primary is left out by --nodes, and a step must run on it.',
    next: 'Add the primary to --nodes.',
  },
  'node-gone': {
    exit: refused,
    cause: 'A node of the run is no longer in clusters.json.',
    next: 'Put it back, or resume without it.',
  },
  'node-moved': {
    exit: refused,
    cause: 'A node of the run changed in clusters.json.',
    next: 'Undo the change, or confirm it when you resume.',
  },
  'primary-changed': {
    exit: refused,
    cause: 'The primary changed in clusters.json since the run began.',
    next: 'Undo the change, or confirm it when you resume.',
  },
  'primary-gone': {
    exit: refused,
    cause: 'The primary of the run is no longer in clusters.json.',
    next: 'Put it back, or abandon the run.',
  },
} satisfies Record<string, ErrorEntry>;
