import { l10n } from 'vscode';
import { withCode } from '../../base/errors';
import { line } from '../../base/text';
import { formatDuration } from '../../base/units';
import type { RunRecord } from '../../engine/journal/runs';
import type { NodeView, RunView } from '../../engine/journal/view';
import { nodesWords } from './words';
import { runSubject } from '../runs/words';

/** How a run ended, as a sentence for a notification. */

type Ended = Pick<RunRecord, 'plan' | 'state' | 'view'>;

/** `staging was upgraded to 24.2.0 (3 nodes, 1m22s)`, `Upgrade of staging failed on n3: …` */
export function endSentence(record: Ended): string {
  const { plan, state, view } = record;
  if (state === 'finished' && view.outcome === 'succeeded') return successSentence(record);
  const subject = runSubject(plan);
  const failed = failedNode(view);
  const why =
    failed?.error === undefined ? undefined : withCode({ ...failed.error, message: line(failed.error.message, 200) });
  if (state === 'finished' && failed && why !== undefined) {
    if (view.outcome === 'failed') return l10n.t('{0} failed on {1}: {2}', subject, failed.name, why);
    if (view.outcome === 'rolled-back')
      return l10n.t('{0} failed on {1} and was rolled back: {2}', subject, failed.name, why);
  }
  const sentence = state === 'finished' ? finished(subject, view) : unfinished(subject, state);
  return failed && why !== undefined ? `${sentence} – ${failed.name}: ${why}` : sentence;
}

/** The first node with an error. */
export function failedNode({ nodes }: RunView): NodeView | undefined {
  return Object.values(nodes).find(({ error }) => error !== undefined);
}

function successSentence({ plan, view }: Ended): string {
  const { cluster } = plan;
  const ms = Date.parse(view.finishedAt ?? '') - Date.parse(view.startedAt ?? '');
  const size = nodesWords(plan.nodes.length);
  const details = Number.isNaN(ms) ? size : `${size}, ${formatDuration(Math.max(0, ms))}`;
  switch (plan.action) {
    case 'upgrade': {
      const version = plan.package && line(plan.package.version, 80);
      return version === undefined
        ? l10n.t('{0} was upgraded ({1})', cluster, details)
        : l10n.t('{0} was upgraded to {1} ({2})', cluster, version, details);
    }
    case 'provision':
      return l10n.t('{0} was provisioned ({1})', cluster, details);
    case 'backup':
      return l10n.t('{0} was backed up ({1})', cluster, details);
    case 'restore':
      return l10n.t('{0} was restored ({1})', cluster, details);
  }
}

function finished(subject: string, { outcome }: RunView): string {
  switch (outcome) {
    case 'succeeded':
      return l10n.t('{0} succeeded', subject);
    case 'failed':
      return l10n.t('{0} failed', subject);
    case 'rolled-back':
      return l10n.t('{0} failed and was rolled back', subject);
    case 'stopped':
      return l10n.t('{0} was stopped', subject);
    case 'refused':
      return l10n.t('{0} was refused', subject);
    case 'interrupted':
      return l10n.t('{0} was interrupted', subject);
    case 'overtaken':
      return l10n.t('{0} was overtaken by other changes', subject);
    case 'unknown':
    case undefined:
      return l10n.t('{0} ended with an unknown outcome', subject);
  }
}

function unfinished(subject: string, state: Exclude<RunRecord['state'], 'finished'>): string {
  switch (state) {
    case 'live':
      return l10n.t('{0} is running', subject);
    case 'interrupted':
      return l10n.t('{0} was interrupted', subject);
    case 'damaged':
      return l10n.t('{0} has a damaged journal', subject);
    case 'elsewhere':
      return l10n.t('{0} continues on another machine', subject);
    case 'abandoned':
      return l10n.t('{0} was abandoned', subject);
    case 'undecided':
      return l10n.t('{0} needs your decision', subject);
  }
}
