import { join, resolve } from 'node:path';
import { inTurns, measure } from './measure';
import { type Figure, seconds, times } from './report';

export const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../dist/cli.js');
const ROUNDS = 20;
/** Milliseconds, from the issue that asked for it. */
const GOAL = 150;

/** Time until the command line has said something, against Node doing nothing. */
export async function start(): Promise<Figure[]> {
  const run = async (...args: string[]): Promise<number> => (await measure(process.execPath, args)).ms;
  const took = await inTurns(ROUNDS, {
    empty: () => run('-e', '0'),
    help: () => run(CLI, '--help'),
    subcommand: () => run(CLI, 'upgrade', '--help'),
  });
  const { empty = 0 } = took;
  return (['help', 'subcommand'] as const).map((name) => {
    const ours = took[name] ?? 0;
    return {
      what: `start: ${join('clusterlift', name === 'help' ? '' : 'upgrade')
        .replace(/[\\/]$/, '')
        .replace(/[\\/]/, ' ')} --help`,
      ours: seconds(ours),
      peer: `node -e 0: ${seconds(empty)}`,
      ratio: times(ours, empty),
      goal: { text: `under ${seconds(GOAL)}`, met: ours < GOAL },
    };
  });
}
