import type { Command } from '../../command/command';
import { formatRun } from '../../command/format';
import type { RunRecord } from '../../engine/journal/runs';

/** A run that is on with the same command line for the same clusters.json: it is followed, not started a second time. */
export function openRun(
  records: readonly Pick<RunRecord, 'run' | 'state' | 'plan'>[],
  command: Command,
  configFile: string,
): string | undefined {
  const wanted = withoutAnswers(formatRun(command));
  const same = ({ state, plan }: Pick<RunRecord, 'state' | 'plan'>): boolean =>
    state === 'live' && plan.configFile === configFile && withoutAnswers(plan.command) === wanted;
  return records.find(same)?.run;
}

function withoutAnswers(command: string): string {
  return command.replace(/ --yes\b| --confirm \S+/g, '');
}
