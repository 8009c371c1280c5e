import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, usage, refused, unknown, interrupted } = ExitStatus;

/** The command line, the service process and the editor. */
export const COMMAND_ERRORS = {
  'usage-unknown-command': {
    exit: usage,
    cause: 'The command does not exist.',
    next: 'See `clusterlift help`.',
  },
  'usage-unknown-option': {
    exit: usage,
    cause: 'The option does not exist.',
    next: 'See `clusterlift help COMMAND`.',
  },
  'usage-option-not-here': {
    exit: usage,
    cause: 'The option belongs to other commands.',
    next: 'Remove the option.',
  },
  'usage-missing-option': {
    exit: usage,
    cause: 'The command needs an option that is missing.',
    next: 'Add the option.',
  },
  'usage-duplicate-option': {
    exit: usage,
    cause: 'An option is given twice.',
    next: 'Write it once.',
  },
  'usage-missing-value': {
    exit: usage,
    cause: 'An option needs a value.',
    next: 'Add the value.',
  },
  'usage-unexpected-value': {
    exit: usage,
    cause: 'An option takes no value.',
    next: 'Remove the value.',
  },
  'usage-bad-value': {
    exit: usage,
    cause: 'The value of an option or word is not allowed.',
    next: 'Correct the value. The message says what is allowed.',
  },
  'usage-missing-word': {
    exit: usage,
    cause: 'The command needs a word that is missing.',
    next: 'Add the word. See `clusterlift help COMMAND`.',
  },
  'usage-duplicate-word': {
    exit: usage,
    cause: 'A word is given twice.',
    next: 'Write it once.',
  },
  'usage-unknown-word': {
    exit: usage,
    cause: 'The command does not know a word.',
    next: 'Correct the word. See `clusterlift help COMMAND`.',
  },
  'usage-unexpected-word': {
    exit: usage,
    cause: 'The command takes no more words.',
    next: 'Remove the word.',
  },
  'usage-conflict': {
    exit: usage,
    cause: 'Two words or options exclude each other.',
    next: 'Remove one of them.',
  },
  'usage-unknown-location': {
    exit: usage,
    cause: 'No backup location has that name.',
    next: 'Correct the name. See `clusterlift backup list`.',
  },
  'usage-unknown-node': {
    exit: usage,
    cause: 'The cluster or the run has no node of that name.',
    next: 'Correct the name.',
  },
  'usage-wrong-confirmation': {
    exit: usage,
    cause: '--confirm names another cluster.',
    next: 'Check which cluster is meant.',
  },
  'usage-not-a-look': {
    exit: usage,
    cause: 'The editor asked its service for a command that changes something.',
    next: 'Start it as a run.',
  },
  'rollback-needs-backup': {
    exit: usage,
    cause: '--on-failure rollback needs a backup.',
    next: 'Add `backup LOCATION`, or use --on-failure stop or continue.',
  },
  'confirmation-needed': {
    exit: usage,
    cause: 'The command needs a confirmation, and there is no terminal.',
    next: 'Give --yes, or --confirm NAME for a production cluster.',
  },
  'confirm-wrong-name': {
    exit: usage,
    cause: '--confirm names another cluster.',
    next: 'Check which cluster is meant, then give its name.',
  },
  'not-confirmed': {
    exit: interrupted,
    cause: 'The command was not confirmed. Nothing was changed.',
    next: 'Start the command again when you are ready.',
  },
  cancelled: {
    exit: interrupted,
    cause: 'The command was cancelled.',
    next: 'Start the command again when you are ready.',
  },
  'cwd-missing': {
    exit: usage,
    cause: 'The current folder was removed or cannot be read.',
    next: 'Change to another folder, then repeat the command.',
  },
  'state-unwritable': {
    exit: refused,
    cause: 'The state directory of this machine cannot be written. Nothing was changed.',
    next: 'Free space or make it writable, or set XDG_STATE_HOME.',
  },
  'run-none': {
    exit: usage,
    cause: 'There is no run for this command.',
    next: 'List the runs with `clusterlift runs`.',
  },
  'run-ambiguous': {
    exit: usage,
    cause: 'Several runs fit.',
    next: 'Name one of them.',
  },
  'run-closed': {
    exit: usage,
    cause: 'The run has ended.',
    next: 'Start a new run. Nodes at the target are skipped.',
  },
  'run-not-live': {
    exit: [usage, unknown],
    cause: 'No process works on the run.',
    next: 'Resume it with `clusterlift resume`.',
  },
  'config-gone': {
    exit: refused,
    cause: 'The clusters.json of the run no longer exists.',
    next: 'Give the file that has its nodes now with --config.',
  },
  'cluster-gone': {
    exit: refused,
    cause: 'The cluster of the run is no longer in clusters.json.',
    next: 'Put it back, give another file with --config, or abandon the run.',
  },
  'copies-too-large': {
    exit: refused,
    cause: 'The copies of the run on the nodes are too large.',
    next: 'Resume on the machine that started the run.',
  },
  'control-directory': {
    exit: refused,
    cause: 'There is no safe directory for the control socket.',
    next: 'Set XDG_RUNTIME_DIR to a directory that only you can write to.',
  },
  'control-file': {
    exit: refused,
    cause: 'The control file of the run cannot be trusted.',
    next: 'Check the run with `clusterlift runs`. Resume it if no process works on it.',
  },
  'control-refused': {
    exit: refused,
    cause: 'The process of the run could not be authenticated, or it refused this client.',
    next: 'Read the run with `clusterlift runs`.',
  },
  'control-socket': {
    exit: refused,
    cause: 'The control socket of the run could not be opened.',
    next: 'Check XDG_RUNTIME_DIR and the temporary directory: you must be able to write to both.',
  },
  'control-version': {
    exit: usage,
    cause: 'The run belongs to another version of Clusterlift.',
    next: 'Use the version that started it to follow it. You can stop it with this one.',
  },
  'run-lost': {
    exit: unknown,
    cause: 'The process of the run is gone or does not answer.',
    next: 'Check with `clusterlift runs`, then run `clusterlift resume`.',
  },
  'run-process': {
    exit: refused,
    cause: 'The process of the run did not start. Nothing was changed.',
    next: 'Try the command in a terminal.',
  },
  'run-not-begun': {
    exit: refused,
    cause: 'The process of the run received no command.',
    next: 'Start the run again.',
  },
  'service-lost': {
    exit: failed,
    cause: 'The service process of Clusterlift ended.',
    next: 'Try again. It is started again.',
  },
  untrusted: {
    exit: refused,
    cause: 'The folder is not trusted, so Clusterlift neither connects nor runs anything.',
    next: 'Trust the folder: Workspaces: Manage Workspace Trust.',
  },
  'task-PROPERTY': {
    exit: usage,
    cause: 'A property of a task in tasks.json is not valid. The code ends with the name of the property.',
    next: 'Correct it in tasks.json.',
  },
  'task-starts-itself': {
    exit: usage,
    cause: 'A task that changes a cluster is set to start by itself.',
    next: 'Remove "isBackground" or "runOptions" from the task.',
  },
  'task-folder': {
    exit: usage,
    cause: 'There is no folder for the task to run in.',
    next: 'Open a folder.',
  },
  internal: {
    exit: failed,
    cause: 'A bug in Clusterlift.',
    next: 'Report it, with the journal of the run if there is one.',
  },
} satisfies Record<string, ErrorEntry>;
