import * as vscode from 'vscode';
import { aboutNode } from '../../base/text';
import type { UpgradeCommand } from '../../command/command';
import { formatCommand, publicPackage } from '../../command/format';
import type { ClusterRef } from '../clusters/model';
import type { StatusCache } from '../clusters/status';
import { argvFor, cwdOf, forCluster } from '../clusters/argv';
import { asLabel } from '../shared/escape';
import type { Queries } from '../shared/queries';
import { nodesWords } from '../views/words';
import type { PackageChoice, PackagePicker } from './package';
import { plannedOf, type Planned } from './planned';
import {
  alone,
  askText,
  copyButton,
  pickOne,
  pickSeveral,
  runWizard,
  type Choice,
  type Place,
  type Step,
  type StepEnd,
} from './steps';

const { l10n } = vscode;

/** Characters of a package's path that leave room for the rest of the command. */
const LONG_PATH = 18;

/** What the steps found out. */
interface UpgradeState {
  readonly clusters: readonly ClusterRef[];
  readonly package?: PackageChoice;
  readonly mode?: 'serial' | 'fast';
  readonly backup?: string;
  /** Undefined: all. */
  readonly nodes?: readonly string[];
}

/** What a person decided at the end, for one cluster. */
export interface UpgradeDecision {
  readonly ref: ClusterRef;
  readonly command: UpgradeCommand;
  readonly then: 'start' | 'preview' | 'save';
}

export interface UpgradeWizardDeps {
  readonly queries: Queries;
  readonly packages: PackagePicker;
  readonly status: StatusCache;
}

/** The steps of an upgrade: package, mode, backup, nodes; then a summary for each cluster with its checks and the equivalent command. */
export class UpgradeWizard {
  constructor(private readonly deps: UpgradeWizardDeps) {}

  /** @returns what is to be done, cluster by cluster; nothing when it was cancelled */
  async run(clusters: readonly ClusterRef[], then?: 'preview' | 'save'): Promise<UpgradeDecision[]> {
    const names = clusters.map(({ label }) => label).join(', ');
    const title = then === 'preview' ? l10n.t('Preview upgrade of {0}', names) : l10n.t('Upgrade {0}', names);
    const steps = [this.#package, this.#mode, this.#backup, this.#nodes];
    const only = clusters.length === 1 ? clusters[0] : undefined;
    if (only && then === undefined) return this.#withSummary(title, steps, only);
    const state = await runWizard<UpgradeState>(title, steps, { clusters });
    if (!state) return [];
    if (then) return clusters.map((ref) => ({ ref, command: commandFor(state, ref), then }));
    const decisions: UpgradeDecision[] = [];
    for (const ref of clusters) {
      const end = await this.#summary(commandFor(state, ref), ref, state, alone(l10n.t('Upgrade {0}', ref.label)));
      if (end.kind !== 'next') return [];
      decisions.push(end.value);
    }
    return decisions;
  }

  async #withSummary(title: string, steps: readonly Step<UpgradeState>[], ref: ClusterRef): Promise<UpgradeDecision[]> {
    let decision: UpgradeDecision | undefined;
    const last: Step<UpgradeState> = {
      show: async (state, place) => {
        const end = await this.#summary(commandFor(state, ref), ref, state, place);
        if (end.kind !== 'next') return end;
        decision = end.value;
        return { kind: 'next', value: state };
      },
    };
    const done = await runWizard<UpgradeState>(title, [...steps, last], { clusters: [ref] });
    return done && decision ? [decision] : [];
  }

