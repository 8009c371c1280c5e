import { tone, type Theme, type Tone } from './theme';
import { renderTable, type Row } from './table';

/** What `status` says of a node. */
export interface StatusRow {
  readonly node: string;
  readonly roles: readonly string[];
  /** Installed version. Null: nothing is installed; undefined: not known. */
  readonly version: string | null | undefined;
  readonly health: 'healthy' | 'unhealthy' | 'not-asked' | 'unreachable';
  /** Last run that touched the node, in words. */
  readonly lastRun: string | undefined;
  /** Unfulfilled requests, a lock, the reason why it could not be reached. */
  readonly note: string | undefined;
}

const HEALTH: Readonly<Record<StatusRow['health'], readonly [string, Tone]>> = {
  healthy: ['healthy', 'good'],
  unhealthy: ['unhealthy', 'bad'],
  'not-asked': ['unknown', 'dim'],
  unreachable: ['unreachable', 'warn'],
};

/** The table of `status`. Columns in which no node has anything to say are left out. */
export function renderStatus(rows: readonly StatusRow[], theme: Theme): string[] {
  const columns = [
    { title: 'node', min: 8, of: (row: StatusRow) => tone('strong', row.node) },
    { title: 'roles', of: (row: StatusRow) => row.roles.join(', ') },
    { title: 'version', min: 8, of: (row: StatusRow) => row.version ?? (row.version === null ? 'none' : '?') },
    { title: 'health', firm: true, of: (row: StatusRow) => tone(HEALTH[row.health][1], HEALTH[row.health][0]) },
    { title: 'last run', of: (row: StatusRow) => row.lastRun ?? '' },
    { title: 'note', min: 12, of: (row: StatusRow) => tone('dim', row.note ?? '') },
  ].filter((column) => rows.some((row) => textOfCell(column.of(row)) !== ''));
  return renderTable(
    columns,
    rows.map((row): Row => columns.map((column) => column.of(row))),
    theme,
  );
}

function textOfCell(part: Row[number]): string {
  return typeof part === 'string' ? part : part.text;
}
