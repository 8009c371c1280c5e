import { ThemeColor, ThemeIcon } from 'vscode';
import type { NodeStatus } from '../clusters/status';
import type { RunRecord } from '../../engine/journal/runs';
import type { NodeView } from '../../engine/journal/view';

const GOOD = new ThemeColor('testing.iconPassed');
const BAD = new ThemeColor('list.errorForeground');
const WARN = new ThemeColor('list.warningForeground');
const DIM = new ThemeColor('disabledForeground');

/** Shapes differ, too: nothing is told by colour alone. */
export const BUSY = new ThemeIcon('sync~spin');

export function nodeIcon(status: NodeStatus | undefined): ThemeIcon {
  switch (status?.health) {
    case 'healthy':
      return new ThemeIcon('pass', GOOD);
    case 'unhealthy':
      return new ThemeIcon('error', BAD);
    case 'unreachable':
      return new ThemeIcon('debug-disconnect', WARN);
    case 'not-asked':
    case undefined:
      return new ThemeIcon('circle-outline', DIM);
  }
}

/** A run that waits for a person. */
export const ASKS = new ThemeIcon('question', WARN);

export function runIcon({ state, view, waitingFor }: Pick<RunRecord, 'state' | 'view' | 'waitingFor'>): ThemeIcon {
  if (state === 'live') return waitingFor === undefined ? BUSY : ASKS;
  if (state === 'abandoned') return new ThemeIcon('circle-slash', DIM);
  if (state === 'interrupted' || state === 'undecided' || state === 'damaged') return new ThemeIcon('question', WARN);
  if (state === 'elsewhere') return new ThemeIcon('remote', DIM);
  switch (view.outcome) {
    case 'succeeded':
      return new ThemeIcon('pass', GOOD);
    case 'rolled-back':
      return new ThemeIcon('discard', WARN);
    case 'stopped':
      return new ThemeIcon('debug-stop', WARN);
    case 'overtaken':
      return new ThemeIcon('circle-slash', WARN);
    default:
      return new ThemeIcon('error', BAD);
  }
}

export function runNodeIcon(node: NodeView, live: boolean): ThemeIcon {
  switch (node.outcome) {
    case 'failed':
    case 'wrong-version':
      return new ThemeIcon('error', BAD);
    case 'unknown':
      return new ThemeIcon('question', WARN);
    case 'rolled-back':
      return new ThemeIcon('discard', WARN);
    case 'overtaken':
      return new ThemeIcon('circle-slash', WARN);
    case 'not-started':
      return new ThemeIcon('circle-outline', DIM);
    case 'unchanged':
      return new ThemeIcon('circle-filled', DIM);
    case undefined:
      return live && node.startedAt !== undefined ? BUSY : new ThemeIcon('circle-outline', DIM);
    default:
      return new ThemeIcon('pass', GOOD);
  }
}

export function partIcon(state: string): ThemeIcon {
  switch (state) {
    case 'verified':
      return new ThemeIcon('verified', GOOD);
    case 'broken':
      return new ThemeIcon('error', BAD);
    case 'creating':
      return BUSY;
    case 'complete':
      return new ThemeIcon('archive');
    default:
      return new ThemeIcon('warning', WARN);
  }
}
