import { wallClock } from '../../../base/clock';
import { ClusterliftError, ExitStatus } from '../../../base/errors';
import { line } from '../../../base/text';
import { cleanLocation } from '../../../backup/clean';
import { findLocation } from '../../../backup/points/location';
import { POINT_ID } from '../../../backup/points/point';
import type { PointsInUse } from '../../../backup/points/retention';
import { isRunName } from '../../../engine/node/lock';
import { type PointUse, pointsUsed } from '../../../engine/node/mirror';
import { isResumable } from '../../../engine/journal/view';
import type { Options } from '../../command';
import type { CommandContext } from '../../context';
import { withSite, stateless, type Site } from '../../site';
import { renderClean } from '../../../terminal/backup';

/** `backup clean <location> keep <n>`: for this cluster. What is in use is asked again after the confirmation. */
export async function cleanPoints(
  ctx: CommandContext,
  name: string,
  keep: number,
  options: Options,
): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    const { cluster } = site;
    const { signal } = ctx;
    const store = site.openStore(findLocation(name, site.file.locations));
    const nodes = stateless(site, cluster.nodes);
    const inUse = (): Promise<PointsInUse> => pointsInUse(ctx, site, signal);
    const what = { cluster: cluster.name, keep, inUse, now: new Date(wallClock()), signal };
    const dryRun = options.dryRun ?? false;
    let plan = await cleanLocation(store, nodes, { ...what, dryRun: true });
    if (plan.remove.length > 0 && !dryRun) {
      if (cluster.production) {
        const count = String(plan.remove.length);
        await ctx.ui.confirm(`Remove ${count} restore points of ${cluster.name} from ${name}?`, cluster.name);
      }
      const only = new Set(plan.remove.map(({ id }) => id));
      plan = await cleanLocation(store, nodes, { ...what, dryRun: false, only });
    }
    const rows = [
      ...plan.remove.map(({ id }) => ({ id, removed: !dryRun, why: undefined })),
      ...plan.keep.map(({ point, why }) => ({ id: point.id, removed: false, why })),
    ];
    ctx.ui.list(rows, (theme) => renderClean(plan, { dryRun, location: name }, theme));
    return ExitStatus.ok;
  });
}

/**
 * The runs that are not over, as far as this machine and every node know, and the points that they name.
 * @throws ClusterliftError `clean-locked` when a node is locked by a run that neither it nor this machine can show
 */
async function pointsInUse(ctx: CommandContext, site: Site, signal: AbortSignal): Promise<PointsInUse> {
  const runs = await ctx.runs.list();
  const here = runs.filter(({ view }) => isResumable(view));
  // A copy on a node may have missed that its run ended, or was abandoned.
  const over = new Set(runs.filter(({ view }) => !isResumable(view)).map(({ run }) => run));
  const there = await Promise.all(
    site.cluster.nodes.map(async (node) => {
      const use = await pointsUsed(site.connect(node), node.stateDir, signal);
      demandReadable(
        node.name,
        use,
        runs.map(({ run }) => run),
      );
      return use.runs.filter(({ run }) => !over.has(run));
    }),
  );
  const open = there.flat();
  return {
    used: new Set([
      ...here.flatMap(({ plan, view }) => pointsIn({ plan, view })),
      ...open.flatMap(({ points }) => points),
    ]),
    runs: new Set([...here, ...open].map(({ run }) => run)),
  };
}

/** Every restore point that a run of this machine names, in its plan or its journal. */
function pointsIn(record: unknown): string[] {
  const found: string[] = [];
  JSON.stringify(record, (_, value: unknown) => {
    if (typeof value === 'string' && POINT_ID.test(value)) found.push(value);
    return value;
  });
  return found;
}

/** The holder of a lock may be using any point, unless its plan says which. */
function demandReadable(node: string, { held, runs }: PointUse, here: readonly string[]): void {
  if (held === undefined || here.includes(held) || runs.some(({ run, whole }) => run === held && whole)) return;
  const run = isRunName(held) ? held : line(held, 80);
  throw new ClusterliftError({
    code: 'clean-locked',
    message: `${node} is locked by run ${run}, and its plan is not there to read: it may use any restore point. Nothing was removed`,
    hint: 'Wait until that run has ended, then clean again. If the run is gone, free the lock with `clusterlift unlock`.',
    exit: ExitStatus.locked,
    node,
  });
}
