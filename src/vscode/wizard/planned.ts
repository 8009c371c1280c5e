import { l10n } from 'vscode';
import { line } from '../../base/text';

/** What an upgrade would do, as its dry run tells it. */
export interface Planned {
  /** `acme-voice 24.2.0` */
  readonly package: string;
  /** `node1:/root/media/acme.iso`, or where else the image lies. */
  readonly source: string;
  /** Where it lies on the primary; undefined: it is not there. */
  readonly path: string | undefined;
  /** Of the nodes that change: `24.1, 24.2 → 24.3`; empty: none does. */
  readonly versions: string;
  readonly checks: readonly Rec[];
  /** What happens to each node: `n1: 24.1 → 24.3`. */
  readonly nodes: readonly string[];
  /** Did the package's own scripts run? */
  readonly asked: boolean;
}

/** Reads the plan of `upgrade --dry-run --json`; undefined when there is none. What packages and nodes say is foreign. */
export function plannedOf(rows: readonly unknown[]): Planned | undefined {
  const plan = rows.find((row) => isRecord(row) && row['type'] === 'plan');
  if (!isRecord(plan)) return undefined;
  const pkg = isRecord(plan['package']) ? plan['package'] : {};
  const source = isRecord(pkg['source']) ? pkg['source'] : {};
  const to = text(pkg['version']);
  const from = list(plan['nodes'])
    .filter((node) => node['action'] === 'change')
    .map((node) => text(node['from']) || l10n.t('not installed'));
  return {
    package: `${text(pkg['product'])} ${to}`.trim(),
    source: sourceOf(source),
    path: typeof source['node'] === 'string' && typeof source['path'] === 'string' ? source['path'] : undefined,
    versions: from.length === 0 ? '' : `${[...new Set(from)].slice(0, 5).join(', ')} → ${to}`,
    checks: list(plan['checks']),
    nodes: list(plan['nodes']).map((node) => nodeLine(node, to)),
    asked: !list(plan['checks']).some((check) => check['code'] === 'not-asked'),
  };
}

function nodeLine({ name, action, from }: Rec, to: string): string {
  const then = action === 'change' ? `${text(from) || l10n.t('not installed')} → ${to}` : l10n.t('nothing to do');
  return `${text(name)}: ${then}`;
}

function sourceOf({ node, path, url }: Rec): string {
  const where = text(path) || text(url);
  return typeof node === 'string' ? `${text(node)}:${where}` : where;
}

type Rec = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Rec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly Rec[] {
  return Array.isArray(value) ? value.slice(0, 10_000).filter(isRecord) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? line(value, 200) : '';
}
