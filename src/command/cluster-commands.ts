import { CHANGE, MODE, NET, packageWord, type CommandSpec } from './spec';
import * as values from './values';

/** Commands on a cluster and on packages. */
export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  {
    kind: 'upgrade',
    name: 'upgrade',
    summary: 'Upgrade a cluster.',
    about: [
      'Verifies the whole package, checks every node, copies the package to all nodes, and creates and verifies the backup if you request one. Only then does it change the first node.',
      'By default, upgrades all nodes at once and without a backup, so you will not be able to roll back. Words after the package can be in any order.',
      "Without a package, uses the newest one in the login user's home directory (or its media/) on the primary.",
      'If a file has the name of one of the words, write its path: ./serial.',
    ],
    words: [
      packageWord(
        'A local file, or a file of that name on the primary; node:<path> for a file on the primary; or an http(s) URL.',
        false,
      ),
      MODE,
      {
        form: 'after',
        keyword: 'backup',
        key: 'backup',
        required: false,
        value: values.name('<location>|none', 'a backup location'),
        about: 'Back up to that location first, and verify the backup.',
      },
    ],
    options: [...NET, 'batch', 'maxFailures', 'onFailure', 'sha256', 'fetch', 'distribution', 'limitRate', ...CHANGE],
    changes: true,
    examples: [
      { line: 'upgrade myfile.iso', about: 'all nodes at once, no backup' },
      {
        line: 'upgrade http://myserver/path/myfile.iso serial',
        about: 'download, verify, then one node after the other',
      },
      {
        line: 'upgrade myfile.iso backup nightly --on-failure rollback',
        about: 'roll back automatically if a node fails',
      },
      { line: 'upgrade --batch 1,25%,100% --dry-run', about: 'show the plan for the newest package on the primary' },
    ],
  },
  {
    kind: 'status',
    name: 'status',
    summary: 'Show version, health and last run of each node.',
    about: ['Does not change anything or take a lock.'],
    words: [],
    options: NET,
    changes: false,
    examples: [{ line: 'status --cluster staging', about: 'one line for each node' }],
  },
  {
    kind: 'check',
    name: 'check',
    summary: 'Run only the checks of an upgrade.',
    about: [
      'Runs all checks and shows one report. Each finding blocks the upgrade or is a warning, and says what to do.',
      'Takes no lock. Its only write is a temporary directory for the version and check scripts of the package, which is removed at once.',
      'On a production cluster, these scripts run only with --confirm. Without it, the report says that they did not run.',
    ],
    words: [packageWord('As for upgrade. Default: the newest on the primary.', false)],
    options: [...NET, 'sha256', 'fetch', 'override', 'confirm'],
    changes: false,
    examples: [{ line: 'check myfile.iso', about: 'can this package be installed?' }],
  },
  {
    kind: 'provision',
    name: 'provision',
    summary: 'Reconfigure the cluster.',
    about: [
      'Runs the provision script of the installed package on the primary, then checks the health of all nodes. An upgrade does this automatically if the package requests it.',
    ],
    words: [MODE],
    options: [...NET, ...CHANGE],
    changes: true,
    examples: [{ line: 'provision', about: '' }],
  },
  {
    kind: 'package-inspect',
    name: 'package inspect',
    summary: 'Show details of a package without installing or downloading it.',
    about: [],
    words: [packageWord('A local file, node:<path> for a file on the primary, or an http(s) URL.', true)],
    options: ['cluster', 'config', 'sha256', 'json', 'yes', 'acceptNewHostKeys'],
    changes: false,
    examples: [{ line: 'package inspect myfile.iso', about: 'product, version, scripts, compatibility' }],
  },
];
