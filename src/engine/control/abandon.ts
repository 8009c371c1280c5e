import type { Runs } from '../journal/runs';

/** Closes a run that nobody works on: it is never gone on with, and what it kept may be pruned. */
export async function abandonRun(runs: Runs, run: string, reason: string, by: string): Promise<void> {
  const owned = await runs.take(run);
  try {
    await owned.journal.append({ type: 'run.abandoned', reason, by });
  } finally {
    await owned.release();
  }
}
