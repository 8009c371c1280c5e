import { checkEnd } from '../../backup/points/task';
import { quote } from '../../base/shell';
import type { RunContext } from '../control/context';
import { directoryOf } from './environment';
import { taskRunner, type TaskStep } from './jobstep';
import type { RunPackage } from '../control/runpackage';

/** A script of the package as a complete command; without the executable bit it is given to `sh`. Nothing: there is none. */
export function scriptCommand(ctx: RunContext, pkg: RunPackage, node: string, script: 'stop' | 'start'): string {
  const path = pkg.manifest.scripts[script];
  if (path === undefined) return '';
  const file = quote(`./${path}`);
  return `cd ${quote(directoryOf(ctx, pkg, node))} && if [ -x ${file} ]; then exec ${file}; else exec sh ${file}; fi`;
}

/**
 * Runs `stop` or `start` within the attempt of another step. The attempt before died with its node: nobody knows whether
 * the application came up with it, and both scripts bear repetition.
 */
export async function runAgain(
  ctx: RunContext,
  pkg: RunPackage,
  script: 'stop' | 'start',
  step: TaskStep,
): Promise<void> {
  const command = scriptCommand(ctx, pkg, step.node, script);
  if (command === '') return;
  const run = taskRunner(ctx, { ...step, suffix: `-${script}` });
  checkEnd(step.node, await run({ text: 'exec sh -c "$1"\n', args: [command], secrets: {} }));
}
