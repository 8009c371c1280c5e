import { ClusterliftError } from '../../base/errors';
import type { NodeFacts } from '../../cluster/facts';
import type { Cluster, NodeModel } from '../../cluster/model';
import { manifestOf, type Manifest } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import { runScripts, type QuickResult } from '../../ssh/exec/quick-script';
import { membersOf, scriptEnvironment } from '../steps/environment';
import { installedVersion, parseRecord, type InstallRecord } from '../node/record';
import { parseVersionOutput } from '../steps/version';

/** Milliseconds that one answer about the health may take. */
const HEALTH_TIMEOUT = 60_000;

/** What the last upgrade left on a node, and what its scripts say now. */
export interface AskedInstalled {
  readonly record: InstallRecord;
  /** What its version script prints; without that, what the record names. Undefined: not installed. */
  readonly version: string | undefined;
  /** `record`: there is no script to ask. `failed`: the script did not give one, so `version` is the record's. */
  readonly versionFrom: 'script' | 'record' | 'failed';
  /** The script printed something else than a version. */
  readonly versionError: ClusterliftError | undefined;
  /** Undefined: there is no health script to ask. */
  readonly health: QuickResult | undefined;
}

export interface AskInstalled {
  readonly cluster: Pick<Cluster, 'name' | 'primary' | 'nodes'>;
  readonly node: NodeModel;
  readonly facts: NodeFacts;
  /** The product that is meant; without it, or where it is not installed: the one that was upgraded last. */
  readonly product?: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Asks a node with the scripts that the last upgrade left there: nothing new runs.
 * @returns undefined: nothing was installed by an upgrade
 * @throws ClusterliftError of `runScripts`
 */
export async function askInstalled(
  connection: NodeConnection,
  request: AskInstalled,
): Promise<AskedInstalled | undefined> {
  const { cluster, node, facts, product, signal } = request;
  const installed = installedProduct(facts, product);
  if (!installed) return undefined;
  const { record, manifest, files } = installed;
  const known = installedVersion(record);
  const base = { record, version: known, versionFrom: 'record', versionError: undefined, health: undefined } as const;
  if (!manifest || files === undefined) return base;
  const { scripts, timeouts } = manifest;
  const env = scriptEnvironment({
    action: 'status',
    cluster: cluster.name,
    run: '',
    primary: cluster.primary,
    node,
    members: membersOf(cluster),
    directory: files,
    from: known,
    to: known,
  });
  const asked = [
    { name: 'version', path: scripts.version, timeoutMs: timeouts.version },
    ...(scripts.health === undefined ? [] : [{ name: 'health', path: scripts.health, timeoutMs: HEALTH_TIMEOUT }]),
  ];
  const [version, health] = await runScripts(connection, { from: { dir: files }, scripts: asked, env, signal });
  if (version?.rc !== 0) return { ...base, versionFrom: 'failed', health };
  try {
    return { ...base, version: parseVersionOutput(version.stdout, node.name), versionFrom: 'script', health };
  } catch (error) {
    if (!(error instanceof ClusterliftError)) throw error;
    return { ...base, versionFrom: 'failed', versionError: error, health };
  }
}

interface InstalledProduct {
  readonly record: InstallRecord;
  readonly manifest: Manifest | undefined;
  readonly files: string | undefined;
}

/** The named product, else the one that was upgraded last, with what the node keeps of it. */
function installedProduct(facts: NodeFacts, product: string | undefined): InstalledProduct | undefined {
  const all = facts.products
    .flatMap(({ record: text, manifest, files }) => {
      const record = text === undefined ? undefined : parseRecord(text);
      return record ? [{ record, manifest: readManifest(manifest), files }] : [];
    })
    .sort((a, b) => b.record.time - a.record.time);
  return all.find(({ record }) => record.product === product) ?? all[0];
}

/** A node may hold anything: what cannot be read is not asked. */
function readManifest(text: string | undefined): Manifest | undefined {
  try {
    return text === undefined ? undefined : manifestOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}
