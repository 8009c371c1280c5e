import * as vscode from 'vscode';
import type { ClusterRef, ClustersModel } from '../clusters/model';
import type { NodeTarget } from '../clusters/node-target';
import type { RunsModel } from '../runs/model';
import type { RunRecord } from '../../engine/journal/runs';
import type { LocationRef, PointsModel } from '../points/model';
import { asLabel } from '../shared/escape';
import type { PointInfo } from '../points/rows';
import type { ClusterItem } from '../views/clusters';
import type { PointItem } from '../views/points';
import type { RunItem } from '../views/runs';
import { nodesWords, outcomeWords } from '../views/words';
import { runTitle } from '../runs/words';
import { alone, pickOne, valueOf } from '../wizard/steps';
import { tell } from '../shared/tell';

const { l10n } = vscode;

/** What a view hands to a command: the item that was clicked, and all that are selected. */
export type Item = ClusterItem | RunItem | PointItem;
export type Args = readonly [item?: Item, items?: readonly Item[]];

/** One way for palette, right click and selection: what the arguments name, else what a person picks. */
export class Targets {
  constructor(
    private readonly clusterModel: ClustersModel,
    private readonly runs: RunsModel,
    private readonly points: PointsModel,
  ) {}

  /** @returns empty: cancelled, or there is none (which was said) */
  async clusters(args: Args, title: string): Promise<ClusterRef[]> {
    const named = itemsOf(args).flatMap((item) =>
      'ref' in item ? [item.ref] : 'location' in item ? [item.location.ref] : [],
    );
    if (named.length > 0) return [...new Map(named.map((ref) => [ref.id, ref])).values()];
    const { clusters } = this.clusterModel;
    const [only] = clusters;
    if (!only) {
      void tell.info(l10n.t('No clusters yet. Add one first.'));
      return [];
    }
    if (clusters.length === 1) return [only];
    const end = await pickOne(alone(title), {
      placeholder: l10n.t('Which cluster?'),
      items: clusters.map((ref) => ({
        label: ref.label,
        description: nodesWords(ref.cluster.nodes.length),
        value: ref,
      })),
    });
    const ref = valueOf(end);
    return ref ? [ref] : [];
  }

  async cluster(args: Args, title: string): Promise<ClusterRef | undefined> {
    return (await this.clusters(clicked(args), title))[0];
  }

  async run(args: Args, title: string, fits: (record: RunRecord) => boolean): Promise<RunRecord | undefined> {
    await this.runs.refresh();
    const [item] = clicked(args);
    if (item && 'run' in item) return this.runs.find(item.run);
    const records = this.runs.records.filter(fits);
    if (records.length === 0) {
      void tell.info(l10n.t('No matching runs.'));
      return undefined;
    }
    const end = await pickOne(alone(title), {
      placeholder: l10n.t('Which run?'),
      items: records.map((record) => ({
        label: runTitle(record.plan),
        description: outcomeWords(record),
        detail: record.run,
        value: record,
      })),
    });
    return valueOf(end);
  }

  /** Of the runs that are selected those that it makes sense for; else the one that was clicked, or is picked. */
  async several(args: Args, title: string, fits: (record: RunRecord) => boolean): Promise<RunRecord[]> {
    const named = new Set(itemsOf(args).flatMap((item) => ('run' in item ? [item.run] : [])));
    if (named.size < 2) {
      const one = await this.run(args, title, fits);
      return one ? [one] : [];
    }
    await this.runs.refresh();
    return this.runs.records.filter((record) => named.has(record.run) && fits(record));
  }

  /** A node, of the tree of clusters or of a run. */
  async node(args: Args, title: string): Promise<NodeTarget | undefined> {
    const [item] = clicked(args);
    if (item?.kind === 'runNode' || item?.kind === 'runStep') {
      const record = this.runs.find(item.run);
      if (!record) return undefined;
      const { plan, folder } = record;
      return {
        cluster: plan.cluster,
        configFile: plan.configFile,
        node: item.node,
        folder,
        ref: this.clusterModel.byName(plan.cluster, plan.configFile),
      };
    }
    const ref = await this.cluster(args, title);
    if (!ref) return undefined;
    const node = item?.kind === 'node' ? item.node.name : await this.#pickNode(ref, title);
    if (node === undefined) return undefined;
    const folder = this.runs.latest(ref.cluster.name, ref.file.path)?.folder;
    return { cluster: ref.cluster.name, configFile: ref.file.path, node, folder, ref };
  }

  async #pickNode(ref: ClusterRef, title: string): Promise<string | undefined> {
    const { nodes } = ref.cluster;
    if (nodes.length === 1) return nodes[0]?.name;
    return valueOf(
      await pickOne(alone(title), {
        placeholder: l10n.t('Which node?'),
        items: nodes.map(({ name, roles }) => ({ label: name, description: roles.join(', '), value: name })),
      }),
    );
  }

  async location(args: Args, title: string, builtIn = true): Promise<LocationRef | undefined> {
    const [item] = clicked(args);
    if (item && 'location' in item) return item.location;
    const ref = await this.cluster(args, title);
    if (!ref) return undefined;
    const locations = this.points.locationsOf(ref).filter(({ uri }) => builtIn || uri !== undefined);
    if (locations.length === 0) {
      void tell.info(l10n.t('No backup locations yet. Add one first.'));
      return undefined;
    }
    return valueOf(
      await pickOne(alone(title), {
        placeholder: l10n.t('Which backup location?'),
        items: locations.map((location) => ({
          label: location.name,
          description: location.uri === undefined ? l10n.t('on each node itself') : asLabel(location.uri),
          value: location,
        })),
      }),
    );
  }

  /** @returns those that are selected, else the one that is picked; empty: cancelled, or there is none (which was said) */
  async restorePoints(args: Args, title: string): Promise<{ location: LocationRef; point: PointInfo }[]> {
    const named = itemsOf(args).filter((item) => item.kind === 'point');
    if (named.length > 0) return named;
    const location = await this.location(args, title);
    if (!location) return [];
    const state = await vscode.window.withProgress(
      { location: { viewId: 'clusterlift.points' }, title: l10n.t('Reading {0}', location.name) },
      () => this.points.refresh(location),
    );
    if (state.points.length === 0) {
      void tell.info(state.error ?? l10n.t('No restore points in {0}.', location.name));
      return [];
    }
    const point = valueOf(
      await pickOne(alone(title), {
        placeholder: l10n.t('Which restore point?'),
        items: state.points.map((each) => ({
          label: asLabel(each.id),
          description: asLabel(each.version ?? ''),
          detail: asLabel(each.state),
          value: each,
        })),
      }),
    );
    return point ? [{ location, point }] : [];
  }
}

/** For what acts on one thing: the item that was clicked, whatever else is selected. */
function clicked([item]: Args): Args {
  const [one] = itemsOf(item ? [item] : []);
  return one ? [one] : [];
}

/** The selection when the clicked item is part of it, as everywhere in the editor; else the clicked item. */
function itemsOf([item, items]: Args): readonly Item[] {
  if (item === undefined || typeof item !== 'object' || !('kind' in item)) return [];
  return items && items.length > 0 && items.includes(item) ? items : [item];
}
