import { formatDuration } from '../base/units';
import type { RunRecord } from '../engine/journal/runs';
import { tone, type Theme } from './theme';
import { renderTable, type Row } from './table';

/** The table of `runs`, oldest first. */
export function renderRuns(records: readonly RunRecord[], theme: Theme): string[] {
  if (records.length === 0) return ['No runs yet.'];
  const columns = [
    { title: 'run', min: 20, firm: true, of: ({ run }: RunRecord) => tone('strong', run) },
    { title: 'action', of: ({ plan }: RunRecord) => plan.action },
    { title: 'cluster', of: ({ plan }: RunRecord) => plan.cluster },
    { title: 'version', of: ({ plan }: RunRecord) => plan.package?.version ?? '' },
    { title: 'outcome', firm: true, of: (record: RunRecord) => outcomeOf(record) },
    { title: 'duration', of: (record: RunRecord) => tone('dim', tookOf(record)) },
  ];
  return renderTable(
    columns,
    records.map((record): Row => columns.map((column) => column.of(record))),
    theme,
  );
}

function outcomeOf({ state, view, waitingFor }: RunRecord): Row[number] {
  if (waitingFor !== undefined) return tone('warn', 'waiting for your input');
  const word = state === 'finished' || state === 'undecided' ? (view.outcome ?? state) : state;
  const bad = word === 'failed' || word === 'interrupted' || word === 'unknown';
  return tone(word === 'succeeded' ? 'good' : bad ? 'bad' : 'warn', word);
}

function tookOf({ view }: RunRecord): string {
  if (view.startedAt === undefined || view.finishedAt === undefined) return '';
  return formatDuration(Date.parse(view.finishedAt) - Date.parse(view.startedAt));
}
