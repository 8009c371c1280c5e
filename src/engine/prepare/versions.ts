import { mapLimit } from '../../base/async';
import { ClusterliftError } from '../../base/errors';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { NodeConnection } from '../../ssh/connection';
import { runScripts } from '../../ssh/exec/quick-script';
import { membersOf, scriptEnvironment, type ScriptAction } from '../steps/environment';
import { installedVersion, parseRecord } from '../node/record';
import type { Scripts } from '../control/runpackage';
import { parseVersionOutput, versionScriptFailed } from '../steps/version';
import type { NodeProbe } from './check-input';

/** So many nodes are asked at once. */
const AT_ONCE = 20;

export interface VersionsRequest {
  readonly cluster: Cluster;
  readonly action: ScriptAction;
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/**
 * The same probes with the version that each node itself reports, by the script that this node keeps of its last upgrade,
 * at the path that its own manifest names. A script that fails is a finding of that node.
 * @param own what a node keeps; undefined: it is not asked
 */
export async function askVersions(
  request: VersionsRequest,
  probes: readonly NodeProbe[],
  own: (node: string) => Scripts | undefined,
): Promise<readonly NodeProbe[]> {
  const results = await mapLimit(probes, AT_ONCE, async (probe) => {
    const pkg = own(probe.model.name);
    return pkg ? withVersion(request, probe, pkg) : probe;
  });
  request.signal.throwIfAborted();
  return results.map((result, index) => {
    if (result.status === 'fulfilled') return result.value;
    const probe = probes[index];
    if (!probe || !(result.reason instanceof ClusterliftError)) throw result.reason;
    return { ...probe, versionError: result.reason };
  });
}

async function withVersion(request: VersionsRequest, probe: NodeProbe, pkg: Scripts): Promise<NodeProbe> {
  const { cluster, action, signal } = request;
  const { model, facts } = probe;
  const files = facts?.products.find((each) => each.product === pkg.product)?.files;
  // A state directory of another user does not speak for the node.
  if (files === undefined || facts?.state.foreign) return probe;
  const { scripts, timeouts } = pkg.manifest;
  const [result] = await runScripts(request.connect(model), {
    from: { dir: files },
    scripts: [{ name: 'version', path: scripts.version, timeoutMs: timeouts.version }],
    env: scriptEnvironment({
      action,
      cluster: cluster.name,
      run: '',
      primary: cluster.primary,
      node: model,
      members: membersOf(cluster),
      directory: '',
      from: undefined,
      to: undefined,
    }),
    signal,
  });
  if (result?.rc === 0) return { ...probe, version: parseVersionOutput(result.stdout, model.name) };
  return result ? { ...probe, versionError: versionScriptFailed(result, model.name) } : probe;
}

/** The version that the node's own record of a product names. */
export function recordedVersion({ facts }: Pick<NodeProbe, 'facts'>, product: string): string | undefined {
  const text = facts?.products.find((each) => each.product === product)?.record;
  const record = text === undefined ? undefined : parseRecord(text);
  return record && installedVersion(record);
}
