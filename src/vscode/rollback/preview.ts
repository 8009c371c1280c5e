import { aboutNode, line } from '../../base/text';

/** What a restore would do, as its dry run tells it. */
export interface Preview {
  readonly nodes: readonly {
    readonly name: string;
    readonly from: string | undefined;
    readonly to: string | undefined;
  }[];
  /** What will be lost, a sentence a node. */
  readonly losses: readonly string[];
  /** The restore point that is made of it first; undefined: none. */
  readonly undo: string | undefined;
  /** What blocks it. */
  readonly obstacles: readonly string[];
}

/** How far the query is. */
export type PreviewState =
  | { readonly kind: 'asking' }
  | { readonly kind: 'ready'; readonly preview: Preview }
  | { readonly kind: 'failed'; readonly message: string };

/** Reads the plan of `backup restore --dry-run --json`; undefined when it is none. What nodes say is foreign. */
export function previewOf(rows: readonly unknown[]): Preview | undefined {
  const plan = rows.find((row) => isRecord(row) && row['type'] === 'plan');
  if (!isRecord(plan)) return undefined;
  const checks = list(plan['checks']).filter(isRecord);
  const words = (check: Rec): string => aboutNode(text(check['node']), text(check['message']) ?? '');
  // The page cannot override it: it says how.
  const obstacle = (check: Rec): string =>
    [words(check), ...(check['code'] === 'no-undo' ? [text(check['fix']) ?? ''] : [])].join('. ');
  const undo = isRecord(plan['undo']) ? text(plan['undo']['id']) : undefined;
  return {
    nodes: list(plan['nodes'])
      .filter(isRecord)
      .flatMap((node) => {
        const name = text(node['name']);
        return name === undefined ? [] : [{ name, from: text(node['from']), to: text(node['to']) }];
      }),
    losses: checks.filter(({ code }) => code === 'restore-loses').map(words),
    undo,
    obstacles: checks.filter(({ level, overridden }) => level === 'block' && overridden !== true).map(obstacle),
  };
}

type Rec = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Rec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, 10_000) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? line(value, 500) : undefined;
}
