import { line } from '../base/text';
import { formatDuration } from '../base/units';
import type { NodeOutcome, Phase, RunOutcome } from '../engine/journal/events';
import type { Action, PackageSource, Plan, PlanNode, StepName } from '../engine/journal/plan';
import { currentStep, type NodeView, type RunView } from '../engine/journal/view';
import type { Glyphs, Tone } from './theme';

/** The words for what a run and its nodes do: one vocabulary for the live block, the plain lines and the summary. */

/** What a node is doing. */
export const DOING: Readonly<Record<StepName, string>> = {
  lock: 'locking',
  stage: 'staging',
  unpack: 'unpacking',
  backup: 'backing up',
  'verify-backup': 'verifying backup',
  stop: 'stopping',
  upgrade: 'upgrading',
  restore: 'restoring',
  'restore-script': 'running the restore script',
  start: 'starting',
  reboot: 'rebooting',
  version: 'checking version',
  health: 'checking health',
  provision: 'provisioning',
  settle: 'settling',
  unlock: 'unlocking',
};

/** Whose word a package is taken on where nothing vouches for it; undefined: something does, or it was given here. */
export function wordOf(pack: Plan['package']): string | undefined {
  if (!pack?.word) return undefined;
  const { node, user } = pack.word;
  const who = user === undefined ? node : `${user} on ${node}, who owns the file`;
  return `${who}; not verified by a signature or --sha256`;
}

/** What a step will do, for the dry run. */
export function willOf(action: Action, step: StepName): string {
  return (action === 'restore' ? WILL_IN_RESTORE[step] : undefined) ?? WILL[step];
}

const WILL_IN_RESTORE: Partial<Record<StepName, string>> = {
  stage: 'copy the backup to the node',
  unpack: 'unpack the scripts of the backup',
  backup: 'back up the files to be replaced, and verify the backup',
};

const WILL: Readonly<Record<StepName, string>> = {
  lock: 'take the lock',
  stage: 'copy the package and check its digest',
  unpack: 'unpack the package',
  backup: 'back up',
  'verify-backup': 'read the backup back and verify it',
  stop: 'stop the application',
  upgrade: 'run the upgrade script',
  restore: 'restore the files of the backup',
  'restore-script': 'run the restore script of the package',
  start: 'start the application',
  reboot: 'reboot, if the package requests it',
  version: 'check the version',
  health: 'check the health',
  provision: 'provision the cluster, if the package requests it',
  settle: 'check the health again when all nodes are done',
  unlock: 'release the lock',
};

export const PHASE: Readonly<Record<Phase, string>> = {
  prepare: 'preparing',
  lock: 'locking',
  stage: 'staging',
  backup: 'backing up',
  change: 'changing nodes',
  provision: 'provisioning',
  health: 'checking health',
  commit: 'committing',
  rollback: 'rolling back',
  unlock: 'unlocking',
};

export const RUN_OUTCOME: Readonly<Record<RunOutcome, { readonly words: string; readonly tone: Tone }>> = {
  succeeded: { words: 'succeeded', tone: 'good' },
  failed: { words: 'failed', tone: 'bad' },
  'rolled-back': { words: 'failed and was rolled back', tone: 'warn' },
  stopped: { words: 'was stopped', tone: 'warn' },
  unknown: { words: 'ended with an unknown outcome', tone: 'warn' },
  interrupted: { words: 'was interrupted', tone: 'warn' },
  refused: { words: 'was refused', tone: 'bad' },
  overtaken: { words: 'was overtaken by other changes', tone: 'warn' },
};

/** How a node stands, for sorting and counting. */
export type Standing = 'failed' | 'unknown' | 'running' | 'waiting' | 'finished';

export interface NodeWords {
  readonly standing: Standing;
  readonly words: string;
  readonly tone: Tone | undefined;
}

export function outcomeWords(outcome: NodeOutcome): NodeWords {
  switch (outcome) {
    case 'upgraded':
    case 'restored':
    case 'provisioned':
      return { standing: 'finished', words: outcome, tone: 'good' };
    case 'backed-up':
      return { standing: 'finished', words: 'backed up', tone: 'good' };
    case 'unchanged':
      return { standing: 'finished', words: 'unchanged', tone: 'dim' };
    case 'failed':
      return { standing: 'failed', words: 'failed', tone: 'bad' };
    case 'wrong-version':
      return { standing: 'failed', words: 'wrong version', tone: 'bad' };
    case 'unknown':
      return { standing: 'unknown', words: 'unknown', tone: 'warn' };
    case 'not-started':
      return { standing: 'waiting', words: 'not started', tone: 'dim' };
    case 'rolled-back':
      return { standing: 'finished', words: 'rolled back', tone: 'warn' };
    case 'overtaken':
      return { standing: 'finished', words: 'overtaken', tone: 'warn' };
  }
}

