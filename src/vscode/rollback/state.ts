import { l10n } from 'vscode';
import { formatDuration, formatSize } from '../../base/units';
import type { RunRecord } from '../../engine/journal/runs';
import type { ClusterRef } from '../clusters/model';
import type { StatusCache } from '../clusters/status';
import type { LocationState } from '../points/model';
import type { PointInfo } from '../points/rows';
import { reasonWords, stateWords } from '../views/points';
import { ago, versionWords } from '../views/words';
import type { Preview, PreviewState } from './preview';
import type { PagePoint, PageState, PointKey, Words } from '../../webview/rollback/protocol';

/** What the page shows, from what this window knows. */
export interface PageFacts {
  readonly ref: ClusterRef;
  readonly locations: readonly {
    readonly name: string;
    readonly state: LocationState | undefined;
    readonly asking: boolean;
  }[];
  readonly status: StatusCache;
  readonly runs: readonly RunRecord[];
  readonly preselect: PointKey | undefined;
  /** What the dry run of a point said. */
  readonly preview: (key: PointKey) => PreviewState | undefined;
}

export function pageState({ ref, locations, status, runs, preselect, preview }: PageFacts): PageState {
  const expected = expectedTime(ref, runs);
  const points = locations
    .flatMap(({ state }) => state?.points ?? [])
    .filter(({ cluster }) => cluster === '' || cluster === ref.cluster.name)
    .sort((a, b) => b.id.localeCompare(a.id));
  return {
    words: words(),
    cluster: ref.label,
    loading: locations.some(({ asking }) => asking),
    errors: locations.flatMap(({ name, state }) => (state?.error === undefined ? [] : [`${name}: ${state.error}`])),
    points: points.map((point) => pagePoint(point, { ref, status, expected, preview: preview(point) })),
    preselect,
  };
}

interface PointFacts {
  readonly ref: ClusterRef;
  readonly status: StatusCache;
  readonly expected: string;
  readonly preview: PreviewState | undefined;
}

function pagePoint(point: PointInfo, { ref, status, expected, preview }: PointFacts): PagePoint {
  const plan = preview?.kind === 'ready' ? preview.preview : undefined;
  const created = Date.parse(point.created);
  const known = !Number.isNaN(created);
  const versions = [...new Set(point.nodes.flatMap(({ version }) => version ?? []))];
  return {
    location: point.location,
    id: point.id,
    time: known ? new Date(created).toLocaleString() : point.id,
    age: known ? ago(created) : '',
    reason: reasonWords(point),
    package: [point.product, point.version].filter((each) => each !== undefined).join(' '),
    versions: versions.join(', '),
    size: point.bytes === undefined ? '' : formatSize(point.bytes),
    state: stateWords(point.state),
    verified: point.state === 'verified',
    obstacle: obstacleOf(point) ?? plan?.obstacles[0] ?? failureOf(preview),
    nodes: point.nodes.map(({ name, version, state }) => ({
      name,
      now: nowOf(name, plan) ?? versionWords(status.node(ref.id, name)) ?? l10n.t('unknown'),
      after: version ?? l10n.t('not installed'),
      state: stateWords(state ?? point.state),
    })),
    lost: lossesOf(point, plan),
    order: l10n.t(
      'All nodes are rolled back at the same time. Then the cluster is provisioned if the package requests it, and the health of all nodes is checked.',
    ),
    asking: preview?.kind === 'asking',
    expected,
  };
}

/** The version of a node as it said when the page looked; undefined: nobody looked. */
export function nowOf(name: string, plan: Preview | undefined): string | undefined {
  const node = plan?.nodes.find((each) => each.name === name);
  return node && (node.from ?? l10n.t('not installed'));
}

function lossesOf({ created }: PointInfo, plan: Preview | undefined): string[] {
  const outside = l10n.t('Files outside the backed-up paths are not changed.');
  if (plan) {
    const none = l10n.t('Nothing has changed in the backed-up paths since then.');
    const kept =
      plan.undo === undefined ? [] : [l10n.t('These changes are saved in a restore point first: {0}.', plan.undo)];
    return [...(plan.losses.length > 0 ? [...plan.losses, ...kept] : [none]), outside];
  }
  const time = Date.parse(created);
  const since = Number.isNaN(time)
    ? l10n.t('All changes made in the backed-up paths since then.')
    : l10n.t('All changes made in the backed-up paths since {0} ({1}).', new Date(time).toLocaleString(), ago(time));
  return [since, outside];
}

function failureOf(preview: PreviewState | undefined): string | undefined {
  return preview?.kind === 'failed'
    ? l10n.t('The effect of this rollback could not be determined: {0}', preview.message)
    : undefined;
}

function obstacleOf({ state, obstacle }: PointInfo): string | undefined {
  if (obstacle !== undefined) return obstacle;
  switch (state) {
    case 'verified':
      return undefined;
    case 'complete':
      return l10n.t('This restore point is not verified yet. Verify it first.');
    case 'creating':
      return l10n.t('This restore point is still being created, or its creation was interrupted.');
    case 'broken':
      return l10n.t('This restore point is broken and cannot be restored.');
    default:
      return l10n.t('This restore point cannot be restored now: {0}.', stateWords(state));
  }
}

/** The median of what restores of this cluster took. */
function expectedTime({ cluster, file }: ClusterRef, runs: readonly RunRecord[]): string {
  const times = runs
    .filter(({ plan }) => plan.action === 'restore' && plan.cluster === cluster.name && plan.configFile === file.path)
    .flatMap(({ view: { startedAt, finishedAt } }) =>
      startedAt === undefined || finishedAt === undefined ? [] : [Date.parse(finishedAt) - Date.parse(startedAt)],
    )
    .sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  return median === undefined
    ? l10n.t('Unknown: no earlier rollback to estimate from.')
    : l10n.t('About {0}, estimated from earlier rollbacks ({1}).', formatDuration(median), times.length);
}

function words(): Words {
  return {
    title: l10n.t('Roll Back'),
    intro: l10n.t('Choose a restore point for the nodes. Nothing changes until you confirm.'),
    filter: l10n.t('Filter'),
    refresh: l10n.t('Refresh'),
    points: l10n.t('Restore points'),
    choose: l10n.t('Choose'),
    time: l10n.t('Time'),
    reason: l10n.t('Reason'),
    package: l10n.t('Package'),
    versions: l10n.t('Versions'),
    size: l10n.t('Size'),
    location: l10n.t('Location'),
    state: l10n.t('State'),
    details: l10n.t('What will happen'),
    nothingChosen: l10n.t('Choose a restore point above.'),
    node: l10n.t('Node'),
    now: l10n.t('Now'),
    after: l10n.t('After rollback'),
    lost: l10n.t('Changes that will be lost'),
    order: l10n.t('How it runs'),
    asking: l10n.t('Checking what would change…'),
    expected: l10n.t('Expected duration'),
    verify: l10n.t('Verify'),
    rollBack: l10n.t('Roll Back…'),
    loading: l10n.t('Reading the backup locations…'),
    none: l10n.t('This cluster has no restore points.'),
    noMatch: l10n.t('No restore points match the filter.'),
    shown: l10n.t('Restore points shown:'),
  };
}
