/** One figure: ours against a peer that did the same in the same run, and what was promised. */
export interface Figure {
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  /** `0.42×`, or nothing where there is no peer. */
  readonly ratio: string;
  /** Undefined: nothing was promised. */
  readonly goal?: { readonly text: string; readonly met: boolean };
}

export const seconds = (ms: number): string => (ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`);
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
export const times = (ours: number, peer: number): string => `${(ours / peer).toFixed(2)}×`;

/** A table for people; the figures are for comparing, so the ratio stands first. */
export function table(figures: readonly Figure[]): string {
  const head = ['ratio', 'what', 'ours', 'peer', 'goal'];
  const rows = figures.map(({ what, ours, peer, ratio, goal }) => [
    ratio,
    what,
    ours,
    peer,
    goal === undefined ? '' : `${goal.text}: ${goal.met ? 'met' : 'MISSED'}`,
  ]);
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
