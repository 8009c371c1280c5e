import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { NodeFacts } from '../../cluster/facts';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import { sameVersion } from '../../package/version';
import type { NodeConnection } from '../../ssh/connection';
import { runScripts, type ScriptFile, type QuickRequest, type QuickResult } from '../../ssh/exec/quick-script';
import { membersOf, scriptEnvironment, type ScriptAction } from '../steps/environment';
import { gatherFacts } from '../node/facts';
import { installedVersion, parseRecord } from '../node/record';
import { parseVersionOutput, versionScriptFailed } from '../steps/version';
import { askInstalled } from './ask-installed';
import type { NodeProbe } from './check-input';
import { findTwins } from './twins';

/** So many nodes are asked at once. */
const AT_ONCE = 20;

/** What the scripts of a package need to be run on nodes that do not have it. */
export interface ProbePackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string;
  readonly manifest: Manifest;
  scriptFiles(): Promise<readonly ScriptFile[]>;
}

export interface ProbeRequest {
  readonly cluster: Cluster;
  readonly nodes: readonly NodeModel[];
  readonly package: ProbePackage | undefined;
  readonly action: ScriptAction;
  readonly commands: readonly string[];
  readonly paths: readonly string[];
  readonly signal: AbortSignal;
  connect(node: NodeModel): NodeConnection;
}

/**
 * Asks all nodes at once: facts, then the package's version and check from a temporary directory that is removed at once.
 * A node that cannot be asked is a finding, not an error.
 */
export async function probeNodes(request: ProbeRequest): Promise<NodeProbe[]> {
  const results = await mapLimit(request.nodes, AT_ONCE, (model) => probeNode(request, model));
  request.signal.throwIfAborted();
  const probes = request.nodes.map((node, index) => {
    const result = results[index];
    return result?.status === 'fulfilled' ? result.value : failed(node, result?.reason);
  });
  return findTwins(probes, request);
}

/** Asks all nodes with the package's own scripts. One whose facts are not known stays as it is. */
export async function askPackage(
  request: ProbeRequest & { readonly package: ProbePackage },
  probes: readonly NodeProbe[],
): Promise<NodeProbe[]> {
  return onEach(request, probes, (probe) => probeScripts(request, request.package, probe));
}

/** Asks all nodes with the scripts that the last upgrade left there; nothing new runs. */
export async function askWhatIsInstalled(request: ProbeRequest, probes: readonly NodeProbe[]): Promise<NodeProbe[]> {
  const { cluster, package: pkg, signal } = request;
  return onEach(request, probes, async (probe, facts) => {
    if (unusable(facts)) return probe;
    const { model: node } = probe;
    const installed = await askInstalled(request.connect(node), {
      cluster,
      node,
      facts,
      product: pkg?.product,
      signal,
    });
    if (!pkg || installed?.record.product !== pkg.product) return { ...probe, installed };
    const { version, health } = installed;
    const atTarget = version !== undefined && sameVersion(version, pkg.version);
    return { ...probe, installed, version, healthy: atTarget ? health === undefined || health.rc === 0 : undefined };
  });
}

async function onEach(
  { signal }: ProbeRequest,
  probes: readonly NodeProbe[],
  work: (probe: NodeProbe, facts: NodeFacts) => Promise<NodeProbe>,
): Promise<NodeProbe[]> {
  const results = await mapLimit(probes, AT_ONCE, async (probe) => (probe.facts ? work(probe, probe.facts) : probe));
  signal.throwIfAborted();
  return probes.map((probe, index) => {
    const result = results[index];
    return result?.status === 'fulfilled' ? result.value : failed(probe.model, result?.reason);
  });
}

async function probeNode(request: ProbeRequest, model: NodeModel): Promise<NodeProbe> {
  const { commands, paths, signal } = request;
  const connection = request.connect(model);
  const facts = await gatherFacts(connection, { stateDir: model.stateDir, commands, paths, signal });
  const { oldAlgorithms = [], hostKey } = connection;
  const base = { ...NOTHING, model, facts, lock: facts.lock, oldAlgorithms, hostKey };
  return request.package ? probeScripts(request, request.package, base) : base;
}

