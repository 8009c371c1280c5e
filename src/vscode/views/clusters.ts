import { hostname } from 'node:os';
import * as vscode from 'vscode';
import { line } from '../../base/text';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { RunRecord } from '../../engine/journal/runs';
import { orderNodes } from '../../engine/journal/order';
import { currentStep, type NodeView } from '../../engine/journal/view';
import type { ClusterRef, ClustersModel } from '../clusters/model';
import type { StatusCache } from '../clusters/status';
import type { HubEvents, RunHub } from '../runs/hub';
import type { RunsModel } from '../runs/model';
import { Store } from '../shared/store';
import { ASKS, BUSY, nodeIcon } from './icons';
import { setContext, tooltip, touched, TreeRefresh } from './tree';
import {
  ago,
  healthWords,
  nodeWords,
  nodesWords,
  outcomeWords,
  progressWords,
  stepWords,
  versionAndHealth,
  versionWords,
} from './words';
import { actionWords } from '../runs/words';

const { l10n } = vscode;

export type ClusterItem =
  | { readonly kind: 'cluster'; readonly ref: ClusterRef }
  | { readonly kind: 'node'; readonly ref: ClusterRef; readonly node: NodeModel };

/** The order of a serial run, so that a list is read as it will be upgraded; roles that have no order come as in the file. */
function byRole({ nodes, roleOrder }: Cluster): NodeModel[] {
  return orderNodes(nodes, [...(roleOrder ?? []), ...nodes.flatMap(({ roles }) => roles)]);
}

/** Clusters with their nodes: what was last known, at once; asked again when the view is shown. */
export class ClustersTree extends Store implements vscode.TreeDataProvider<ClusterItem> {
  readonly #refresh = this.add(new TreeRefresh<ClusterItem>());
  readonly onDidChangeTreeData = this.#refresh.event;
  readonly view: vscode.TreeView<ClusterItem>;
  #items = new Map<string, ClusterItem>();
  #filter = '';
  #busy = new Set<string>();

