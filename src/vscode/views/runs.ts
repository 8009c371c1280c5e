import * as vscode from 'vscode';
import { withCode } from '../../base/errors';
import { line } from '../../base/text';
import { formatDuration } from '../../base/units';
import type { RunRecord } from '../../engine/journal/runs';
import { currentStep, type NodeView, type StepView } from '../../engine/journal/view';
import type { RunHub } from '../runs/hub';
import type { RunsModel } from '../runs/model';
import { Store } from '../shared/store';
import { BUSY, runIcon, runNodeIcon } from './icons';
import { setContext, tooltip, touched, TreeRefresh } from './tree';
import { ago, nodeOutcomeWords, outcomeWords, progressWords, stepWords, versionsWords } from './words';
import { actionWords, runTitle } from '../runs/words';

const { l10n } = vscode;

export type RunItem =
  | { readonly kind: 'run'; readonly run: string }
  | { readonly kind: 'runNode'; readonly run: string; readonly node: string }
  | { readonly kind: 'runStep'; readonly run: string; readonly node: string; readonly step: string };

/** Runs of this machine: running ones first, then newest first; below, their nodes and the step that failed. */
export class RunsTree extends Store implements vscode.TreeDataProvider<RunItem> {
  readonly #refresh = this.add(new TreeRefresh<RunItem>());
  readonly onDidChangeTreeData = this.#refresh.event;
  readonly view: vscode.TreeView<RunItem>;
  readonly #items = new Map<string, RunItem>();
  /** Failed ones that were not looked at yet. */
  readonly #unseen = new Set<string>();

  constructor(
    private readonly model: RunsModel,
    private readonly hub: RunHub,
  ) {
    super();
    this.view = this.add(
      vscode.window.createTreeView('clusterlift.runs', {
        treeDataProvider: this,
        showCollapseAll: true,
        canSelectMany: true,
      }),
    );
    this.add(
      model.onDidChange(() => {
        this.#tell();
        this.#refresh.later();
      }),
    );
    this.add(
      model.onDidEnd(({ record }) => {
        if (record.view.outcome !== 'succeeded' && !this.view.visible) this.#unseen.add(record.run);
        this.#tell();
      }),
    );
    this.add(
      hub.onEvents(({ view: { run }, events }) => {
        const what = touched(events);
        if (what === 'all') this.#refresh.later(this.#item(run, { kind: 'run', run }));
        else this.#refresh.these([...what].flatMap((name) => this.#items.get(`${run}/${name}`) ?? []));
      }),
    );
    this.add(
      this.view.onDidChangeVisibility(({ visible }) => {
        if (visible) this.#unseen.clear();
        this.#tell();
      }),
    );
  }

