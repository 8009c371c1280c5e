import { glyphs, paint, tone, type Theme, type Part, type Tone } from './theme';
import { line } from '../base/text';
import { wrap } from './width';

/** Sentences, quoted logs and commands under a finding: the shapes that errors, reports and summaries share. */

/** People do not like to read lines longer than this. */
const MEASURE = 110;

/** A label (`Next:`) and a text that is wrapped beside it. */
export function labelled(label: string, text: string, theme: Theme, indent = '  ', color?: Tone): string[] {
  const lead = label === '' ? indent : `${indent}${label} `;
  const width = Math.min(theme.columns, MEASURE) - lead.length;
  if (width < 16) return [paint([lead, tone(color, line(text))], theme)];
  return wrap(line(text, 2000), width).map((each, index) =>
    paint([index === 0 ? tone('dim', lead) : ' '.repeat(lead.length), tone(color, each)], theme),
  );
}

/** A command to copy: never wrapped by us, because a broken command cannot be pasted; the terminal may wrap it. */
export function command(text: string, indent = '  '): string {
  return `${indent}${line(text, 2000)}`;
}

/** Lines of a log, quoted so that they cannot be taken for ours. */
export function quoted(log: readonly string[] | undefined, theme: Theme, indent = '  '): string[] {
  return (log ?? []).map((each) => paint([indent, tone('dim', `${glyphs(theme).quote} `), each], theme));
}

/** A heading line: mark, message (wrapped), code. */
export function finding(mark: Part, message: string, code: string, theme: Theme): string[] {
  const width = Math.min(theme.columns, MEASURE) - 2;
  const lines = wrap(`${line(message, 2000)} [${line(code, 80)}]`, Math.max(16, width));
  return lines.map((each, index) =>
    paint(index === 0 ? [mark, ' ', tone('strong', each)] : ['  ', tone('strong', each)], theme),
  );
}
