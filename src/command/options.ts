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
    about: 'The cluster. Needed where the file has several.',
  },
  config: {
    name: '--config',
    form: 'value',
    value: values.text('FILE', 'a file', { completes: 'file' }),
    about: 'The clusters.json to use, instead of the nearest .vscode/clusters.json or your own.',
  },
  nodes: { name: '--nodes', form: 'value', value: values.nodeNames, about: 'Only these nodes.' },
  batch: {
    name: '--batch',
    form: 'value',
    value: values.batches,
    about: 'Sizes of the batches, one after the other; the last one repeats. Not with serial.',
  },
  maxFailures: {
    name: '--max-failures',
    form: 'value',
    value: values.failures,
    about: 'Start no more nodes when more than this have failed; a percentage is rounded down. Default: 0.',
  },
  onFailure: {
    name: '--on-failure',
    form: 'value',
    value: values.choice(['stop', 'continue', 'rollback']),
    about: 'What happens when more nodes than allowed have failed. rollback needs a backup. Default: stop.',
  },
  sha256: { name: '--sha256', form: 'value', value: values.sha256, about: 'The digest that the package must have.' },
  fetch: {
    name: '--fetch',
    form: 'value',
    value: values.choice(['here', 'primary']),
    about: 'Which machine downloads a URL; the primary does so with curl or wget. Default: here.',
  },
  distribution: {
    name: '--distribution',
    form: 'value',
    value: values.choice(['auto', 'direct', 'relay']),
    about:
      'How the package reaches the nodes: from here to each, or from here to one and from node to node. Default: auto, which is direct.',
  },
  limitRate: {
    name: '--limit-rate',
    form: 'value',
    value: values.rate,
    about: 'Send no more than this each second, over all nodes.',
  },
  giveUp: {
    name: '--give-up',
    form: 'value',
    value: values.duration,
    about:
      'How long to wait for a node that is lost, overdue or rebooting, until its outcome counts as unknown. Default: 2h.',
  },
  location: {
    name: '--location',
    form: 'value',
    value: values.name('NAME', 'a backup location'),
    about: 'Where the restore point lies.',
  },
  fromNodes: {
    name: '--from-nodes',
    form: 'flag',
    about: 'Take plan and journal from the nodes: the run was started on another machine.',
  },
  decide: {
    name: '--decide',
    form: 'list',
    value: values.decision,
    about:
      'Your decision about a step whose outcome is unknown: do it again, or take it as done or failed. Repeatable.',
  },
  reason: {
    name: '--reason',
    form: 'value',
    value: values.text('TEXT', 'a reason in one line'),
    about: 'Why. It is recorded.',
  },
  override: {
    name: '--override',
    form: 'list',
    value: values.override,
    about: 'Go on although this check blocks, on all nodes or on the named one. It is recorded. Repeatable.',
  },
  dryRun: { name: '--dry-run', form: 'flag', about: 'Show the plan, node by node and step by step; change nothing.' },
  json: { name: '--json', form: 'flag', about: 'One JSON object a line on stdout; text for people goes to stderr.' },
  yes: { name: '--yes', form: 'flag', about: "Answer confirmations with yes; not a production cluster's name." },
  ask: {
    name: '--ask',
    form: 'flag',
    about: 'Show the plan and ask before anything changes, also where nothing would be asked.',
  },
  confirm: {
    name: '--confirm',
    form: 'value',
    value: values.name('NAME', 'a cluster'),
    about: 'The name of the production cluster that is changed, as its confirmation.',
  },
  acceptNewHostKeys: {
    name: '--accept-new-host-keys',
    form: 'flag',
    about: 'Accept host keys of hosts never seen before. A changed key is still refused.',
  },
};

export const OPTION_KEYS = Object.keys(OPTIONS) as readonly OptionKey[];
