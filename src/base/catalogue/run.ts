import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, usage, refused, unknown, locked } = ExitStatus;

/** Steps of a run, its plan, its journal and its locks. */
export const RUN_ERRORS = {
  'stop-failed': {
    exit: failed,
    cause: 'The stop script failed on a node.',
    next: 'Read the log, fix the node or the package, and run the same command again. Or roll back.',
  },
  'start-failed': {
    exit: failed,
    cause: 'The start script failed on a node.',
    next: 'Read the log, fix the node or the package, and run the same command again. Or roll back.',
  },
  'upgrade-failed': {
    exit: failed,
    cause: 'The upgrade script failed on a node.',
    next: 'Read the log, fix the node or the package, and run the same command again. Or roll back.',
  },
  'provision-failed': {
    exit: failed,
    cause: 'The provision script failed.',
    next: 'Read the log, fix the cause, and run `clusterlift provision`.',
  },
  'restore-script-failed': {
    exit: failed,
    cause: 'The restore script failed on a node.',
    next: 'Read the log, fix the node or the package, and run the same command again.',
  },
  'step-failed': {
    exit: failed,
    cause: 'A step of the run failed.',
    next: 'Read the log of the node.',
  },
  'wrong-version': {
    exit: failed,
    cause: 'The upgrade script succeeded, but the version did not change to the expected one.',
    next: 'Read the log of the node.',
  },
  'restored-version': {
    exit: unknown,
    cause: 'After a restore, the node reports another version than the restore point.',
    next: 'Check the node, then decide with `clusterlift resume`.',
  },
  'attempt-lost': {
    exit: unknown,
    cause: 'A job ended before it could report its result.',
    next: 'Check the node, then decide with `clusterlift resume`.',
  },
  'job-not-started': {
    exit: failed,
    cause: 'A job could not be started.',
    next: 'Check the load and the free processes of the node, then run the same command again.',
  },
  overdue: {
    exit: unknown,
    cause: 'A job has not ended within its time limit. It was not stopped.',
    next: 'Check the node. Resume when the script has ended.',
  },
  'decided-failed': {
    exit: failed,
    cause: 'A person decided that the step failed.',
    next: 'Run the upgrade again, or roll back.',
  },
  'decision-useless': {
    exit: usage,
    cause: 'No step of the node waits for a decision.',
    next: 'See what is open with `clusterlift runs`.',
  },
  'reboot-failed': {
    exit: failed,
    cause: 'The node could not be restarted.',
    next: 'Restart the node, then run the same command again.',
  },
  'reboot-unknown': {
    exit: unknown,
    cause: 'The node did not come back after a restart, or came back with another host key.',
    next: 'Check its console, then run `clusterlift resume`.',
  },
  'node-unknown': {
    exit: unknown,
    cause: 'The node did not answer before the deadline. What happened there is not known.',
    next: 'Bring the node back, then run `clusterlift resume`.',
  },
  'output-ignored': {
    cause: 'A line in CLUSTERLIFT_OUTPUT is not understood.',
    next: 'Correct the script of the package.',
  },
  'relay-broken': {
    cause: 'Copying the package from node to node failed. It is sent directly instead.',
    next: 'Check the network between the nodes.',
  },
  'rollback-loses': {
    cause: 'Changes that were made after the restore point are lost by the rollback.',
    next: 'Check what the node wrote since then.',
  },
  'rollback-kept': {
    cause: 'What a rollback replaced is kept on the node.',
    next: 'Remove it when you do not need it.',
  },
  'old-backup': {
    exit: unknown,
    cause: 'A node was not rolled back, because its backup is from before later changes.',
    next: 'Check what the node wrote since then, then decide with `clusterlift resume`.',
  },
  'plan-overtaken': {
    exit: refused,
    cause: 'The plan is out of date: another run changed the nodes since.',
    next: 'Start a new run.',
  },
  'not-installed': {
    exit: refused,
    cause: 'The node has no package that Clusterlift installed.',
    next: 'Upgrade the cluster first.',
  },
  'no-provision': {
    exit: refused,
    cause: 'The product has no provision script.',
    next: 'Nothing to do.',
  },
  'stage-space': {
    exit: refused,
    cause: 'The node has too little free space for the package.',
    next: 'Make room, or set "stateDir" to a larger file system.',
  },
  'stage-digest': {
    exit: refused,
    cause: 'The copy of the package on the node is not the package. It was removed.',
    next: 'Run the command again. If it happens twice, check the disk and who can write there.',
  },
  'stage-missing': {
    exit: failed,
    cause: 'The package is not on the node.',
    next: 'Run the command again.',
  },
  'stage-source': {
    exit: refused,
    cause: 'The package on the node is not a regular file that can be read.',
    next: 'Name a regular file that the login user can read.',
  },
  'stage-tools': {
    exit: refused,
    cause: 'The node has no program to compute SHA-256.',
    next: 'Install `sha256sum` (coreutils) or `openssl`.',
  },
  'fetch-tools': {
    exit: refused,
    cause: 'The node has neither curl nor GNU wget.',
    next: 'Install `curl`, or omit --fetch primary.',
  },
  'fetch-busy': {
    exit: refused,
    cause: 'Another download of the same URL does not end on the node.',
    next: 'Wait until it has ended, then try again.',
  },
  'relay-failed': {
    exit: failed,
    cause: 'A node could not copy the package from another node.',
    next: 'Use --distribution direct, or check the network between the nodes.',
  },
  'unpack-failed': {
    exit: failed,
    cause: 'The package could not be unpacked on the node.',
    next: 'Check the free space, then run the command again.',
  },
  'record-missing': {
    exit: failed,
    cause: 'The node has no record of an upgrade.',
    next: 'Run the upgrade again.',
  },
  'request-invalid': {
    exit: failed,
    cause: 'A request for a node is not valid.',
    next: 'Report a bug in Clusterlift.',
  },
  'mirror-offset': {
    exit: failed,
    cause: 'The copy of the journal on a node is incomplete.',
    next: 'Run the command again.',
  },
  'prune-cut': {
    exit: failed,
    cause: 'The list of packages to keep arrived incomplete. Nothing was removed.',
    next: 'Run the command again.',
  },
  'lock-busy': {
    exit: locked,
    cause: 'Others took the lock of the node first, several times.',
    next: 'Try again in a moment. `clusterlift status` names the owner.',
  },
  'lock-changed': {
    exit: locked,
    cause: 'The owner of the lock changed.',
    next: 'Check again who owns it: `clusterlift status`.',
  },
  'lock-jobs-alive': {
    exit: locked,
    cause: 'Jobs of the run are still running on the node.',
    next: 'Wait until they have ended, or follow them with `clusterlift attach`.',
  },
  unlock: {
    cause: 'A lock could not be released at the end of a run.',
    next: 'Nothing to do. It becomes stale, and the next run takes it over.',
  },
  'lock-of-another-run': {
    exit: refused,
    cause: 'Another run locked the node.',
    next: 'Check who it was with `clusterlift status`. Start a new run.',
  },
  'lock-unclaimed': {
    exit: refused,
    cause: 'The node keeps a plan of a run that never locked it.',
    next: 'Find out who put the plan there. Resume on the machine that started the run.',
  },
  'state-moved': {
    exit: refused,
    cause: 'The state directory of the node is not the one that the run began with.',
    next: 'Set "stateDir" and the login user as before, then resume again.',
  },
  'plan-differs': {
    exit: refused,
    cause: 'The copy of the plan on a node is not the plan of the run.',
    next: 'Compare the copies. Resume on the machine that started the run.',
  },
  'plan-missing': {
    exit: refused,
    cause: 'The node keeps no plan of the run.',
    next: 'Resume on the machine that started the run, or use --override plan-missing=NODE.',
  },
  'reinstalled-node': {
    exit: refused,
    cause: 'The node knows nothing of the run.',
    next: 'If it was reinstalled, use --override reinstalled-node=NODE.',
  },
  'plan-newer': {
    exit: usage,
    cause: 'The plan was written by a newer Clusterlift.',
    next: 'Use that version to resume the run.',
  },
  'plan-invalid': {
    exit: unknown,
    cause: 'The plan cannot be used.',
    next: 'Check the nodes with `clusterlift status`, and start a new upgrade.',
  },
  'plan-changed': {
    exit: unknown,
    cause: 'The plan is not the one that the journal began with.',
    next: 'Abandon the run, and check the nodes with `clusterlift status`.',
  },
  'plan-foreign': {
    exit: refused,
    cause: 'The plan on the nodes does not fit clusters.json or the package.',
    next: 'Correct clusters.json, or resume on the machine that started the run.',
  },
  'journal-write': {
    exit: unknown,
    cause: 'The journal cannot be written.',
    next: 'Make room on that disk, then resume the run.',
  },
  'journal-broken': {
    exit: unknown,
    cause: 'The journal is damaged.',
    next: 'Use the copy on the nodes with `clusterlift resume --from-nodes`, or abandon the run.',
  },
  'journal-newer': {
    exit: usage,
    cause: 'The journal was written by a newer Clusterlift.',
    next: 'Use that version to resume the run.',
  },
  'journals-differ': {
    exit: refused,
    cause: 'The copies of the journal on the nodes differ.',
    next: 'Compare the copies. Resume on the machine that started the run.',
  },
  'run-here': {
    exit: refused,
    cause: 'The run is already known on this machine.',
    next: 'Resume it without --from-nodes.',
  },
  'run-owned': {
    exit: locked,
    cause: 'Another process works on the run.',
    next: 'Follow it with `clusterlift attach`, or stop it with `clusterlift stop`.',
  },
  'run-unknown': {
    exit: usage,
    cause: 'No run has that name.',
    next: 'List the runs with `clusterlift runs`, or use `clusterlift resume --from-nodes`.',
  },
} satisfies Record<string, ErrorEntry>;