  readonly #package: Step<UpgradeState> = {
    show: async (state, place) =>
      next(await this.deps.packages.pick(place, state.clusters[0], true), (value) => ({ ...state, package: value })),
  };

  readonly #mode: Step<UpgradeState> = {
    show: async (state, place) => {
      const configured = state.clusters[0]?.cluster.upgrade.mode ?? 'fast';
      const named = (mode: string): string =>
        mode === configured ? `${mode} · ${l10n.t('default of this cluster')}` : mode;
      const end = await pickOne<'serial' | 'fast'>(place, {
        placeholder: howWords(state.package?.about ?? ''),
        active: state.mode ?? configured,
        items: [
          {
            label: `$(rocket) ${l10n.t('All nodes at once')}`,
            description: named('fast'),
            detail: l10n.t('Fastest, but the service is down on all nodes meanwhile.'),
            value: 'fast',
          },
          {
            label: `$(list-ordered) ${l10n.t('One node after the other')}`,
            description: named('serial'),
            detail: l10n.t('In role order. Each node must be healthy before the next starts.'),
            value: 'serial',
          },
        ],
      });
      return next(end, (mode) => ({ ...state, mode }));
    },
  };

  readonly #backup: Step<UpgradeState> = {
    show: async (state, place) => {
      const [first, ...others] = state.clusters;
      const common = (first?.file.locations ?? []).filter(({ name }) =>
        others.every(({ file }) => file.locations.some((each) => each.name === name)),
      );
      const end = await pickOne<string>(place, {
        placeholder: l10n.t('Create a backup first?'),
        active: state.backup ?? first?.cluster.upgrade.backup ?? 'none',
        items: [
          ...common.map(({ name, uri }): Choice<string> => ({
            label: `$(archive) ${name}`,
            description: asLabel(uri),
            detail: l10n.t('Created and verified before anything changes.'),
            value: name,
          })),
          {
            label: '$(vm) localbackup',
            description: l10n.t('on each node itself'),
            detail: l10n.t('Created and verified before anything changes. Lost if the node is lost.'),
            value: 'localbackup',
          },
          {
            label: `$(circle-slash) ${l10n.t('No backup')}`,
            description: 'none',
            detail: l10n.t('You will not be able to roll back.'),
            value: 'none',
          },
        ],
      });
      return next(end, (backup) => ({ ...state, backup }));
    },
  };

  readonly #nodes: Step<UpgradeState> = {
    applies: ({ clusters }) => clusters.length === 1 && (clusters[0]?.cluster.nodes.length ?? 0) > 1,
    show: async (state, place) => {
      const [ref] = state.clusters;
      if (!ref) return { kind: 'next', value: state };
      const names = ref.cluster.nodes.map(({ name }) => name);
      const end = await pickSeveral<string>(place, {
        placeholder: l10n.t('Which nodes?'),
        picked: state.nodes ?? names,
        items: ref.cluster.nodes.map((node): Choice<string> => ({
          label: node.name,
          description: [asLabel(this.deps.status.node(ref.id, node.name)?.version ?? ''), node.roles.join(', ')]
            .filter((each) => each !== '')
            .join(' · '),
          value: node.name,
        })),
      });
      return next(end, (nodes) => {
        const { clusters, package: source, mode, backup } = state;
        const rest = { clusters, ...(source && { package: source }), ...(mode && { mode }), ...(backup && { backup }) };
        return nodes.length === names.length ? rest : { ...rest, nodes };
      });
    },
  };

  async #summary(
    command: UpgradeCommand,
    ref: ClusterRef,
    state: UpgradeState,
    place: Place,
  ): Promise<StepEnd<UpgradeDecision>> {
    let planned: Planned | undefined;
    const end = await pickOne<UpgradeDecision['then']>(place, {
      placeholder: l10n.t('Review and start'),
      items: summaryItems({ ref, command, state, planned }, [
        { label: `$(sync~spin) ${l10n.t('Checking all nodes…')}` },
      ]),
      active: 'start',
      later: async (show, signal) => {
        const answer = await this.#query(command, ref, signal);
        planned = answer.planned;
        show(summaryItems({ ref, command, state, planned }, answer.checks));
      },
    });
    if (end.kind !== 'next') return end;
    if (end.value !== 'start' || !ref.cluster.production)
      return { kind: 'next', value: { ref, command, then: end.value } };
    const typed = await typeName(place, ref, consequenceOf({ ref, command, state, planned }));
    if (typed.kind === 'back') return this.#summary(command, ref, state, place);
    if (typed.kind !== 'next') return typed;
    const confirmed = { ...command, options: { ...command.options, confirm: typed.value } };
    const agreed = await this.#agreeAgain(confirmed, ref, place, planned);
    if (agreed.kind === 'back') return this.#summary(command, ref, state, place);
    return agreed.kind === 'next' ? { kind: 'next', value: { ref, command: confirmed, then: 'start' } } : agreed;
  }

  /** The name allows the scripts of the package to run. What they change in the plan is asked about again. */
  async #agreeAgain(
    command: UpgradeCommand,
    ref: ClusterRef,
    place: Place,
    before: Planned | undefined,
  ): Promise<StepEnd<string>> {
    const typed = { kind: 'next', value: ref.cluster.name } as const;
    if (before?.asked) return typed;
    const options = { location: vscode.ProgressLocation.Notification, title: l10n.t('Checking all nodes…') };
    const { planned } = await vscode.window.withProgress(options, () =>
      this.#query(command, ref, new AbortController().signal),
    );
    const known = new Set(before?.nodes);
    const changed = (planned?.nodes ?? []).filter((each) => !known.has(each));
    if (changed.length === 0) return typed;
    const shown = [...changed.slice(0, 6), ...(changed.length > 6 ? ['…'] : [])].join(', ');
    return typeName(place, ref, l10n.t('The scripts of the package changed the plan: {0}.', asLabel(shown, 500)));
  }

  /** What the upgrade would do, by a dry run; with what its checks found. */
  async #query(
    command: UpgradeCommand,
    ref: ClusterRef,
    signal: AbortSignal,
  ): Promise<{ planned?: Planned | undefined; checks: readonly Choice<never>[] }> {
    const dry: UpgradeCommand = { ...command, options: { ...command.options, dryRun: true } };
    try {
      const { rows, error } = await this.deps.queries.query([...argvFor(dry, ref), '--json'], cwdOf(ref), signal);
      const planned = plannedOf(rows);
      // That there is no backup stands there from the beginning.
      const checks = (planned?.checks ?? []).filter(({ code }) => code !== 'no-backup').flatMap(checkItem);
      if (error) checks.unshift({ label: `$(error) ${asLabel(error.message)}`, detail: asLabel(error.hint) });
      return { planned, checks: checks.length > 0 ? checks : [{ label: `$(pass) ${l10n.t('All checks passed.')}` }] };
    } catch (error) {
      return { checks: [{ label: `$(warning) ${asLabel(String(error))}` }] };
    }
  }
}

