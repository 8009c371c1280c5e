import { line } from '../../base/text';

/** A restore point, as `backup list <location> --json` tells it. */
export interface PointInfo {
  readonly id: string;
  readonly location: string;
  readonly cluster: string;
  /** ISO time. */
  readonly created: string;
  readonly reason: string;
  /** It was made before this point was restored. */
  readonly before: string | undefined;
  readonly product: string | undefined;
  readonly version: string | undefined;
  /** Bytes over all nodes. */
  readonly bytes: number | undefined;
  readonly state: string;
  readonly nodes: readonly PointNode[];
  /** Why it cannot be restored as it is; undefined: it can. */
  readonly obstacle: string | undefined;
}

export interface PointNode {
  readonly name: string;
  readonly version: string | undefined;
  readonly bytes: number | undefined;
  readonly state: string | undefined;
}

/** Reads the rows as far as they make sense; newest first. What a backup server says is foreign. */
export function pointRows(rows: readonly unknown[], location: string): PointInfo[] {
  return rows
    .flatMap((row) => (isRecord(row) && typeof row['id'] === 'string' ? [pointOf(row, row['id'], location)] : []))
    .sort((a, b) => b.id.localeCompare(a.id));
}

function pointOf(row: Rec, id: string, location: string): PointInfo {
  const pkg = isRecord(row['package']) ? row['package'] : {};
  const nodes = nodesOf(row['nodes']);
  const bytes = number(row['bytes']) ?? number(row['size']) ?? sum(nodes.map((node) => node.bytes));
  const state = text(row['state']) ?? 'unknown';
  return {
    id: line(id, 120),
    location: text(row['location']) ?? location,
    cluster: text(row['cluster']) ?? '',
    created: text(row['created']) ?? text(row['time']) ?? '',
    reason: text(row['reason']) ?? '',
    before: text(row['before']),
    product: text(pkg['product']) ?? text(row['product']),
    version: text(pkg['version']) ?? text(row['version']) ?? onlyOf(nodes),
    bytes,
    state,
    nodes,
    obstacle: text(row['obstacle']) ?? text(row['problem']),
  };
}

function nodesOf(value: unknown): PointNode[] {
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((each): [unknown, unknown] => [isRecord(each) ? (each['node'] ?? each['name']) : each, each])
    : isRecord(value)
      ? Object.entries(value)
      : [];
  return entries.flatMap(([name, about]): PointNode[] => {
    if (typeof name !== 'string') return [];
    const rec = isRecord(about) ? about : {};
    const data = isRecord(rec['data']) ? rec['data'] : {};
    const version = typeof about === 'string' && about !== name ? about : text(rec['version']);
    return [
      {
        name: line(name, 80),
        version,
        bytes: number(rec['bytes']) ?? number(data['bytes']),
        state: text(rec['state']),
      },
    ];
  });
}

/** The version that all nodes have. */
function onlyOf(nodes: readonly PointNode[]): string | undefined {
  const versions = [...new Set(nodes.flatMap(({ version }) => version ?? []))];
  return versions.length === 0 ? undefined : versions.join(', ');
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : known.reduce((all, each) => all + each, 0);
}

type Rec = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Rec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? line(value, 300) : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
