import type { RunContext } from '../control/context';
import { directoryOf } from './environment';
import { recordOf } from './jobstep';
import { fenceOf } from '../control/locks';
import { finishRecord } from '../node/record';
import { recordedDigest, type RunPackage } from '../control/runpackage';

/** From now on the node answers for what it has by itself: status, provision and backup need no package. May be repeated. */
export async function keepInstalled(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  const { stateDir } = ctx.node(node);
  const { product, manifestValue: manifest } = pkg;
  const files = await pkg.scriptPaths();
  const directory = directoryOf(ctx, pkg, node);
  const record = recordOf(ctx, pkg, ctx.node(node)).json;
  await ctx.retryWhileUnreachable(node, (connection) =>
    finishRecord(connection, {
      stateDir,
      fence: fenceOf(ctx, node),
      product,
      sha256: recordedDigest(pkg),
      manifest,
      files,
      directory,
      record,
    }),
  );
}
