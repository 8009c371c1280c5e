import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { failed, usage, refused, unknown } = ExitStatus;

/** Restore points and restores. */
export const RESTORE_ERRORS = {
  'point-unknown': {
    exit: usage,
    cause: 'The restore point does not exist in the location.',
    next: 'List the points with `clusterlift backup list`.',
  },
  'point-node': {
    exit: [usage, refused],
    cause: 'The restore point and the cluster do not have the same nodes.',
    next: 'Choose nodes with --nodes, or the cluster with --cluster.',
  },
  'point-torn': {
    exit: refused,
    cause: 'A file of the restore point is incomplete.',
    next: 'Use another restore point, and check the disk of the location.',
  },
  'point-newer': {
    exit: refused,
    cause: 'The restore point was written by a newer Clusterlift.',
    next: 'Update Clusterlift, then try again.',
  },
  'point-invalid': {
    exit: refused,
    cause: 'The description of the restore point is not valid.',
    next: 'Use another restore point, and check who can write to the location.',
  },
  'point-differs': {
    exit: refused,
    cause: 'The nodes have different descriptions of the restore point.',
    next: 'Do not use it. Somebody changed one of them.',
  },
  'point-changed': {
    exit: refused,
    cause: 'The restore point was changed after it was created.',
    next: 'Do not use it, and check who can write to the location.',
  },
  'point-broken': {
    exit: refused,
    cause: 'The restore point is broken or incomplete.',
    next: 'Use another one, or check it with `clusterlift backup verify`.',
  },
  'point-unverified': {
    cause: 'The restore point was never verified. It is verified first.',
    next: 'Run `clusterlift backup verify`.',
  },
  'foreign-point': {
    exit: refused,
    cause: 'The node does not vouch for the restore point.',
    next: 'Check where it comes from, then accept it with --override foreign-point.',
  },
  'removal-begun': {
    exit: refused,
    cause: 'A clean of this restore point was started and not finished.',
    next: 'Use another restore point, or accept the risk with --override removal-begun.',
  },
  'archive-invalid': {
    exit: refused,
    cause: 'The archive of a restore point is not valid.',
    next: 'Do not use this restore point.',
  },
  'restore-space': {
    exit: refused,
    cause: 'The node has too little free space for the restore.',
    next: 'Make room on the node.',
  },
  'restore-stage': {
    exit: failed,
    cause: 'A directory for the restore cannot be written.',
    next: 'Restore what the message names (mount it, make it writable), then try again.',
  },
  'restore-unsafe': {
    exit: refused,
    cause: 'Other users can change a directory above a restored path. Nothing was replaced.',
    next: 'Give the directories to root, or replace the link by a directory.',
  },
  'restore-missing': {
    exit: refused,
    cause: 'The part of a node is missing in the restore point, or has another size.',
    next: 'Use another restore point.',
  },
  'restore-digest': {
    exit: refused,
    cause: 'The archive was changed or damaged. Nothing was replaced.',
    next: 'Do not use this point. Use another one.',
  },
  'restore-members': {
    exit: refused,
    cause: 'The archive would write outside of its paths.',
    next: 'Do not use this point. Check who can write to the location.',
  },
  'restore-unpack': {
    exit: failed,
    cause: 'The archive could not be unpacked. Nothing was replaced.',
    next: 'Check the log and the free space.',
  },
  'restore-compare': {
    exit: failed,
    cause: 'The unpacked files differ from the archive. Nothing was replaced.',
    next: 'Check the disk of the node.',
  },
  'swap-went-back': {
    exit: failed,
    cause: 'A path could not be replaced. Everything was put back.',
    next: 'Check the log and the free space, then start the restore again.',
  },
  'swap-stuck': {
    exit: unknown,
    cause: 'A path could be neither replaced nor put back.',
    next: 'Move it back as the message says, then run `clusterlift resume`.',
  },
  'swap-backwards': {
    exit: failed,
    cause: 'This restore was already turned back.',
    next: 'Start a new restore.',
  },
  'swap-open': {
    exit: failed,
    cause: 'The restore has not finished replacing files.',
    next: 'Continue with `clusterlift resume`.',
  },
} satisfies Record<string, ErrorEntry>;
