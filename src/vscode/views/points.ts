import * as vscode from 'vscode';
import { formatSize } from '../../base/units';
import type { ClustersModel } from '../clusters/model';
import type { LocationRef, PointsModel } from '../points/model';
import type { PointInfo } from '../points/rows';
import { Store } from '../shared/store';
import { BUSY, partIcon } from './icons';
import { tooltip, TreeRefresh } from './tree';
import { ago, pointsWords } from './words';

const { l10n } = vscode;

export type PointItem =
  | { readonly kind: 'location'; readonly location: LocationRef }
  | { readonly kind: 'point'; readonly location: LocationRef; readonly point: PointInfo }
  | { readonly kind: 'none'; readonly location: LocationRef };

/** Locations with their restore points. A location is read when it is opened, and stays as it was seen. */
export class PointsTree extends Store implements vscode.TreeDataProvider<PointItem> {
  readonly #refresh = this.add(new TreeRefresh<PointItem>());
  readonly onDidChangeTreeData = this.#refresh.event;
  readonly view: vscode.TreeView<PointItem>;
  #items = new Map<string, PointItem>();

  constructor(
    private readonly model: PointsModel,
    clusters: ClustersModel,
  ) {
    super();
    this.view = this.add(
      vscode.window.createTreeView('clusterlift.points', {
        treeDataProvider: this,
        showCollapseAll: true,
        canSelectMany: true,
      }),
    );
    this.add(
      clusters.onDidChange(() => {
        this.#items = new Map();
        this.#refresh.later();
      }),
    );
    this.add(
      model.onDidChange((id) => this.#refresh.these([this.#items.get(id)].filter((each) => each !== undefined))),
    );
    this.add(
      this.view.onDidExpandElement(({ element }) => {
        if (element.kind === 'location' && !model.state(element.location.id)) void model.refresh(element.location);
      }),
    );
  }

  getChildren(item?: PointItem): PointItem[] {
    if (!item) return this.model.locations().map((location) => this.#item(location.id, { kind: 'location', location }));
    if (item.kind !== 'location') return [];
    const { location } = item;
    const state = this.model.state(location.id);
    if (!state) return [];
    if (state.points.length === 0) {
      return state.error === undefined ? [this.#item(`${location.id}/`, { kind: 'none', location })] : [];
    }
    return state.points.map((point) => ({ kind: 'point', location, point }));
  }

  getParent(item: PointItem): PointItem | undefined {
    return item.kind === 'location' ? undefined : this.#items.get(item.location.id);
  }

  getTreeItem(item: PointItem): vscode.TreeItem {
    switch (item.kind) {
      case 'location':
        return this.#locationItem(item.location);
      case 'point':
        return pointItem(item.location, item.point);
      case 'none': {
        const none = new vscode.TreeItem(l10n.t('No restore points – Create…'));
        none.id = `${item.location.id}/`;
        none.iconPath = new vscode.ThemeIcon('add');
        none.command = { command: 'clusterlift.backupCreate', title: '', arguments: [item] };
        return none;
      }
    }
  }

  #locationItem(location: LocationRef): vscode.TreeItem {
    const { id, name, uri, ref } = location;
    const state = this.model.state(id);
    const item = new vscode.TreeItem(`${ref.label}: ${name}`, vscode.TreeItemCollapsibleState.Collapsed);
    const counted =
      state && (state.error ?? l10n.t('{0}, updated {1}', pointsWords(state.points.length), ago(state.asked)));
    item.id = id;
    item.description = this.model.isAsking(id) ? l10n.t('reading…') : (counted ?? '');
    item.iconPath = this.model.isAsking(id)
      ? BUSY
      : new vscode.ThemeIcon(state?.error === undefined ? (uri === undefined ? 'vm' : 'archive') : 'warning');
    item.contextValue = uri === undefined ? 'location.builtin' : 'location';
    item.tooltip = tooltip([
      name,
      uri ?? l10n.t('A directory on each node. Lost if the node is lost.'),
      l10n.t('Cluster {0}', ref.label),
      state?.error,
    ]);
    item.accessibilityInformation = {
      label: [l10n.t('Backup location {0} of {1}', name, ref.label), item.description]
        .filter((each) => each !== '')
        .join(', '),
    };
    return item;
  }

  #item(id: string, made: PointItem): PointItem {
    const known = this.#items.get(id);
    if (known) return known;
    this.#items.set(id, made);
    return made;
  }
}

function pointItem(location: LocationRef, point: PointInfo): vscode.TreeItem {
  const created = Date.parse(point.created);
  const item = new vscode.TreeItem(Number.isNaN(created) ? point.id : new Date(created).toLocaleString());
  const words = [
    stateWords(point.state),
    point.before === undefined ? undefined : l10n.t('before a restore'),
    point.version,
    point.bytes === undefined ? undefined : formatSize(point.bytes),
    Number.isNaN(created) ? undefined : ago(created),
  ].filter((each) => each !== undefined);
  item.id = `${location.id}/${point.id}`;
  item.description = words.join(' · ');
  item.iconPath = partIcon(point.state);
  item.contextValue = point.state === 'verified' ? 'point.verified' : 'point';
  item.tooltip = tooltip([
    point.id,
    l10n.t('State: {0}', stateWords(point.state)),
    point.reason === '' ? undefined : l10n.t('Reason: {0}', reasonWords(point)),
    point.product === undefined ? undefined : `${point.product} ${point.version ?? ''}`,
    ...point.nodes.map(({ name, version }) => `${name}: ${version ?? '?'}`),
    point.obstacle,
  ]);
  item.accessibilityInformation = { label: [l10n.t('Restore point {0}', point.id), ...words].join(', ') };
  return item;
}

export function stateWords(state: string): string {
  switch (state) {
    case 'verified':
      return l10n.t('verified');
    case 'complete':
      return l10n.t('not verified');
    case 'creating':
      return l10n.t('being created');
    case 'broken':
      return l10n.t('broken');
    case 'incomplete':
      return l10n.t('incomplete');
    default:
      return state;
  }
}

/** Why a point was made. */
export function reasonWords({ reason, before }: Pick<PointInfo, 'reason' | 'before'>): string {
  if (before !== undefined) return l10n.t('before restore of {0}', before);
  if (reason === 'upgrade') return l10n.t('before an upgrade');
  return reason === 'manual' ? l10n.t('manual backup') : reason;
}
