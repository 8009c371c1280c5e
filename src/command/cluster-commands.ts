import { CHANGE, MODE, NET, packageWord, type CommandSpec } from './spec';
import * as values from './values';

/** Commands on a cluster and on packages. */
export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  {
    kind: 'upgrade',
    name: 'upgrade',
    summary: 'Upgrade a cluster.',
    about: [
      'Verifies the whole package, checks every node, stages the package everywhere, makes and verifies the backup if one is asked for, and only then changes the first node.',
      'Without a word it upgrades all nodes at once and without a backup: there is no way back then. Words after the package come in any order.',
      "Without a package it takes the newest one in the login user's directory (and its media/) on the primary.",
      'A file named like one of the words is written with its folder: ./serial.',
    ],
    words: [
      packageWord(
        'A file here, or one of that name on the primary; node:<path>: a file on the primary; or an http(s) URL.',
        false,
      ),
      MODE,
      {
        form: 'after',
        keyword: 'backup',
        key: 'backup',
        required: false,
        value: values.name('<location>|none', 'a backup location'),
        about: 'Back up to that location first, and verify it.',
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
      { line: 'upgrade myfile.iso backup nightly --on-failure rollback', about: 'with a verified way back' },
      { line: 'upgrade --batch 1,25%,100% --dry-run', about: 'the newest package on the primary; show the plan only' },
    ],
  },
  {
    kind: 'status',
    name: 'status',
    summary: 'Show version, health and last run of each node.',
    about: ['Changes nothing and takes no lock.'],
    words: [],
    options: NET,
    changes: false,
    examples: [{ line: 'status --cluster staging', about: 'one line for each node' }],
  },
  {
    kind: 'check',
    name: 'check',
    summary: 'Run the checks of an upgrade, and nothing else.',
    about: [
      'Every check runs and comes back in one report; each is a block or a warning and names what to do.',
      'It takes no lock. Its only write is a temporary directory for the version and check scripts of the package, which is removed at once.',
      'On a production cluster these scripts run only with --confirm; without it, the report says that they were not asked.',
    ],
    words: [packageWord('As for upgrade. Without it: the newest on the primary.', false)],
    options: [...NET, 'sha256', 'fetch', 'override', 'confirm'],
    changes: false,
    examples: [{ line: 'check myfile.iso', about: 'may this package be installed?' }],
  },
  {
    kind: 'provision',
    name: 'provision',
    summary: 'Reconfigure the cluster.',
    about: [
      'Runs the provision script of the installed package on the primary, then checks the health of all nodes. An upgrade does this by itself where the package asks for it.',
    ],
    words: [MODE],
    options: [...NET, ...CHANGE],
    changes: true,
    examples: [{ line: 'provision', about: '' }],
  },
  {
    kind: 'package-inspect',
    name: 'package inspect',
    summary: 'Show what a package is, without installing or fetching it.',
    about: [],
    words: [packageWord('A file here, node:<path> for one on the primary, or an http(s) URL.', true)],
    options: ['cluster', 'config', 'sha256', 'json', 'yes', 'acceptNewHostKeys'],
    changes: false,
    examples: [{ line: 'package inspect myfile.iso', about: 'product, version, scripts, compatibility' }],
  },
];
