import type { Plan } from '../../engine/plan';
import type { RunHost } from '../../engine/run';
import type { RunPackage } from '../../engine/runpackage';
import type { CommandContext } from '../context';
import type { Site } from '../site';

/** What the engine needs of a command to work on a run. */
export function runHost(
  ctx: CommandContext,
  site: Pick<Site, 'connect' | 'openStore'>,
  openPackage: (plan: Plan) => Promise<RunPackage>,
): RunHost {
  return {
    runs: ctx.runs,
    connect: (node) => site.connect(node.model),
    openStore: (location) => site.openStore(location),
    asker: ctx.asker,
    sink: ctx.face.sink,
    detach: ctx.detach,
    stop: ctx.stop,
    by: ctx.by,
    openPackage,
    control: (run) => ctx.live.serve(run),
  };
}
