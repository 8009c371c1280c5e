import { leftBy, type Application, type Files, type Left } from '../engine/journal/application';
import type { Action } from '../engine/journal/plan';
import { stepOf, type RunView } from '../engine/journal/view';
import { formatDuration } from '../base/units';
import { glyphs, paint, tone, type Theme, type Part } from './theme';
import { finding, labelled } from './prose';

/** What stands above everything else in a report: nodes whose application the run stopped and that did not end well. */
export function leftLines(view: RunView, theme: Theme): string[] {
  const { action } = view.plan;
  return leftBy(view).flatMap((left) =>
    finding(markOf(left, theme), leftWords(left, action), `application-${left.application}`, theme),
  );
}

/** Of when the files are that nodes were put back to, and how old that was at the time. */
export function putBackLines(view: RunView, theme: Theme): string[] {
  const lane = view.plan.action === 'restore' ? 'main' : 'rollback';
  const words = new Map<string, string[]>();
  for (const { name } of view.plan.nodes) {
    const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
    if (node?.outcome !== 'rolled-back' && node?.outcome !== 'restored') continue;
    const { taken, age, point } = stepOf(node, 'restore', lane)?.data ?? {};
    if (typeof taken !== 'string') continue;
    const when = `${taken.slice(0, 16).replace('T', ' ')} UTC`;
    const old = typeof age === 'number' ? `${formatDuration(age)} old at that time` : 'age unknown';
    const state = `as of ${when}, ${old} (${String(point)})`;
    words.set(state, [...(words.get(state) ?? []), name]);
  }
  if (words.size === 0) return [];
  const title = paint(
    [tone('warn', `${glyphs(theme).warning} Restored; changes made after the backup are not included`)],
    theme,
  );
  const kept = view.warnings.filter(({ code }) => code === 'rollback-kept');
  return [
    title,
    ...[...words].flatMap(([state, names]) => labelled(`${names.join(', ')}:`, state, theme)),
    ...kept.flatMap(({ node = '', message }) => labelled(`${node}:`, message, theme)),
  ];
}

function leftWords({ node, application, files }: Left, action: Action): string {
  return `${APPLICATION[application](node)}; ${action === 'backup' ? BACKED_UP : FILES[files](action)}`;
}

const APPLICATION: Readonly<Record<Exclude<Application, 'untouched'>, (node: string) => string>> = {
  started: (node) => `${node}: its application was restarted after the failure`,
  stopped: (node) => `${node} is down: its application was stopped and not restarted`,
  'start-failed': (node) => `${node} is down: its application was stopped, and \`start\` failed`,
  unknown: (node) => `${node}: the state of its application is unknown`,
};

const BACKED_UP = 'its files were only read';

const FILES: Readonly<Record<Files, (action: Action) => string>> = {
  untouched: (action) =>
    action === 'restore' ? 'its files were not changed by the restore' : 'its files were not changed by this run',
  changed: () => 'its files are as the failed upgrade left them',
  point: () => 'its files were restored from the restore point',
  mixed: () => 'its files may be partly changed',
};

function markOf({ application }: Left, theme: Theme): Part {
  const marks = glyphs(theme);
  if (application === 'started') return tone('warn', marks.warning);
  return application === 'unknown' ? tone('warn', marks.unknown) : tone('bad', marks.failed);
}
