import { glyphs, paint, textOf, tone, type Theme, type Part } from './theme';
import { cells, cut, pad } from './width';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Which end stays when the column is too narrow: of paths the end. */
  readonly keep?: 'start' | 'end';
  /** Cells that it is never cut below. Default 4. */
  readonly min?: number;
  /** Not cut before the others are at their `min`. */
  readonly firm?: boolean;
}

export type Row = readonly Part[];

const GAP = 2;

/**
 * A table that fits: columns take what they need, and the widest of those that may shrink give way first.
 * @returns lines, the titles first; no lines when there are no rows
 */
export function renderTable(columns: readonly Column[], rows: readonly Row[], theme: Theme, indent = ''): string[] {
  if (rows.length === 0) return [];
  const widths = fitWidths(columns, naturalWidths(columns, rows), theme.columns - cells(indent));
  const titles: Row = columns.map((column) => tone('dim', column.title.toUpperCase()));
  return [titles, ...rows].map((row) => paint([indent, ...lineOf(columns, row, widths, theme)], theme));
}

/** Does the table fit without cutting anything? */
export function fits(columns: readonly Column[], rows: readonly Row[], theme: Theme): boolean {
  return total(naturalWidths(columns, rows)) <= theme.columns;
}

function lineOf(columns: readonly Column[], row: Row, widths: readonly number[], theme: Theme): Part[] {
  return columns.flatMap((column, index): Part[] => {
    const part = row[index] ?? '';
    const width = widths[index] ?? 0;
    const text = pad(
      cut(textOf(part), width, column.keep ?? 'start', glyphs(theme).ellipsis),
      width,
      column.align ?? 'left',
    );
    const cell: Part = typeof part === 'string' ? text : tone(part.tone, text);
    return index === 0 ? [cell] : [' '.repeat(GAP), cell];
  });
}

function naturalWidths(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map((column, index) =>
    rows.reduce((most, row) => Math.max(most, cells(textOf(row[index] ?? ''))), cells(column.title)),
  );
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP * Math.max(0, widths.length - 1);
}

function fitWidths(columns: readonly Column[], natural: readonly number[], room: number): number[] {
  const widths = [...natural];
  for (const firm of [false, true]) {
    while (total(widths) > room) {
      let widest = -1;
      for (const [index, column] of columns.entries()) {
        const width = widths[index] ?? 0;
        const mayShrink = (column.firm ?? false) === firm && width > (column.min ?? 4);
        if (mayShrink && (widest < 0 || width > (widths[widest] ?? 0))) widest = index;
      }
      if (widest < 0) break;
      widths[widest] = (widths[widest] ?? 1) - 1;
    }
  }
  return widths;
}