async function probeScripts(request: ProbeRequest, pkg: ProbePackage, known: NodeProbe): Promise<NodeProbe> {
  const { model, facts } = known;
  if (!facts || unusable(facts)) return known;
  const connection = request.connect(model);
  const { check } = pkg.manifest.scripts;
  const scripts = [shortOf(pkg, 'version'), ...(check === undefined ? [] : [shortOf(pkg, 'check')])];
  const env = environment(request, pkg, model, facts);
  const { signal } = request;
  const from = { files: await pkg.scriptFiles() };
  const [versionResult, checkResult] = await runScripts(connection, { from, scripts, env, signal });
  const version = versionResult ? versionOf(versionResult, model.name) : {};
  const probe: NodeProbe = { ...known, version: undefined, healthy: undefined, check: checkResult, ...version };
  if (probe.version === undefined || !sameVersion(probe.version, pkg.version)) return probe;
  // The same bytes have just been asked where they lie installed.
  if (known.installed?.record.sha256 === pkg.sha256 && known.healthy !== undefined)
    return { ...probe, healthy: known.healthy };
  return { ...probe, healthy: await isHealthy(connection, pkg, { from, env, signal }) };
}

function versionOf(result: QuickResult, node: string): Pick<NodeProbe, 'version' | 'versionError'> {
  try {
    if (result.rc !== 0) throw versionScriptFailed(result, node);
    return { version: parseVersionOutput(result.stdout, node), versionError: undefined };
  } catch (error) {
    if (!(error instanceof ClusterliftError)) throw error;
    return { version: undefined, versionError: error };
  }
}

async function isHealthy(
  connection: NodeConnection,
  pkg: ProbePackage,
  how: Pick<QuickRequest, 'from' | 'env' | 'signal'>,
): Promise<boolean> {
  if (pkg.manifest.scripts.health === undefined) return true;
  const [result] = await runScripts(connection, { ...how, scripts: [shortOf(pkg, 'health')] });
  return result?.rc === 0;
}

function shortOf(
  pkg: ProbePackage,
  name: 'version' | 'check' | 'health',
): { name: string; path: string; timeoutMs: number } {
  return { name, path: pkg.manifest.scripts[name] ?? '', timeoutMs: pkg.manifest.timeouts[name] };
}

function environment(
  request: ProbeRequest,
  pkg: ProbePackage,
  model: NodeModel,
  facts: NodeFacts,
): Record<string, string> {
  return scriptEnvironment({
    action: request.action,
    cluster: request.cluster.name,
    run: '',
    primary: request.cluster.primary,
    node: model,
    members: membersOf(request.cluster),
    directory: '',
    from: recordedVersion(facts, pkg.product),
    to: pkg.version,
  });
}

/** The version that the node's own record names. */
function recordedVersion(facts: NodeFacts, product: string): string | undefined {
  const text = facts.products.find((each) => each.product === product)?.record;
  const record = text === undefined ? undefined : parseRecord(text);
  return record && installedVersion(record);
}

/** Where nothing can be run, nothing is tried: the finding is in the facts. */
function unusable({ state }: NodeFacts): boolean {
  return state.foreign;
}

const NOTHING = {
  error: undefined,
  facts: undefined,
  lock: undefined,
  version: undefined,
  versionError: undefined,
  check: undefined,
  healthy: undefined,
  installed: undefined,
} as const;

function failed(model: NodeModel, reason: unknown): NodeProbe {
  if (reason instanceof ClusterliftError) return { ...NOTHING, model, error: reason };
  const error = new ClusterliftError({
    code: 'node-not-asked',
    message: `${model.name} could not be asked: ${messageOf(reason)}`,
    hint: 'This is a fault of Clusterlift: please report it.',
    exit: ExitStatus.refused,
    node: model.name,
    cause: reason,
  });
  return { ...NOTHING, model, error };
}