  getChildren(item?: RunItem): RunItem[] {
    if (!item) return this.model.records.map(({ run }) => this.#item(run, { kind: 'run', run }));
    const record = this.model.find(item.run);
    if (!record || item.kind === 'runStep') return [];
    if (item.kind === 'run') {
      const { run } = item;
      return record.plan.nodes.map(({ name }) => this.#item(`${run}/${name}`, { kind: 'runNode', run, node: name }));
    }
    const trouble = troubleOf(this.#node(record, item.node));
    if (!trouble) return [];
    const { run, node } = item;
    return [this.#item(`${run}/${node}/${trouble.step}`, { kind: 'runStep', run, node, step: trouble.step })];
  }

  getParent(item: RunItem): RunItem | undefined {
    const { run } = item;
    if (item.kind === 'run') return undefined;
    if (item.kind === 'runNode') return this.#item(run, { kind: 'run', run });
    return this.#item(`${run}/${item.node}`, { kind: 'runNode', run, node: item.node });
  }

  getTreeItem(item: RunItem): vscode.TreeItem {
    const record = this.model.find(item.run);
    if (!record) return new vscode.TreeItem(item.run);
    if (item.kind === 'run') return this.#runItem(record);
    return item.kind === 'runNode' ? this.#nodeItem(record, item.node) : this.#stepItem(record, item.node);
  }

  #runItem(record: RunRecord): vscode.TreeItem {
    const { run, plan, state, waitingFor } = record;
    const view = this.hub.view(run) ?? record.view;
    const item = new vscode.TreeItem(runTitle(plan), vscode.TreeItemCollapsibleState.Collapsed);
    const started = Date.parse(view.startedAt ?? plan.created);
    const words = [
      outcomeWords({ state, view, waitingFor }),
      state === 'live' ? progressWords(view) : undefined,
      plan.package && line(plan.package.version, 80),
      Number.isNaN(started) ? undefined : ago(started),
    ].filter((each) => each !== undefined);
    item.id = run;
    item.description = words.join(' · ');
    item.iconPath = runIcon({ state, view, waitingFor });
    item.contextValue = contextOf(record);
    item.tooltip = tooltip([
      run,
      plan.command,
      waitingFor === undefined ? undefined : l10n.t('Waiting for an answer: {0}', line(waitingFor)),
      l10n.t(
        'Nodes: {0}',
        plan.nodes
          .map(({ name }) => name)
          .slice(0, 20)
          .join(', '),
      ),
      view.startedAt === undefined ? undefined : l10n.t('Started: {0}', new Date(view.startedAt).toLocaleString()),
      tookOf(record),
      view.point ? l10n.t('Restore point {0}: {1}', view.point.id, view.point.state) : undefined,
    ]);
    item.accessibilityInformation = {
      label: [l10n.t('Run: {0} of {1}', actionWords(plan.action), plan.cluster), ...words].join(', '),
    };
    return item;
  }

  #nodeItem(record: RunRecord, name: string): vscode.TreeItem {
    const node = this.#node(record, name);
    const live = record.state === 'live';
    const trouble = troubleOf(node);
    const item = new vscode.TreeItem(
      name,
      trouble ? vscode.TreeItemCollapsibleState.Expanded : vscode.TreeItemCollapsibleState.None,
    );
    item.id = `${record.run}/${name}`;
    item.contextValue = 'runNode';
    if (!node) return item;
    const step = live ? currentStep(node) : undefined;
    const said = step ? stepWords(step, node) : nodeOutcomeWords(node);
    const versions = versionsWords(node);
    item.description = [said, versions].filter((each) => each !== undefined).join(' · ');
    item.iconPath = step ? BUSY : runNodeIcon(node, live);
    item.tooltip = tooltip([
      name,
      said,
      ...node.messages.map((each) => line(each)),
      node.error && line(withCode(node.error)),
      node.error && line(node.error.hint),
    ]);
    item.accessibilityInformation = {
      label: [l10n.t('Node {0}', name), said, versions].filter((each) => each !== undefined).join(', '),
    };
    return item;
  }

  #stepItem(record: RunRecord, name: string): vscode.TreeItem {
    const step = troubleOf(this.#node(record, name));
    const item = new vscode.TreeItem(step?.step ?? '');
    const message = line(step?.error?.message ?? '', 200);
    item.id = `${record.run}/${name}/${step?.step ?? ''}`;
    item.description = message;
    item.contextValue = 'runStep';
    item.iconPath = new vscode.ThemeIcon(step?.state === 'unknown' ? 'question' : 'debug-breakpoint-unverified');
    item.tooltip = tooltip([
      step?.error && line(withCode(step.error), 300),
      step?.error && line(step.error.hint),
      ...(step?.error?.log ?? []).map((each) => line(each)),
    ]);
    item.accessibilityInformation = { label: l10n.t('Step {0}: {1}', step?.step ?? '', message) };
    item.command = {
      command: 'clusterlift.openNodeLog',
      title: '',
      arguments: [{ kind: 'runNode', run: record.run, node: name }],
    };
    return item;
  }

  #node(record: RunRecord, name: string): NodeView | undefined {
    const { nodes } = this.hub.view(record.run) ?? record.view;
    return Object.hasOwn(nodes, name) ? nodes[name] : undefined;
  }

  #item(id: string, made: RunItem): RunItem {
    const known = this.#items.get(id);
    if (known) return known;
    this.#items.set(id, made);
    return made;
  }

  #tell(): void {
    setContext('noRuns', this.model.records.length === 0);
    const live = this.model.records.filter(({ state }) => state === 'live').length;
    const value = live + this.#unseen.size;
    this.view.badge =
      value === 0 ? undefined : { value, tooltip: l10n.t('{0} running, {1} to review', live, this.#unseen.size) };
  }
}

/** For `when` clauses of menus. */
function contextOf({ state, view }: RunRecord): string {
  switch (state) {
    case 'live':
      return 'run.live';
    case 'interrupted':
    case 'damaged':
      return 'run.interrupted';
    case 'undecided':
      return 'run.undecided';
    case 'abandoned':
    case 'elsewhere':
      return 'run.closed';
    case 'finished':
      return view.outcome === 'succeeded' ? 'run.succeeded' : view.outcome === 'stopped' ? 'run.stopped' : 'run.failed';
  }
}

function troubleOf(node: NodeView | undefined): StepView | undefined {
  return node?.steps.findLast(({ state }) => state === 'failed' || state === 'unknown');
}

function tookOf({ view }: RunRecord): string | undefined {
  if (view.startedAt === undefined || view.finishedAt === undefined) return undefined;
  return l10n.t('Duration: {0}', formatDuration(Date.parse(view.finishedAt) - Date.parse(view.startedAt)));
}
