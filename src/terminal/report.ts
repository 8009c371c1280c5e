import { shellWord } from '../base/shell';
import { aboutNode } from '../base/text';
import type { CheckResult } from '../engine/journal/plan';
import { isFirm } from '../engine/prepare/findings';
import { glyphs, paint, tone, type Theme } from './theme';
import { finding, labelled } from './prose';

/** The report of the checks: what blocks first, each finding with node, path and the act that mends it. */
export function renderReport(checks: readonly CheckResult[], theme: Theme): string[] {
  const marks = glyphs(theme);
  const blocks = checks.filter((check) => check.level === 'block' && !check.overridden);
  const overridden = checks.filter((check) => check.level === 'block' && check.overridden);
  const warnings = checks.filter((check) => check.level === 'warn');
  const lines = [blocks, overridden, warnings].flatMap((group) => group.flatMap((check) => renderCheck(check, theme)));
  if (blocks.length > 0) {
    const codes = [...new Set(blocks.map((check) => check.code))].filter((code) => !isFirm(code));
    const count = plural(blocks.length, 'blocking problem', 'blocking problems');
    const rest = warnings.length > 0 ? `, ${plural(warnings.length, 'warning', 'warnings')}` : '';
    const override = `To accept the risk (recorded in the journal): ${codes.flatMap((code) => ['--override', shellWord(code)]).join(' ')}`;
    return [
      ...lines,
      '',
      paint([tone('bad', `${marks.failed} ${count}`), rest], theme),
      ...(codes.length > 0 ? labelled('', override, theme, '  ', 'dim') : []),
    ];
  }
  const verdict =
    checks.length === 0 ? 'All checks passed' : `Checks passed with ${plural(checks.length, 'warning', 'warnings')}`;
  return [...lines, ...(lines.length > 0 ? [''] : []), paint([tone('good', `${marks.done} ${verdict}`)], theme)];
}

function renderCheck(check: CheckResult, theme: Theme): string[] {
  const marks = glyphs(theme);
  const mark = check.level === 'block' && !check.overridden ? tone('bad', marks.failed) : tone('warn', marks.warning);
  const where = [check.node, check.path].filter((each) => each !== undefined).join(':');
  const message = aboutNode(where === '' ? undefined : where, check.message);
  return [
    ...finding(mark, check.overridden ? `${message} (overridden)` : message, check.code, theme),
    ...(check.overridden ? [] : labelled('Fix:', check.fix, theme)),
  ];
}

export function plural(count: number, one: string, many: string): string {
  return `${String(count)} ${count === 1 ? one : many}`;
}
