import { ExitStatus } from '../../base/errors';
import { blocksOf } from '../../engine/prepare/checks';
import { prepareProvision } from '../../engine/prepare/provision';
import { startRun } from '../../engine/run';
import type { Mode } from '../../cluster/model';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { formatRun } from '../format';
import { resolveUpgrade } from '../resolve';
import { openSite } from '../site';
import { runHost } from './host';
import { planOptions, refusal, refused } from './upgrade';

/** `provision [serial|fast]`: the cluster's provision script on the primary, then health of all nodes. */
export async function provision(ctx: CommandContext, mode: Mode | undefined, options: Options): Promise<ExitStatus> {
  ctx.face.expectRun();
  const site = await openSite(ctx, options);
  try {
    const { cluster, nodes } = site;
    const words = mode === undefined ? {} : { mode };
    const resolved = resolveUpgrade(
      { kind: 'upgrade', backup: 'none', ...words, options: { ...options, onFailure: 'stop' } },
      cluster,
      site.file,
    );
    const { plan, package: pkg } = await prepareProvision({
      cluster,
      nodes,
      options: planOptions(resolved, cluster.upgrade.healthStable),
      overrides: options.override ?? [],
      command: formatRun({ kind: 'provision', ...words, options }),
      signal: AbortSignal.any([ctx.stop, ctx.detach]),
      connect: (node) => site.connect(node),
    });
    const blocks = blocksOf(plan.checks);
    if (options.dryRun) {
      ctx.face.plan(plan);
      return blocks.length > 0 ? refusal(blocks) : ExitStatus.ok;
    }
    ctx.face.report(plan.checks);
    if (blocks.length > 0) throw refused(blocks, cluster.name);
    if (cluster.production) {
      await ctx.face.confirm(`${cluster.name} is a production cluster. Provision it?`, cluster.name);
    }
    ctx.face.begin(plan);
    const view = await startRun(
      runHost(ctx, site, () => Promise.resolve(pkg)),
      plan,
    );
    ctx.face.summary(view, ctx.runs.folder(plan.run));
    return view.exit ?? ExitStatus.unknown;
  } finally {
    await site.close();
  }
}
