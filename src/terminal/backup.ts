import { advice } from '../base/shell';
import { formatSize } from '../base/units';
import type { LocationSummary } from '../backup/locations';
import type { CleanPlan } from '../backup/points/retention';
import type { PointState } from '../backup/points/state';
import { glyphs, paint, tone, type Theme, type Part, type Tone } from './theme';
import { finding, labelled } from './prose';
import { plural } from './report';
import { fits, renderTable, type Row } from './table';

/** Locations and restore points, for people. */

/** What `backup list <location>` tells of a point. */
export interface PointRow {
  readonly id: string;
  readonly location: string;
  readonly cluster: string;
  /** ISO 8601. */
  readonly created: string;
  readonly reason: string | undefined;
  /** Of a point that was made before a restore: what was to be restored. */
  readonly before: string | undefined;
  readonly run: string | undefined;
  readonly package: { readonly product: string; readonly version: string } | undefined;
  readonly bytes: number;
  readonly state: PointState['kind'];
  /** Why it is broken or incomplete. */
  readonly problem?: string;
  readonly nodes: Readonly<
    Record<
      string,
      {
        readonly version: string | undefined;
        readonly bytes: number;
        readonly state: 'complete' | 'verified' | 'broken';
        readonly paths: readonly string[];
        readonly warnings: readonly string[];
      }
    >
  >;
}

const TONES: Readonly<Record<PointState['kind'], Tone>> = {
  creating: 'dim',
  complete: 'warn',
  verified: 'good',
  broken: 'bad',
  incomplete: 'warn',
};

export function renderPoints(rows: readonly PointRow[], location: string, theme: Theme): string[] {
  if (rows.length === 0) {
    return [`No restore points in ${location}.`, advice`Create one with: \`clusterlift backup create ${location}\``];
  }
  const columns = [
    { title: 'point', firm: true, min: 20 },
    { title: 'time', min: 10 },
    { title: 'reason' },
    { title: 'versions', min: 8 },
    { title: 'size', align: 'right' as const, firm: true },
    { title: 'state', firm: true, min: 8 },
  ];
  const cells = rows.map((row): Row => [
    tone('strong', row.id),
    row.created.slice(0, 16).replace('T', ' '),
    row.before === undefined ? (row.reason ?? '') : `before restore of ${row.before}`,
    versionsOf(row),
    row.bytes > 0 ? formatSize(row.bytes) : '',
    tone(TONES[row.state], row.state),
  ]);
  // The id begins with the time: where there is little room, once is enough.
  const without = (all: readonly Part[]): Part[] => all.filter((_, index) => index !== 1);
  const table = fits(columns, cells, theme)
    ? renderTable(columns, cells, theme)
    : renderTable(
        columns.filter((_, index) => index !== 1),
        cells.map(without),
        theme,
      );
  const problems = rows.flatMap((row) =>
    row.problem === undefined
      ? []
      : finding(tone(TONES[row.state], glyphs(theme).warning), `${row.id}: ${row.problem}`, row.state, theme),
  );
  return [...table, ...(problems.length > 0 ? ['', ...problems] : [])];
}

/** `24.1 (n1, n2), 24.2 (n3)`; only the version where all nodes have the same. */
function versionsOf({ nodes }: PointRow): string {
  const byVersion = new Map<string, string[]>();
  for (const [name, { version = 'none' }] of Object.entries(nodes)) {
    byVersion.set(version, [...(byVersion.get(version) ?? []), name]);
  }
  const entries = [...byVersion];
  return entries.length === 1
    ? (entries[0]?.[0] ?? '')
    : entries.map(([version, names]) => `${version} (${names.join(', ')})`).join(', ');
}

export function renderLocations(rows: readonly LocationSummary[], theme: Theme): string[] {
  const table = renderTable(
    [
      { title: 'location', min: 8 },
      { title: 'address', min: 12 },
      { title: 'reachable', firm: true },
      { title: 'free', align: 'right', firm: true },
      { title: 'points', align: 'right', firm: true },
    ],
    rows.map(({ name, uri, problems, free, points, diesWithNode }): Row => [
      tone('strong', name),
      diesWithNode ? 'on each node: lost if the node is lost' : uri,
      problems.length === 0 ? tone('good', 'yes') : tone('bad', 'no'),
      free === undefined ? '' : formatSize(free),
      points === undefined ? '?' : String(points),
    ]),
    theme,
  );
  const lines = rows.flatMap(({ name, problems }) =>
    alike(problems).flatMap(({ nodes, code, message, fix }) => [
      ...finding(tone('bad', glyphs(theme).failed), `${[name, ...nodes].join(', ')}: ${message}`, code, theme),
      ...(fix === '' ? [] : labelled('Fix:', fix, theme)),
    ]),
  );
  return [...table, ...(lines.length > 0 ? ['', ...lines] : [])];
}

/** The same said by several nodes is told once. */
function alike(
  problems: LocationSummary['problems'],
): { nodes: string[]; code: string; message: string; fix: string }[] {
  const found = new Map<string, { nodes: string[]; code: string; message: string; fix: string }>();
  for (const { node, code, message, fix } of problems) {
    const one = found.get(message) ?? { nodes: [], code, message, fix };
    if (node !== undefined) one.nodes.push(node);
    found.set(message, one);
  }
  return [...found.values()];
}

export function renderClean(
  { remove, keep }: CleanPlan,
  { dryRun, location }: { readonly dryRun: boolean; readonly location: string },
  theme: Theme,
): string[] {
  const marks = glyphs(theme);
  const verb = dryRun ? 'would be removed' : 'removed';
  return [
    ...remove.map(({ id }) => paint([tone('warn', marks.failed), ` ${id}  ${verb}`], theme)),
    ...keep.map(({ point, why }) => paint([tone('good', marks.done), ` ${point.id}  kept: ${why}`], theme)),
    `${plural(remove.length, 'restore point', 'restore points')} ${verb} from ${location}, ${String(keep.length)} kept.`,
  ];
}
