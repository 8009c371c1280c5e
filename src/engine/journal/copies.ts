import { ClusterliftError, ExitStatus } from '../../base/errors';
import { jobId, type JournalEntry, type RunEvent, type StepKey } from './events';
import { readableJournal } from './journal';

/**
 * The journal of a run from the copies of its nodes. A copy may lag behind, and a node may have replaced its own.
 * Facts are what all copies say: the lines that they begin with alike. Of the lines after them, only what makes us more
 * careful counts: a step that may have begun counts as begun, and the node is asked about it. Results, decisions and
 * the commit count for nothing: the node is asked again.
 */

/** The copy of one node. Foreign data. */
export interface JournalCopy {
  readonly node: string;
  readonly journal: string;
  /** Ids of the run's jobs on that node. */
  readonly jobs: readonly string[];
}

export interface MergedJournal {
  /** The lines that all copies begin with. */
  readonly text: string;
  readonly entries: readonly JournalEntry[];
  /** Steps after that which may have begun. */
  readonly begun: readonly Begun[];
  /** The highest that any copy tells, within reason. */
  readonly epoch: number;
}

type Begun = Extract<RunEvent, { type: 'step.started' }>;

/** A resumed run does them again, so their beginning says nothing. */
const ALWAYS_AGAIN: ReadonlySet<string> = new Set(['lock', 'unlock']);
/** Epochs beyond the last common one: one for each resume since. A node could tell any number. */
const MOST_RESUMES = 1000;

/**
 * Pure.
 * @param run for the names of its jobs
 * @throws ClusterliftError `journals-differ` when not even the first line is the same
 */
export function mergeCopies(run: string, copies: readonly JournalCopy[]): MergedJournal {
  const read = copies.map(({ node, journal, jobs }) => {
    const { entries, goodBytes } = readableJournal(journal, `the journal on ${node}`);
    const lines = Buffer.from(journal).subarray(0, goodBytes).toString().split('\n').slice(0, -1);
    return { node, jobs, entries, lines };
  });
  const [first, ...others] = read;
  const length = first?.lines.findIndex((text, at) => others.some(({ lines }) => lines[at] !== text)) ?? 0;
  const common = length < 0 ? (first?.lines.length ?? 0) : length;
  const entries = first?.entries.slice(0, common) ?? [];
  if (entries[0]?.type !== 'run.started') throw differ(run, copies);
  const tails = read.map((each) => ({ ...each, tail: each.entries.slice(common) }));
  return {
    text:
      first?.lines
        .slice(0, common)
        .map((each) => `${each}\n`)
        .join('') ?? '',
    entries,
    begun: begunIn(run, entries, tails),
    epoch: epochOf(entries, tails),
  };
}

interface Tail extends Pick<JournalCopy, 'node' | 'jobs'> {
  readonly tail: readonly JournalEntry[];
}

function begunIn(run: string, entries: readonly JournalEntry[], tails: readonly Tail[]): Begun[] {
  const last = new Map<string, number>();
  const seen = ({ node, step, lane, attempt }: StepKey): boolean =>
    (last.get(`${node} ${lane} ${step}`) ?? 0) >= attempt;
  const keep = ({ node, step, lane, attempt }: StepKey): void => void last.set(`${node} ${lane} ${step}`, attempt);
  for (const entry of entries) if (entry.type === 'step.started' && !seen(entry)) keep(entry);
  const begun: Begun[] = [];
  for (const { node, tail } of tails) {
    for (const entry of tail) {
      if (entry.type !== 'step.started' || ALWAYS_AGAIN.has(entry.step) || seen(entry)) continue;
      const own = entry.node === node;
      if (!own && isDenied(run, entry, tails)) continue;
      keep(entry);
      // What was written with an intent is believed of the node that it is about.
      const { step, lane, attempt, data } = entry;
      begun.push({ type: 'step.started', node: entry.node, step, lane, attempt, ...(own && data ? { data } : {}) });
    }
  }
  return begun;
}

/** Does the node itself, when it was asked, know of no such step: neither by its own copy nor by a job? */
function isDenied(run: string, entry: Begun, tails: readonly Tail[]): boolean {
  const own = tails.find(({ node }) => node === entry.node);
  // A reboot that began is of no use without the boot id from before it, which only the node's own copy may tell.
  if (!own) return entry.step === 'reboot';
  const id = jobId(run, entry.node, entry.step, entry.lane, entry.attempt);
  const isSame = (each: JournalEntry): boolean =>
    each.type === 'step.started' &&
    each.node === entry.node &&
    each.step === entry.step &&
    each.lane === entry.lane &&
    each.attempt === entry.attempt;
  if (own.tail.some(isSame)) return true;
  return entry.step === 'reboot' || !own.jobs.some((job) => job === id || job.startsWith(`${id}-`));
}

function epochOf(entries: readonly JournalEntry[], tails: readonly Tail[]): number {
  const known = Math.max(0, ...entries.map(epochIn));
  const told = tails.flatMap(({ tail }) => tail.map(epochIn));
  return Math.max(known, ...told.filter((epoch) => epoch <= known + MOST_RESUMES));
}

function epochIn(entry: JournalEntry): number {
  const told =
    entry.type === 'run.started' || entry.type === 'run.resumed' || entry.type === 'run.adopted' ? entry.epoch : 0;
  return Number.isSafeInteger(told) ? told : 0;
}

function differ(run: string, copies: readonly JournalCopy[]): ClusterliftError {
  return new ClusterliftError({
    code: 'journals-differ',
    message: `The journals of run ${run} on ${copies.map(({ node }) => node).join(', ')} do not begin alike: at least one was changed`,
    hint: `Look at runs/${run}/journal.jsonl in the state directory of each node. Go on from the machine that started the run.`,
    exit: ExitStatus.refused,
  });
}
