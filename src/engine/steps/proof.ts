import { ClusterliftError } from '../../base/errors';
import { sameVersion } from '../../package/version';
import type { RunContext } from '../control/context';
import { gatherFacts } from '../node/facts';
import { parseRecord } from '../node/record';
import type { RunPackage } from '../control/runpackage';
import { runQuickScript } from './quick-script';
import { readVersion } from './version';

/**
 * Did an upgrade whose job was cut off come to its end after all? Only if all three say so: the record that the job itself
 * wrote after the script, the version, and health (docs/guarantees.md, "the node restarts"). Anything else is for a person to decide.
 */
export async function upgradeIsProven(ctx: RunContext, pkg: RunPackage, node: string): Promise<boolean> {
  try {
    const { stateDir } = ctx.node(node);
    const facts = await ctx.retryWhileUnreachable(node, (connection) =>
      gatherFacts(connection, { stateDir, signal: ctx.signal }),
    );
    const text = facts.products.find((each) => each.product === pkg.product)?.record;
    const record = text === undefined ? undefined : parseRecord(text);
    if (record?.run !== ctx.plan.run || (record.state !== 'script-ok' && record.state !== 'done')) return false;
    const version = await readVersion(ctx, pkg, node);
    if (version === undefined || !sameVersion(version, pkg.version)) return false;
    if (pkg.manifest.scripts.health === undefined) return true;
    return (await runQuickScript(ctx, pkg, node, 'health', 'upgrade', pkg.manifest.timeouts.health)).rc === 0;
  } catch (error) {
    if (error instanceof ClusterliftError) return false;
    throw error;
  }
}
