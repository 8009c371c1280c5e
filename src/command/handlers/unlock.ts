import { ClusterliftError, ExitStatus } from '../../base/errors';
import { breakLock, lockedBy, showLock } from '../../engine/node/lock';
import { plural } from '../../terminal/report';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { withSite } from '../site';

/** `unlock --reason TEXT`: frees the locks of a holder that is gone, after showing whose they are. */
export async function unlock(ctx: CommandContext, options: Options & { readonly reason: string }): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    const held = await Promise.all(
      site.nodes.map(async (node) => ({ node, lock: await showLock(site.connect(node), node.stateDir) })),
    );
    const locked = held.flatMap(({ node, lock }) => (lock ? [{ node, lock }] : []));
    if (locked.length === 0) {
      ctx.ui.say(`No node of ${site.cluster.name} is locked.`);
      return ExitStatus.ok;
    }
    for (const { node, lock } of locked) {
      const jobs = lock.jobsAlive.length > 0 ? `; jobs still running: ${lock.jobsAlive.join(', ')}` : '';
      ctx.ui.say(`${lockedBy(node.name, lock.owner)}${jobs}`);
      if (lock.jobsAlive.length > 0) throw jobsAlive(node.name, lock.jobsAlive);
    }
    await ctx.ui.confirm(
      `Release ${plural(locked.length, 'lock', 'locks')} of ${site.cluster.name}? If a run is still working there, its nodes will refuse it.`,
      site.cluster.production ? site.cluster.name : undefined,
    );
    for (const { node, lock } of locked)
      await breakLock(site.connect(node), node.stateDir, lock, { reason: options.reason, by: ctx.by });
    ctx.ui.list(
      locked.map(({ node, lock }) => ({ node: node.name, run: lock.owner.run, freed: true, reason: options.reason })),
      () => [`Released: ${locked.map(({ node }) => node.name).join(', ')}.`],
    );
    return ExitStatus.ok;
  });
}

function jobsAlive(node: string, jobs: readonly string[]): ClusterliftError {
  return new ClusterliftError({
    code: 'lock-jobs-alive',
    message: `Work of the run still goes on on ${node}: ${jobs.join(', ')}`,
    hint: 'Wait until it has ended, or go on with the run by `clusterlift resume`.',
    exit: ExitStatus.locked,
    node,
  });
}
