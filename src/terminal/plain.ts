import { line, lastLines } from '../base/text';
import { formatDuration, formatSize } from '../base/units';
import type { ErrorRecord, Event, JournalEntry } from '../engine/journal/events';
import { DOING, doingAny, outcomeWords, PHASE, RUN_OUTCOME } from './words';

/**
 * An event as appended text: for logs, pipes and screen readers, where nothing may be redrawn.
 * @returns undefined for what only a live display needs; more than one line where there is an error to tell
 */
export function plainLines(event: Event | JournalEntry): string | undefined {
  const text = sentence(event);
  if (text === undefined) return undefined;
  return 'time' in event ? `${clock(event.time)} ${text}` : text;
}

/** UTC to the second, as in the journal. */
function clock(time: string): string {
  const match = /T(\d\d:\d\d:\d\d)/.exec(time);
  return match ? `${match[1] ?? ''}Z` : line(time, 30);
}

function sentence(event: Event | JournalEntry): string | undefined {
  switch (event.type) {
    case 'run.started':
      return `run ${line(event.run)}: ${event.action} of ${line(event.cluster)} started`;
    case 'run.resumed':
      return `run resumed by ${line(event.host)}, process ${String(event.pid)}`;
    case 'run.adopted':
      return `run taken over from its nodes by ${line(event.by)}${event.unasked.length === 0 ? '' : `; not queried: ${line(event.unasked.join(', '))}`}`;
    case 'node.moved':
      return `${line(event.node)}: continued at its new address, by ${line(event.by)}`;
    case 'node.reinstalled':
      return `${line(event.node)}: has no record of the run, started again by ${line(event.by)}`;
    case 'node.left-out':
      return `${line(event.node)}: left out by ${line(event.by)} because it is not in clusters.json`;
    case 'phase':
      return `phase: ${PHASE[event.phase]}`;
    case 'step.started':
    case 'step.finished':
    case 'step.overdue':
    case 'decision':
      return stepSentence(event);
    case 'request':
      return `${line(event.node)}: ${event.kind === 'message' ? line(event.text ?? '') : `requests ${event.kind === 'reboot' ? 'a reboot' : 'provisioning'}`}`;
    case 'node.finished':
      return nodeSentence(event);
    case 'override':
      return `override ${line(event.code)} by ${line(event.by)}`;
    case 'stop.requested':
      return `stop requested by ${line(event.by)}: nodes in progress will finish, no other node will be started`;
    case 'budget.exceeded':
      if (event.batch !== undefined) {
        const counts = `${String(event.failed)} failed, ${String(event.unknown)} unknown`;
        return `batch ${String(event.batch)} failed as a whole (${counts}): no other batch will be started`;
      }
      return `too many nodes failed: ${String(event.failed)} failed, ${String(event.unknown)} unknown, ${String(event.allowed)} allowed`;
    case 'warning':
      return `warning: ${event.node === undefined ? '' : `${line(event.node)}: `}${line(event.message)} [${line(event.code)}]`;
    case 'point':
      return `restore point ${line(event.id)} in ${line(event.location)}: ${event.state}`;
    case 'committed':
      return 'committed: all nodes are at the target version and healthy';
    case 'run.finished':
      return `run ${RUN_OUTCOME[event.outcome].words}, status ${String(event.status)}`;
    case 'run.abandoned':
      return `run abandoned by ${line(event.by)}: ${line(event.reason)}`;
    case 'link':
      return `${line(event.node)}: ${event.state === 'lost' ? 'connection lost, reconnecting; jobs on the node keep running' : 'connection restored'}${event.reason === undefined ? '' : ` (${line(event.reason)})`}`;
    case 'question':
      return event.open ? `waiting for your input: ${line(event.text)}` : undefined;
    case 'progress':
    case 'output':
      return undefined;
  }
}

type StepSentence = Extract<Event, { type: 'step.started' | 'step.finished' | 'step.overdue' | 'decision' }>;

function stepSentence(event: StepSentence): string {
  const again = event.attempt > 1 ? `, attempt ${String(event.attempt)}` : '';
  const lane = event.lane === 'rollback' ? 'rolling back: ' : '';
  const subject = `${line(event.node)}: ${lane}`;
  switch (event.type) {
    case 'step.started':
      return `${subject}${DOING[event.step]}${again}`;
    case 'step.overdue':
      return `${subject}${event.step} is overdue after ${formatDuration(event.afterMs)}; the script keeps running and is still followed`;
    case 'decision':
      return `${subject}${event.step}: decision "${event.choice}" by ${line(event.by)}`;
    case 'step.finished': {
      const took = formatDuration(event.ms);
      if (event.result === 'done') return `${subject}${event.step} done after ${took}`;
      const verb = event.result === 'failed' ? 'failed' : 'has an unknown outcome';
      return `${subject}${event.step} ${verb} after ${took}: ${errorText(event.error)}`;
    }
  }
}

function nodeSentence(event: Extract<Event, { type: 'node.finished' }>): string {
  const next = event.error ? `\n  next: ${line(event.error.hint)}` : '';
  return `${line(event.node)}: ${outcomeWords(event.outcome).words}${changeWords(event)}${next}`;
}

/** Where it came to, or, where that is not where it was to come to, what it has now. */
function changeWords({ outcome, from, to, has }: Extract<Event, { type: 'node.finished' }>): string {
  const words = (version: string | null | undefined): string => line(version ?? 'not installed');
  switch (outcome) {
    case 'not-started':
      return '';
    case 'rolled-back':
      return ` (now ${words(to)})`;
    case 'overtaken':
      return to === undefined ? '' : ` (now ${words(to)})`;
    case 'failed':
    case 'wrong-version':
    case 'unknown': {
      const now = has === undefined ? '' : `, now ${words(has)}`;
      return to === undefined ? '' : ` (from ${words(from)}, target ${words(to)}${now})`;
    }
    default:
      return to === undefined || from === to ? '' : ` (${words(from)} to ${words(to)})`;
  }
}

function errorText(error: ErrorRecord): string {
  const log = lastLines((error.log ?? []).join('\n'));
  return [`${line(error.message)} [${line(error.code)}]`, ...log.map((each) => `  | ${each}`)].join('\n');
}

/** A line of progress for where nothing can be redrawn. */
export function progressLine(event: Extract<Event, { type: 'progress' }>): string {
  const share =
    event.total === undefined || event.total <= 0 ? '' : `, ${String(Math.floor((100 * event.done) / event.total))}%`;
  const rate = event.rate === undefined ? '' : `, ${formatSize(event.rate)}/s`;
  const who = event.node === undefined ? '' : `${line(event.node)}: `;
  return `${who}${doingAny(event.step)}: ${formatSize(event.done)}${share}${rate}`;
}
