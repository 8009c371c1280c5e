import { l10n } from 'vscode';
import { wallClock } from '../../base/clock';
import { line } from '../../base/text';
import type { NodeStatus } from '../clusters/status';
import type { RunRecord } from '../../engine/journal/runs';
import type { NodeView, RunView, StepView } from '../../engine/journal/view';

/** Words of the trees. Pure but for the language. A version is what a script on a node said: text, and short. */

const MOST_VERSION = 80;

/** `5 min ago` */
export function ago(then: number, now = wallClock()): string {
  const minutes = Math.floor(Math.max(0, now - then) / 60_000);
  if (minutes < 1) return l10n.t('just now');
  if (minutes < 60) return l10n.t('{0} min ago', minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return l10n.t('{0} h ago', hours);
  return l10n.t('{0} days ago', Math.floor(hours / 24));
}

export function nodesWords(count: number): string {
  return count === 1 ? l10n.t('1 node') : l10n.t('{0} nodes', count);
}

export function pointsWords(count: number): string {
  return count === 1 ? l10n.t('1 point') : l10n.t('{0} points', count);
}

export function healthWords(health: NodeStatus['health']): string {
  switch (health) {
    case 'healthy':
      return l10n.t('healthy');
    case 'unhealthy':
      return l10n.t('unhealthy');
    case 'unreachable':
      return l10n.t('unreachable');
    case 'not-asked':
      return l10n.t('health unknown');
  }
}

/** `24.2.0 · healthy`, for the line of a node. */
export function nodeWords(status: NodeStatus | undefined): string {
  if (!status) return l10n.t('status unknown');
  if (status.answered !== undefined && isUntouched(status)) return l10n.t('not managed by Clusterlift yet');
  const seen =
    status.health === 'unreachable' && status.answered !== undefined
      ? ` · ${l10n.t('last seen {0}', ago(status.answered))}`
      : '';
  return `${versionAndHealth(status, ' · ')}${seen}`;
}

/** `24.2.0 · healthy`; only the health of a node whose version is not known. */
export function versionAndHealth(status: NodeStatus, between: string): string {
  return [versionWords(status), healthWords(status.health)]
    .flatMap((each) => (each === undefined ? [] : line(each, MOST_VERSION)))
    .join(between);
}

/** No upgrade was there. */
function isUntouched({ version, health, lastRun }: NodeStatus): boolean {
  return version === undefined && health === 'not-asked' && lastRun === undefined;
}

/** The version that a node said; undefined: not known. */
export function versionWords(status: Pick<NodeStatus, 'version'> | undefined): string | undefined {
  return status?.version === null ? l10n.t('not installed') : status?.version;
}

/** What a run came to. */
export function outcomeWords({ state, view, waitingFor }: Pick<RunRecord, 'state' | 'view' | 'waitingFor'>): string {
  switch (state) {
    case 'live':
      if (waitingFor !== undefined) return l10n.t('waiting for your input');
      return view.stopRequested ? l10n.t('stopping') : l10n.t('running');
    case 'interrupted':
      return l10n.t('interrupted');
    case 'damaged':
      return l10n.t('journal damaged');
    case 'elsewhere':
      return l10n.t('on another machine');
    case 'abandoned':
      return l10n.t('abandoned');
    case 'undecided':
      return l10n.t('needs your decision');
    case 'finished':
      return finishedWords(view);
  }
}

function finishedWords({ outcome }: RunView): string {
  switch (outcome) {
    case 'succeeded':
      return l10n.t('succeeded');
    case 'failed':
      return l10n.t('failed');
    case 'rolled-back':
      return l10n.t('rolled back');
    case 'stopped':
      return l10n.t('stopped');
    case 'refused':
      return l10n.t('refused');
    case 'interrupted':
      return l10n.t('interrupted');
    case 'overtaken':
      return l10n.t('overtaken');
    case 'unknown':
    case undefined:
      return l10n.t('outcome unknown');
  }
}

export function nodeOutcomeWords({ outcome }: NodeView): string {
  switch (outcome) {
    case 'upgraded':
      return l10n.t('upgraded');
    case 'restored':
      return l10n.t('restored');
    case 'provisioned':
      return l10n.t('provisioned');
    case 'backed-up':
      return l10n.t('backed up');
    case 'unchanged':
      return l10n.t('unchanged');
    case 'failed':
      return l10n.t('failed');
    case 'wrong-version':
      return l10n.t('wrong version');
    case 'not-started':
      return l10n.t('not started');
    case 'rolled-back':
      return l10n.t('rolled back');
    case 'overtaken':
      return l10n.t('overtaken');
    case 'unknown':
      return l10n.t('outcome unknown');
    case undefined:
      return l10n.t('waiting');
  }
}

/** `24.1.0 → 24.2.0`, or the one that is known. */
export function versionsWords({ from, to }: Pick<NodeView, 'from' | 'to'>): string | undefined {
  const [before, after] = [from, to].map((each) => each && line(each, MOST_VERSION));
  if (before === undefined || after === undefined || before === after) return after ?? before;
  return `${before} → ${after}`;
}

/** `upgrade`, `backup`… with how far it is. */
export function stepWords(step: StepView, node: NodeView): string {
  const { progress } = node;
  const percent =
    progress?.total !== undefined && progress.total > 0
      ? ` ${String(Math.floor((100 * progress.done) / progress.total))} %`
      : '';
  const lost = node.link === 'lost' ? ` · ${l10n.t('connection lost, reconnecting')}` : '';
  return `${step.step}${percent}${lost}`;
}

/** Finished nodes of all: `3 of 5 nodes`. */
export function progressWords(view: RunView): string {
  const nodes = Object.values(view.nodes);
  return l10n.t('{0} of {1} nodes', nodes.filter((each) => each.outcome !== undefined).length, nodes.length);
}