/** How a node stands in a run that is on: its outcome, else its step, else what it waits for. */
export function nodeWords(view: RunView, node: NodeView, planned: PlanNode | undefined): NodeWords {
  if (node.outcome) return outcomeWords(node.outcome);
  const step = currentStep(node);
  if (step) {
    const doing = step.lane === 'rollback' ? `rolling back: ${DOING[step.step]}` : DOING[step.step];
    if (node.link === 'lost')
      return { standing: 'running', words: `connection lost, reconnecting (${doing})`, tone: 'warn' };
    if (step.overdue) return { standing: 'running', words: `${doing}, overdue`, tone: 'warn' };
    return { standing: 'running', words: doing, tone: undefined };
  }
  const last = node.steps.at(-1);
  if (last?.state === 'failed') return { standing: 'failed', words: `${last.step} failed`, tone: 'bad' };
  if (last?.state === 'unknown') return { standing: 'unknown', words: `${last.step} unknown`, tone: 'warn' };
  if (node.progress) return { standing: 'running', words: doingAny(node.progress.step), tone: undefined };
  if (planned?.action === 'skip') return { standing: 'finished', words: 'nothing to do', tone: 'dim' };
  if (last?.step === 'unlock') return { standing: 'finished', words: 'done', tone: 'good' };
  return { standing: 'waiting', words: view.stopRequested ? 'on hold' : last ? 'ready' : 'waiting', tone: 'dim' };
}

/** Also for what belongs to no node. */
export function doingAny(step: string): string {
  if (step === 'download') return 'downloading';
  if (step === 'verify-package') return 'verifying the package';
  return Object.hasOwn(DOING, step) ? DOING[step as StepName] : step;
}

export function glyphOf(state: NodeWords, marks: Glyphs, frame: number): string {
  switch (state.standing) {
    case 'failed':
      return marks.failed;
    case 'unknown':
      return marks.unknown;
    case 'running':
      return state.tone === 'warn' ? marks.warning : (marks.spinner[frame % marks.spinner.length] ?? '*');
    case 'waiting':
      return marks.waiting;
    case 'finished':
      return marks.done;
  }
}

/** `upgrade` → `upgrading`, for sentences about the run. */
export const ACTION_NOUN: Readonly<Record<Action, string>> = {
  upgrade: 'Upgrade',
  provision: 'Provisioning',
  backup: 'Backup',
  restore: 'Restore',
};

/** `24.1.0 → 24.2.0`: the versions of the nodes that change and where they go; undefined when there is nothing to say. */
export function versionsOf(plan: Plan, arrow: string): string | undefined {
  const changed = plan.nodes.filter((node) => node.action === 'change');
  const from = [...new Set((changed.length > 0 ? changed : plan.nodes).map((node) => node.from ?? 'not installed'))];
  const to = plan.nodes.find((node) => node.to !== undefined)?.to ?? plan.package?.version;
  if (to === undefined) return undefined;
  return `${from.length > 2 ? `${String(from.length)} versions` : from.join(', ')} ${arrow} ${to}`;
}

/** Milliseconds between two ISO times; undefined when one is missing or they make no sense. */
export function between(start: string | undefined, end: string | number | undefined): number | undefined {
  if (start === undefined || end === undefined) return undefined;
  const ms = (typeof end === 'number' ? end : Date.parse(end)) - Date.parse(start);
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

export function duration(ms: number | undefined): string {
  return ms === undefined ? '' : formatDuration(ms);
}

/** `12 upgraded, 3 waiting`: how many of each, the most first. */
export function countWords(words: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const each of words) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([word, count]) => `${String(count)} ${word}`)
    .join(', ');
}

/** Where a package comes from, for people. */
export function sourceWords(source: PackageSource): string {
  switch (source.kind) {
    case 'file':
      return line(source.path);
    case 'node':
      return `${line(source.path)} on ${line(source.node)}`;
    case 'url':
      return source.on ? `${line(source.url)}, downloaded by ${line(source.on.node)}` : line(source.url);
  }
}
