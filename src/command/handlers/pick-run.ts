import { advice } from '../../base/shell';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RunRecord, Runs } from '../../engine/journal/runs';

/**
 * The run that a command is about: the named one, else the only one that fits.
 * @param verb for the error, such as `resume`
 * @throws ClusterliftError `run-unknown`, `run-none`, `run-ambiguous` (status 2) naming the candidates
 */
export async function pickRun(
  runs: Runs,
  name: string | undefined,
  verb: string,
  fits: (record: RunRecord) => boolean,
): Promise<RunRecord> {
  if (name !== undefined) return runs.read(name);
  const candidates = (await runs.list()).filter(fits);
  const [only] = candidates;
  if (only && candidates.length === 1) return only;
  if (!only) {
    throw new ClusterliftError({
      code: 'run-none',
      message: `There is no run to ${verb}`,
      hint: 'List the runs with `clusterlift runs`.',
      exit: ExitStatus.usage,
    });
  }
  throw new ClusterliftError({
    code: 'run-ambiguous',
    message: `There are ${String(candidates.length)} runs to ${verb}: ${candidates.map((each) => each.run).join(', ')}`,
    hint: advice`Name one: \`clusterlift ${verb} ${candidates.at(-1)?.run ?? ''}\`.`,
    exit: ExitStatus.usage,
  });
}

export function runClosed(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'run-closed',
    message: `Run ${run} has ended; there is nothing to go on with`,
    hint: 'See how it ended with `clusterlift runs`, and start a new upgrade: nodes that are at the target are skipped.',
    exit: ExitStatus.usage,
  });
}
