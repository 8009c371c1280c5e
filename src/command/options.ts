import type { OptionKey, Options } from './command';
import * as values from './values';
import type { Value } from './values';

/** How an option is written, and what it says. `list`: may be repeated, each time one entry. */
export type OptionSpec<T = unknown> = { readonly name: string; readonly about: string } & (
  | { readonly form: 'flag' }
  | { readonly form: 'value'; readonly value: Value<T> }
  | { readonly form: 'list'; readonly value: Value<T extends readonly (infer Each)[] ? Each : never> }
);
type OptionTable = { readonly [K in OptionKey]-?: OptionSpec<NonNullable<Options[K]>> };

/** Every option, in the order of the help texts. */
export const OPTIONS: OptionTable = {
  cluster: {
    name: '--cluster',
    form: 'value',
    value: values.name('NAME', 'a cluster'),
    about: 'The cluster. Required if the file has several.',
  },
  config: {
    name: '--config',
    form: 'value',
    value: values.text('FILE', 'a file', { completes: 'file' }),
    about: 'The clusters.json file to use instead of the nearest .vscode/clusters.json or your own.',
  },
  nodes: { name: '--nodes', form: 'value', value: values.nodeNames, about: 'Run on these nodes only.' },
  batch: {
    name: '--batch',
    form: 'value',
    value: values.batches,
    about: 'Batch sizes, in order. The last size repeats. Not with serial.',
  },
  maxFailures: {
    name: '--max-failures',
    form: 'value',
    value: values.failures,
    about: 'Stop starting nodes once more than this many have failed. A percentage is rounded down. Default: 0.',
  },
  onFailure: {
    name: '--on-failure',
    form: 'value',
    value: values.choice(['stop', 'continue', 'rollback']),
    about: 'What to do when more nodes than allowed have failed. rollback needs a backup. Default: stop.',
  },
  sha256: {
    name: '--sha256',
    form: 'value',
    value: values.sha256,
    about: 'The SHA-256 digest that the package must have.',
  },
  fetch: {
    name: '--fetch',
    form: 'value',
    value: values.choice(['here', 'primary']),
    about: 'The machine that downloads a URL. The primary uses curl or wget. Default: here.',
  },
  distribution: {
    name: '--distribution',
    form: 'value',
    value: values.choice(['auto', 'direct', 'relay']),
    about:
      'How the package is sent to the nodes: from here to each node, or from here to one node and then from node to node. Default: auto, which is direct.',
  },
  limitRate: {
    name: '--limit-rate',
    form: 'value',
    value: values.rate,
    about: 'Maximum transfer rate per second, for all nodes together.',
  },
  giveUp: {
    name: '--give-up',
    form: 'value',
    value: values.duration,
    about: 'How long to wait for a node that is lost, overdue or rebooting before its outcome is unknown. Default: 2h.',
  },
  location: {
    name: '--location',
    form: 'value',
    value: values.name('NAME', 'a backup location'),
    about: 'The location of the restore point.',
  },
  fromNodes: {
    name: '--from-nodes',
    form: 'flag',
    about: 'Read the plan and the journal from the nodes, for a run that was started on another machine.',
  },
  decide: {
    name: '--decide',
    form: 'list',
    value: values.decision,
    about: 'Your decision about a step with an unknown outcome: retry it, or mark it as done or failed. Repeatable.',
  },
  reason: {
    name: '--reason',
    form: 'value',
    value: values.text('TEXT', 'a reason in one line'),
    about: 'The reason. It is recorded.',
  },
  override: {
    name: '--override',
    form: 'list',
    value: values.override,
    about: 'Check to override, by code, on all nodes or on the named one. It is recorded. Repeatable.',
  },
  dryRun: { name: '--dry-run', form: 'flag', about: 'Show the plan for each node and step without changing anything.' },
  json: {
    name: '--json',
    form: 'flag',
    about: 'Write one JSON object per line to stdout, and all other text to stderr.',
  },
  yes: {
    name: '--yes',
    form: 'flag',
    about: 'Answer confirmations with yes. Does not replace --confirm on a production cluster.',
  },
  ask: {
    name: '--ask',
    form: 'flag',
    about: 'Always show the plan and ask for confirmation before anything changes.',
  },
  confirm: {
    name: '--confirm',
    form: 'value',
    value: values.name('NAME', 'a cluster'),
    about: 'The name of the production cluster, to confirm the change.',
  },
  acceptNewHostKeys: {
    name: '--accept-new-host-keys',
    form: 'flag',
    about: 'Accept the host keys of unknown hosts. A changed key is still refused.',
  },
};

export const OPTION_KEYS = Object.keys(OPTIONS) as readonly OptionKey[];
