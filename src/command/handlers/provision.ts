import type { ExitStatus } from '../../base/errors';
import { prepareProvision } from '../../engine/prepare/provision';
import type { Mode } from '../../cluster/model';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { formatRun } from '../format';
import { resolveUpgrade } from '../resolve';
import { withSite } from '../site';
import { askAndExecute } from './execute';
import { planOptions } from './upgrade';

/** `provision [serial|fast]`: the cluster's provision script on the primary, then health of all nodes. */
export async function provision(ctx: CommandContext, mode: Mode | undefined, options: Options): Promise<ExitStatus> {
  ctx.ui.expectRun();
  return withSite(ctx, options, async (site) => {
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
      options: planOptions(resolved, cluster.upgrade),
      overrides: options.override ?? [],
      command: formatRun({ kind: 'provision', ...words, options }),
      signal: ctx.signal,
      connect: (node) => site.connect(node),
    });
    const question = cluster.production
      ? `${cluster.name} is a production cluster. Provision it?`
      : `Provision ${cluster.name}?`;
    return await askAndExecute(ctx, site, { plan, pkg, options, question, always: false });
  });
}
