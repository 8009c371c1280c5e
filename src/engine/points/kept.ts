import type { NodeConnection } from '../../ssh/connection';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import { manifestOf } from '../../package/manifest';
import { readInstalled } from '../node/installed';
import type { PlanInstalled, PlanNode } from '../journal/plan';
import type { RunPackage } from '../control/runpackage';

/**
 * What a node keeps of its last upgrade, as the plan of a run names it. Its files are read from that node, and run there only.
 * @param node where it lies; undefined: nowhere, and `missing` is thrown
 */
export function keptPackage(
  { product, version, sha256, manifest: manifestValue }: PlanInstalled,
  node: Pick<PlanNode, 'stateDir'> | undefined,
  options: { connect(): NodeConnection; missing(): Error; readonly signal: AbortSignal },
): RunPackage {
  const files = async (): Promise<ScriptFile[]> => {
    if (!node) throw options.missing();
    return readInstalled(options.connect(), `${node.stateDir}/installed/${product}/files`, options.signal);
  };
  return {
    product,
    version,
    sha256,
    size: 0,
    place: 'installed',
    manifest: manifestOf(manifestValue),
    manifestValue,
    onNode: undefined,
    scriptPaths: async () => (await files()).map(({ path }) => path),
    scriptFiles: files,
    open: () => Promise.reject(options.missing()),
  };
}