  constructor(
    private readonly model: ClustersModel,
    private readonly status: StatusCache,
    private readonly runs: RunsModel,
    private readonly hub: RunHub,
  ) {
    super();
    this.view = this.add(
      vscode.window.createTreeView('clusterlift.clusters', {
        treeDataProvider: this,
        showCollapseAll: true,
        canSelectMany: true,
      }),
    );
    this.add(
      model.onDidChange(() => {
        this.#items = new Map();
        this.#tellState();
        this.#refresh.later();
      }),
    );
    this.add(status.onDidChange((id) => this.#changed(id)));
    this.add(runs.onDidChange(() => this.#refresh.later(...this.#clusters())));
    this.add(hub.onEvents((heard) => this.#ofRun(heard)));
    this.#tellState();
  }

  /** Shows that the nodes of a cluster are being asked. */
  busy(id: string, on: boolean): void {
    if (on) this.#busy.add(id);
    else this.#busy.delete(id);
    this.#changed(id);
  }

  /** Only what has the text in its name, roles or version is shown; empty: all. */
  filter(text: string): void {
    this.#filter = text.trim().toLowerCase();
    setContext('filtered', this.#filter !== '');
    this.#tellMessage();
    this.#refresh.later();
  }

  get filtered(): string {
    return this.#filter;
  }

  getChildren(item?: ClusterItem): ClusterItem[] {
    if (!item) return this.#clusters().filter((each) => this.#shows(each));
    if (item.kind === 'node') return [];
    const whole = this.#matches(item.ref.label);
    return byRole(item.ref.cluster)
      .map((node) => this.#item(`${item.ref.id}/${node.name}`, { kind: 'node', ref: item.ref, node }))
      .filter((each) => whole || this.#shows(each));
  }

  getParent(item: ClusterItem): ClusterItem | undefined {
    return item.kind === 'node' ? this.#item(item.ref.id, { kind: 'cluster', ref: item.ref }) : undefined;
  }

  getTreeItem(item: ClusterItem): vscode.TreeItem {
    return item.kind === 'cluster' ? this.#clusterItem(item.ref) : this.#nodeItem(item.ref, item.node);
  }

  /** Details are made for the one that somebody points at. */
  resolveTreeItem(item: vscode.TreeItem, of: ClusterItem): vscode.TreeItem {
    item.tooltip = tooltip(of.kind === 'cluster' ? this.#clusterDetails(of.ref) : this.#nodeDetails(of.ref, of.node));
    return item;
  }

  #clusters(): ClusterItem[] {
    return this.model.clusters.map((ref) => this.#item(ref.id, { kind: 'cluster', ref }));
  }

  /** The same object for the same thing, so that a part of the tree can be refreshed. */
  #item(id: string, made: ClusterItem): ClusterItem {
    const known = this.#items.get(id);
    if (known) return known;
    this.#items.set(id, made);
    return made;
  }

  #matches(text: string): boolean {
    return text.toLowerCase().includes(this.#filter);
  }

  #shows(item: ClusterItem): boolean {
    if (this.#filter === '') return true;
    if (item.kind === 'cluster') return this.#matches(item.ref.label) || this.getChildren(item).length > 0;
    const version = this.status.node(item.ref.id, item.node.name)?.version ?? '';
    return [item.node.name, item.node.host, version, ...item.node.roles].some((each) => this.#matches(each));
  }

  #changed(id: string): void {
    const ref = this.model.find(id);
    this.#tellMessage();
    if (ref) this.#refresh.later(this.#item(id, { kind: 'cluster', ref }));
  }

  /** A cluster is drawn with all its nodes: only where more than some of them changed. */
  #ofRun({ view: { plan }, events }: Pick<HubEvents, 'view' | 'events'>): void {
    const ref = this.model.byName(plan.cluster, plan.configFile);
    if (!ref) return;
    const what = touched(events);
    if (what === 'all') this.#changed(ref.id);
    else this.#refresh.these([...what].flatMap((name) => this.#items.get(`${ref.id}/${name}`) ?? []));
  }

  /** The run that is on, with its view of the moment. */
  #liveRun({ cluster, file }: ClusterRef): Pick<RunRecord, 'state' | 'view' | 'waitingFor'> | undefined {
    const record = this.runs.records.find(
      ({ state, plan }) => state === 'live' && plan.cluster === cluster.name && plan.configFile === file.path,
    );
    return record && { ...record, view: this.hub.view(record.run) ?? record.view };
  }

  #clusterItem(ref: ClusterRef): vscode.TreeItem {
    const { cluster, label, id } = ref;
    const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.Collapsed);
    const live = this.#liveRun(ref);
    const latest = this.runs.latest(cluster.name, ref.file.path);
    const words = [
      live?.waitingFor === undefined ? undefined : outcomeWords(live),
      live ? `${actionWords(live.view.plan.action)} · ${progressWords(live.view)}` : this.#versions(ref),
      cluster.production ? l10n.t('production') : undefined,
      latest && !live && latest.state !== 'finished' ? outcomeWords(latest) : undefined,
    ].filter((each) => each !== undefined && each !== '');
    item.id = id;
    item.description = words.join(' · ');
    item.iconPath =
      live?.waitingFor !== undefined
        ? ASKS
        : live || this.#busy.has(id)
          ? BUSY
          : new vscode.ThemeIcon('server-environment');
    item.contextValue = cluster.production ? 'cluster.production' : 'cluster';
    item.accessibilityInformation = {
      label: [l10n.t('Cluster {0}', label), nodesWords(cluster.nodes.length), ...words].join(', '),
    };
    return item;
  }

  /** `24.2.0`, or `24.1, 24.2` where nodes differ. */
  #versions({ id, cluster }: ClusterRef): string {
    const known = cluster.nodes
      .map(({ name }) => this.status.node(id, name)?.version)
      .filter((each) => typeof each === 'string');
    return [...new Set(known)]
      .slice(0, 3)
      .map((each) => line(each, 40))
      .join(', ');
  }

  #nodeItem(ref: ClusterRef, node: NodeModel): vscode.TreeItem {
    const status = this.status.node(ref.id, node.name);
    const working = this.#working(ref, node);
    const step = working && currentStep(working);
    const item = new vscode.TreeItem(node.name, vscode.TreeItemCollapsibleState.None);
    const said = step ? stepWords(step, working) : nodeWords(status);
    const roles = node.roles.join(', ');
    item.id = `${ref.id}/${node.name}`;
    item.description = line([said, roles].filter((each) => each !== '').join(' · '), 200);
    item.iconPath = step ? BUSY : nodeIcon(status);
    item.contextValue = 'node';
    item.accessibilityInformation = {
      label: [l10n.t('Node {0}', node.name), roles, step ? l10n.t('step {0}', said) : said]
        .filter((each) => each !== '')
        .join(', '),
    };
    return item;
  }

  #clusterDetails({ label, cluster, file }: ClusterRef): (string | undefined)[] {
    const latest = this.runs.latest(cluster.name, file.path);
    return [
      label,
      l10n.t('{0}, primary {1}', nodesWords(cluster.nodes.length), cluster.primary),
      file.path,
      latest ? l10n.t('Last run: {0}, {1}', actionWords(latest.plan.action), outcomeWords(latest)) : undefined,
      latest?.waitingFor === undefined ? undefined : l10n.t('Waiting for an answer: {0}', line(latest.waitingFor)),
    ];
  }

  /** What a run does on a node just now. */
  #working(ref: ClusterRef, { name }: NodeModel): NodeView | undefined {
    const nodes = this.#liveRun(ref)?.view.nodes;
    return nodes && Object.hasOwn(nodes, name) ? nodes[name] : undefined;
  }

  #nodeDetails(ref: ClusterRef, node: NodeModel): (string | undefined)[] {
    const { id, cluster } = ref;
    const working = this.#working(ref, node);
    const status = this.status.node(id, node.name);
    const error = working?.error?.message;
    return [
      `${node.name}${node.name === cluster.primary ? ` (${l10n.t('primary')})` : ''}`,
      node.connection === 'local'
        ? l10n.t('this machine')
        : `${node.user ?? ''}${node.user ? '@' : ''}${node.host}${node.port ? `:${String(node.port)}` : ''}`,
      node.jump === undefined ? undefined : l10n.t('via {0}', node.jump),
      node.roles.length > 0 ? l10n.t('Roles: {0}', node.roles.join(', ')) : undefined,
      status && versionWords(status) !== undefined
        ? l10n.t('Version {0}', versionAndHealth(status, ', '))
        : status && healthWords(status.health),
      status?.lastRun === undefined ? undefined : l10n.t('Last run: {0}', line(status.lastRun)),
      status?.note === undefined ? undefined : line(status.note),
      status ? l10n.t('Checked {0}', ago(status.asked)) : undefined,
      error === undefined ? undefined : line(error),
    ];
  }

