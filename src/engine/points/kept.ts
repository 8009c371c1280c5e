import type { NodeConnection } from '../../ssh/connection';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import { manifestOf } from '../../package/manifest';
import { readInstalled } from '../node/installed';
import type { PlanInstalled } from '../journal/plan';
import type { Scripts } from '../control/runpackage';

/** The node that keeps something, and its state directory. */
interface Keeper {
  readonly connection: NodeConnection;
  readonly stateDir: string;
}

/**
 * What a node keeps of its last upgrade, as the plan of a run names it. Its files are read from that node, and run there only.
 * @param keeper where they lie; asked when they are read
 */
export function keptScripts(kept: PlanInstalled, keeper: () => Keeper, signal: AbortSignal): Scripts {
  const { product, version, sha256, manifest: manifestValue } = kept;
  const files = async (): Promise<ScriptFile[]> => {
    const { connection, stateDir } = keeper();
    return readInstalled(connection, `${stateDir}/installed/${product}/files`, signal);
  };
  return {
    product,
    version,
    sha256,
    place: 'installed',
    manifest: manifestOf(manifestValue),
    manifestValue,
    scriptPaths: async () => (await files()).map(({ path }) => path),
    scriptFiles: files,
  };
}
