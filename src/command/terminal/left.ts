import { leftBy, type Application, type Files, type Left } from '../../engine/application';
import type { Action } from '../../engine/plan';
import type { RunView } from '../../engine/view';
import { glyphs, tone, type Look, type Part } from './look';
import { finding } from './prose';

/** What stands above everything else in a report: nodes whose application the run stopped and that did not end well. */
export function leftLines(view: RunView, look: Look): string[] {
  const { action } = view.plan;
  return leftBy(view).flatMap((left) =>
    finding(markOf(left, look), leftWords(left, action), `application-${left.application}`, look),
  );
}

function leftWords({ node, application, files }: Left, action: Action): string {
  return `${APPLICATION[application](node)}; ${action === 'backup' ? BACKED_UP : FILES[files](action)}`;
}

const APPLICATION: Readonly<Record<Exclude<Application, 'untouched'>, (node: string) => string>> = {
  started: (node) => `${node}: its application was started again after the failure`,
  stopped: (node) => `${node} is down: its application was stopped and was not started again`,
  'start-failed': (node) => `${node} is down: its application was stopped, and \`start\` failed`,
  unknown: (node) => `${node}: it is not known whether its application runs`,
};

const BACKED_UP = 'its files were only read';

const FILES: Readonly<Record<Files, (action: Action) => string>> = {
  untouched: (action) =>
    action === 'restore' ? 'its files are as before the restore' : 'its files were not changed by this run',
  changed: () => 'its files are as the failed upgrade left them',
  point: () => 'its files are those of the restore point',
  mixed: () => 'it is not known how far its files are changed',
};

function markOf({ application }: Left, look: Look): Part {
  const marks = glyphs(look);
  if (application === 'started') return tone('warn', marks.warning);
  return application === 'unknown' ? tone('warn', marks.unknown) : tone('bad', marks.failed);
}