/** What the last step is about; `planned` once the nodes have answered. */
interface Summary {
  readonly ref: ClusterRef;
  readonly command: UpgradeCommand;
  readonly state: UpgradeState;
  readonly planned: Planned | undefined;
}

/** `How should acme-voice 24.2.0 be rolled out? (from >=23.1 · 1.2 GiB)` */
function howWords(about: string): string {
  const [name = '', ...more] = about.split(' · ');
  const question = l10n.t('How should {0} be rolled out?', name);
  return more.length === 0 ? question : `${question} (${more.join(' · ')})`;
}

function summaryItems(
  { ref, command, state, planned }: Summary,
  checks: readonly Choice<never>[],
): Choice<UpgradeDecision['then']>[] {
  const about = planned ? [planned.package, planned.versions] : [state.package?.about ?? ''];
  return [
    {
      label: `$(cloud-upload) ${l10n.t('Upgrade {0} now', ref.label)}`,
      description: asLabel([nodesWords(countOf(command, ref)), ...about].filter((each) => each !== '').join(', ')),
      detail: asLabel(formatCommand(shortened(command)), 1000),
      copy: formatCommand(command),
      buttons: [copyButton()],
      value: 'start',
    },
    {
      label: `$(preview) ${l10n.t('Preview')}`,
      detail: l10n.t('Show the plan for each node without changing anything.'),
      value: 'preview',
    },
    {
      label: `$(tasklist) ${l10n.t('Save as Task')}`,
      detail: l10n.t('Save it to tasks.json without starting it.'),
      value: 'save',
    },
    { label: l10n.t('Checks'), kind: vscode.QuickPickItemKind.Separator },
    ...(command.package === undefined && planned
      ? [{ label: `$(package) ${asLabel(planned.package)}`, description: asLabel(planned.source) }]
      : []),
    ...(command.backup === 'none'
      ? [{ label: `$(warning) ${l10n.t('No backup: you will not be able to roll back.')}` }]
      : []),
    ...checks,
  ];
}

/** What a person says yes to: nodes, versions, and whether there is a way back. */
function consequenceOf({ ref, command, state, planned }: Summary): string {
  const nodes = nodesWords(countOf(command, ref));
  const versions = [planned?.versions, planned?.package, state.package?.about].find((each) => each);
  return [
    l10n.t('Upgrade {0}: {1}.', nodes, versions ?? l10n.t('the newest package on the cluster')),
    command.backup === 'none' ? l10n.t('No backup: you will not be able to roll back.') : '',
  ]
    .filter((each) => each !== '')
    .join(' ');
}

function countOf({ options }: UpgradeCommand, { cluster }: ClusterRef): number {
  return options.nodes?.length ?? cluster.nodes.length;
}

/** A production cluster wants its name typed. @param about what happens then */
export async function typeName(place: Place, { cluster }: ClusterRef, about = ''): Promise<StepEnd<string>> {
  return askText(
    { ...place, step: Math.max(2, place.step) },
    {
      prompt: `${about} ${l10n.t('{0} is a production cluster. Type its name to continue.', cluster.name)}`.trim(),
      placeholder: cluster.name,
      check: (value) => (value === cluster.name ? undefined : l10n.t('That is not "{0}".', cluster.name)),
    },
  );
}

function commandFor({ package: source, mode, backup, nodes }: UpgradeState, ref: ClusterRef): UpgradeCommand {
  return forCluster(
    {
      kind: 'upgrade',
      ...(source?.source === undefined ? {} : { package: source.source }),
      ...(mode === undefined ? {} : { mode }),
      ...(backup === undefined ? {} : { backup }),
      options: nodes ? { nodes } : {},
    },
    ref,
  );
}

/** A row is narrow: of a long path the name is enough, so that the words after it are seen. */
function shortened(command: UpgradeCommand): UpgradeCommand {
  const source = publicPackage(command.package);
  if (source === undefined || source.length <= LONG_PATH) return command;
  const name = source.slice(source.lastIndexOf('/') + 1);
  return { ...command, package: `.../${name.slice(-LONG_PATH)}` };
}

function checkItem({ level, code, node, message, fix }: Planned['checks'][number]): Choice<never>[] {
  if (typeof message !== 'string') return [];
  const text = aboutNode(typeof node === 'string' ? node : undefined, message);
  return [
    {
      label: `${level === 'block' ? '$(error)' : '$(warning)'} ${asLabel(text)}`,
      description: typeof code === 'string' ? asLabel(code) : '',
      detail: typeof fix === 'string' ? asLabel(fix) : '',
    },
  ];
}

function next<T, S>(end: StepEnd<T>, state: (value: T) => S): StepEnd<S> {
  return end.kind === 'next' ? { kind: 'next', value: state(end.value) } : end;
}