  #tellState(): void {
    const { clusters, files } = this.model;
    const invalid = files.some(({ problems }) => problems.length > 0);
    setContext('state', clusters.length > 0 ? 'ok' : invalid ? 'invalid' : 'empty');
    this.#tellMessage();
  }

  #tellMessage(): void {
    const { clusters, files } = this.model;
    const messages: string[] = [];
    if (this.#filter !== '') messages.push(l10n.t('Filter: {0}', this.#filter));
    const wrong = files.filter(({ problems }) => problems.length > 0);
    if (wrong.length > 0 && clusters.length > 0)
      messages.push(
        l10n.t(
          'Errors in {0}. See the Problems view.',
          wrong.map(({ path }) => vscode.workspace.asRelativePath(path)).join(', '),
        ),
      );
    const asked = clusters.flatMap(({ id }) => this.status.nodes(id));
    if (asked.length > 0 && asked.every((each) => each.health === 'unreachable')) {
      const seen = Math.max(...asked.map((each) => each.answered ?? 0));
      messages.push(
        seen === 0 ? l10n.t('No node is reachable.') : l10n.t('No node is reachable. Last seen {0}.', ago(seen)),
      );
    }
    this.view.message = messages.join(' ');
    this.view.description = vscode.env.remoteName === undefined ? '' : l10n.t('running on: {0}', hostname());
  }
}
