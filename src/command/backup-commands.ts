import { CHANGE, locationName, NET, place, pointId, type CommandSpec } from './spec';
import * as values from './values';

/** Commands on backup locations and restore points. */
export const BACKUP_COMMANDS: readonly CommandSpec[] = [
  {
    kind: 'backup-add',
    name: 'backup add',
    summary: 'Add a backup location.',
    about: [
      'Checks that the place can be reached and written, then adds it to clusters.json. file:///path is a directory on each node, sftp://user@host[:port]/path a backup server, restic:<repository> a restic repository.',
      'A password never belongs into the address: it is asked for, or taken from the environment.',
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
    about: ['The restore points there stay as they are.'],
    words: [place('name', values.text('<name>', 'a name'), 'Name of the location.')],
    options: ['cluster', 'config', 'json', 'yes'],
    changes: true,
    examples: [{ line: 'backup remove nightly', about: '' }],
  },
  {
    kind: 'backup-list',
    name: 'backup list',
    summary: 'List the locations, or the restore points of one.',
    about: ['With a location: its restore points, oldest first, with time, reason, versions, size and state.'],
    words: [place('location', locationName, 'Name of a location.', false)],
    options: NET,
    changes: false,
    examples: [
      { line: 'backup list', about: 'where backups can go' },
      { line: 'backup list nightly', about: 'what can be restored from there' },
    ],
  },
  {
    kind: 'backup-create',
    name: 'backup create',
    summary: 'Make a restore point of a cluster, and verify it.',
    about: [],
    words: [place('location', locationName, 'Where it goes.')],
    options: [...NET, 'limitRate', ...CHANGE],
    changes: true,
    examples: [{ line: 'backup create nightly', about: '' }],
  },
  {
    kind: 'backup-verify',
    name: 'backup verify',
    summary: 'Read a restore point back from where it lies.',
    about: [
      'Digest, completeness and listing are compared with what was recorded, and point.json with what the nodes remember of it. Only a verified point can be restored. With --nodes, only the parts of those.',
    ],
    words: [place('point', pointId, 'Id of the restore point, as backup list shows it.')],
    options: [...NET, 'location'],
    changes: true,
    examples: [{ line: 'backup verify 20261122T201755Z-staging-4f2a --location nightly', about: '' }],
  },
  {
    kind: 'backup-restore',
    name: 'backup restore',
    summary: 'Put back what a restore point holds.',
    about: [
      'Shows first what will change on each node and what will be lost. Afterwards the paths of the backup are exactly as recorded: files that came later are gone.',
      'A restore point of what is replaced is made and verified first, in the same location. Without it nothing is changed; --override no-undo restores without a way back.',
    ],
    words: [place('point', pointId, 'Id of the restore point, as backup list shows it.')],
    options: [...NET, 'location', 'limitRate', ...CHANGE],
    changes: true,
    examples: [{ line: 'backup restore 20261122T201755Z-staging-4f2a --dry-run', about: 'show what would happen' }],
  },
  {
    kind: 'backup-clean',
    name: 'backup clean',
    summary: 'Remove old restore points.',
    about: [
      'Keeps the last n of the cluster, and the points that were made before its last three restores. Never removes a point of an open run, nor the last verified one. A point is one of the whole cluster and goes with all of its parts, so --nodes has no place here.',
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
