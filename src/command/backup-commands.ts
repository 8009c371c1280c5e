import { CHANGE, locationName, NET, place, pointId, type CommandSpec } from './spec';
import * as values from './values';

/** Commands on backup locations and restore points. */
export const BACKUP_COMMANDS: readonly CommandSpec[] = [
  {
    kind: 'backup-add',
    name: 'backup add',
    summary: 'Add a backup location.',
    about: [
      'Checks that the location can be reached and written, then adds it to clusters.json. file:///path is a directory on each node, sftp://user@host[:port]/path is a backup server, restic:<repository> is a restic repository.',
      'Do not include a password in the address. You are asked for it, or it is read from the environment.',
    ],
    words: [
      place('name', values.text('<name>', 'a name'), 'Name of the location.'),
      place(
        'uri',
        values.text('<uri>', 'an address'),
        'file:///path, sftp://user@host[:port]/path or restic:<repository>.',
      ),
    ],
    options: ['cluster', 'config', 'json', 'yes', 'acceptNewHostKeys'],
    changes: true,
    examples: [{ line: 'backup add nightly sftp://backup@10.0.0.5/srv/backups', about: '' }],
  },
  {
    kind: 'backup-remove',
    name: 'backup remove',
    summary: 'Remove a backup location from clusters.json.',
    about: ['The restore points there are kept.'],
    words: [place('name', values.text('<name>', 'a name'), 'Name of the location.')],
    options: ['cluster', 'config', 'json', 'yes'],
    changes: true,
    examples: [{ line: 'backup remove nightly', about: '' }],
  },
  {
    kind: 'backup-list',
    name: 'backup list',
    summary: 'List all locations, or the restore points in one.',
    about: ['With a location, lists its restore points, oldest first, with time, reason, versions, size and state.'],
    words: [place('location', locationName, 'Name of a location.', false)],
    options: NET,
    changes: false,
    examples: [
      { line: 'backup list', about: 'all backup locations' },
      { line: 'backup list nightly', about: 'the restore points in that location' },
    ],
  },
  {
    kind: 'backup-create',
    name: 'backup create',
    summary: 'Create a restore point of a cluster and verify it.',
    about: [],
    words: [place('location', locationName, 'The location to back up to.')],
    options: [...NET, 'limitRate', ...CHANGE],
    changes: true,
    examples: [{ line: 'backup create nightly', about: '' }],
  },
  {
    kind: 'backup-verify',
    name: 'backup verify',
    summary: 'Read a restore point back and verify it.',
    about: [
      'Compares digest, completeness and file list with the record, and point.json with the records on the nodes. Only a verified restore point can be restored. With --nodes, verifies only the parts of those nodes.',
    ],
    words: [place('point', pointId, 'ID of the restore point, as shown by backup list.')],
    options: [...NET, 'location'],
    changes: true,
    examples: [{ line: 'backup verify 20261122T201755Z-staging-4f2a --location nightly', about: '' }],
  },
  {
    kind: 'backup-restore',
    name: 'backup restore',
    summary: 'Restore a cluster from a restore point.',
    about: [
      'First shows what will change on each node and which changes will be lost. After the restore, the backed-up paths are exactly as recorded. Files that were added later are removed.',
      'First creates and verifies a restore point of the files to be replaced, in the same location. If that fails, nothing changes. Use --override no-undo to restore without it; you will not be able to undo the restore.',
    ],
    words: [place('point', pointId, 'ID of the restore point, as shown by backup list.')],
    options: [...NET, 'location', 'limitRate', ...CHANGE],
    changes: true,
    examples: [{ line: 'backup restore 20261122T201755Z-staging-4f2a --dry-run', about: 'show what would happen' }],
  },
  {
    kind: 'backup-clean',
    name: 'backup clean',
    summary: 'Remove old restore points.',
    about: [
      'Keeps the last n restore points of the cluster, and those created before its last three restores. Never removes a restore point of an open run or the last verified one. A restore point belongs to the whole cluster and is removed with all its parts, so --nodes does not apply.',
    ],
    words: [
      place('location', locationName, 'Name of the location.'),
      {
        form: 'after',
        keyword: 'keep',
        key: 'keep',
        required: true,
        value: { ...values.count, shown: '<n>' },
        about: 'How many to keep.',
      },
    ],
    options: [...NET.filter((key) => key !== 'nodes'), 'dryRun', 'confirm'],
    changes: true,
    examples: [{ line: 'backup clean nightly keep 5', about: '' }],
  },
];
