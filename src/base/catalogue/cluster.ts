import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { usage } = ExitStatus;

/** clusters.json and the clusters in it. */
export const CLUSTER_ERRORS = {
  'config-missing': {
    exit: usage,
    cause: 'No clusters.json was found.',
    next: 'Create one, or name it with --config FILE.',
  },
  'config-foreign': {
    exit: usage,
    cause: 'The clusters.json, or a folder above it, belongs to another user.',
    next: 'Read the file. If you trust it, name it with --config.',
  },
  'config-unreadable': {
    exit: usage,
    cause: 'clusters.json cannot be read, or is not a file.',
    next: 'Check the path and its permissions.',
  },
  'config-unwritable': {
    exit: usage,
    cause: 'clusters.json cannot be written.',
    next: 'Check the permissions of the file and its folder.',
  },
  'config-too-large': {
    exit: usage,
    cause: 'clusters.json is larger than 1 MiB.',
    next: 'Split it over several files, and choose one with --config FILE.',
  },
  'config-syntax': {
    exit: usage,
    cause: 'clusters.json is not valid JSON or not UTF-8.',
    next: 'Correct the place that the message names.',
  },
  'config-unknown-key': {
    exit: usage,
    cause: 'clusters.json has a key that is not known at this place.',
    next: 'Correct the spelling, or remove the key.',
  },
  'config-duplicate-key': {
    exit: usage,
    cause: 'A key occurs twice in one object of clusters.json.',
    next: 'Remove or rename one of them.',
  },
  'config-bad-value': {
    exit: usage,
    cause: 'A value in clusters.json is not allowed.',
    next: 'Correct the value. The message says what is allowed.',
  },
  'config-no-nodes': {
    exit: usage,
    cause: 'A cluster has no nodes.',
    next: 'Add at least one node.',
  },
  'config-duplicate-node': {
    exit: usage,
    cause: 'Two nodes have the same name, or are the same machine with the same state directory.',
    next: 'Rename or remove one of them.',
  },
  'config-unknown-node': {
    exit: usage,
    cause: '"primary" or "jump" names a node that does not exist.',
    next: 'Correct the name.',
  },
  'config-unknown-role': {
    exit: usage,
    cause: '"roleOrder" names a role that no node has.',
    next: 'Correct the role, or give it to a node.',
  },
  'config-unknown-location': {
    exit: usage,
    cause: '"upgrade.backup" names a backup location that does not exist.',
    next: 'Correct the name, or add the location.',
  },
  'config-jump-circle': {
    exit: usage,
    cause: 'The jump hosts in clusters.json form a circle.',
    next: 'Let one of them be reached directly: "jump": "none".',
  },
  'config-bad-location': {
    exit: usage,
    cause: 'The name or address of a backup location is not valid.',
    next: 'Write file:///path, sftp://user@host[:port]/path or restic:repository.',
  },
  'config-secret': {
    exit: usage,
    cause: 'clusters.json contains a secret.',
    next: 'Remove it. Clusterlift asks for secrets, or takes them from variables and files.',
  },
  'config-changed': {
    exit: usage,
    cause: 'Another program changed clusters.json at the same time. Nothing was written.',
    next: 'Start the command again.',
  },
  'config-exists': {
    exit: usage,
    cause: 'clusters.json already contains what was to be added.',
    next: 'Choose another name, or remove it first.',
  },
  'config-not-there': {
    exit: usage,
    cause: 'clusters.json does not contain what was to be removed.',
    next: 'Check the name with `clusterlift backup list`.',
  },
  'cluster-unknown': {
    exit: usage,
    cause: 'clusters.json has no cluster of that name.',
    next: 'Correct the name, or add the cluster.',
  },
  'cluster-ambiguous': {
    exit: usage,
    cause: 'clusters.json has several clusters, and none was chosen.',
    next: 'Choose one with --cluster NAME.',
  },
} satisfies Record<string, ErrorEntry>;
