import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { NodeModel } from '../../cluster/model';
import { type Manifest, manifestOf } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import { readInstalled } from '../node/installed';
import { installedVersion, parseRecord } from '../node/record';
import type { PlanInstalled } from '../journal/plan';
import { recordedDigest, scriptsOfEach, type Scripts } from '../control/runpackage';
import type { NodeProbe } from './check-input';

/**
 * The scripts that a node keeps of the last upgrade (of a product): for what is done without an image, on that node only.
 * @returns undefined: nothing is kept there
 * @throws ClusterliftError `installed-invalid`
 */
export function installedScripts(
  probe: NodeProbe | undefined,
  connection: () => NodeConnection,
  options: { readonly signal?: AbortSignal; readonly product?: string } = {},
): Scripts | undefined {
  const { signal, product: wanted } = options;
  const kept = (probe?.facts?.products ?? []).flatMap(({ product, record: text, manifest, files }) => {
    const record = text === undefined ? undefined : parseRecord(text);
    if (wanted !== undefined && product !== wanted) return [];
    return record && manifest !== undefined && files !== undefined ? [{ product, record, manifest, files }] : [];
  });
  const last = kept.sort((a, b) => b.record.time - a.record.time)[0];
  if (!probe || !last) return undefined;
  const { manifest, value: manifestValue } = keptManifest(last, probe.model.name);
  let read: Promise<ScriptFile[]> | undefined;
  const files = (): Promise<ScriptFile[]> =>
    (read ??= readInstalled(connection(), last.files, signal).catch((error: unknown) => {
      read = undefined;
      throw error;
    }));
  return {
    product: last.product,
    version: installedVersion(last.record) ?? manifest.version,
    sha256: last.record.sha256,
    place: 'installed',
    manifest,
    manifestValue,
    scriptPaths: async () => (await files()).map(({ path }) => path),
    scriptFiles: files,
  };
}

/**
 * The manifest that a node keeps.
 * @throws ClusterliftError `installed-invalid`, about that node
 */
function keptManifest(
  { product, manifest: text }: { readonly product: string; readonly manifest: string },
  node: string,
): { readonly manifest: Manifest; readonly value: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    const manifest = manifestOf(value);
    if (manifest.product !== product) throw new Error(`it is that of ${manifest.product}`);
    return { manifest, value };
  } catch (cause) {
    throw new ClusterliftError({
      code: 'installed-invalid',
      message: `The manifest of ${product} that ${node} keeps cannot be used: ${messageOf(cause)}`,
      hint: `Upgrade ${node} again, or leave it out with --nodes.`,
      exit: ExitStatus.refused,
      node,
      cause,
    });
  }
}

/** What the nodes keep, each for itself; what one keeps and cannot be used is a finding of that node. `product`: of which. */
export function allInstalledScripts(
  probes: readonly NodeProbe[],
  primary: string,
  connect: (model: NodeModel) => NodeConnection,
  options: { readonly signal?: AbortSignal; readonly product?: (node: string) => string | undefined } = {},
): { readonly scripts: Scripts | undefined; readonly probes: readonly NodeProbe[] } {
  const own = new Map<string, Scripts>();
  const judged = probes.map((probe) => {
    const product = options.product?.(probe.model.name);
    try {
      const scripts = installedScripts(probe, () => connect(probe.model), {
        ...(options.signal && { signal: options.signal }),
        ...(product !== undefined && { product }),
      });
      if (scripts) own.set(probe.model.name, scripts);
      return probe;
    } catch (error) {
      if (!(error instanceof ClusterliftError)) throw error;
      return { ...probe, versionError: error };
    }
  });
  return { scripts: scriptsOfEach(own, primary), probes: judged };
}

/** What a plan says of the scripts that a node keeps. */
export function installedOf(scripts: Scripts): PlanInstalled {
  const { product, version, manifestValue: manifest } = scripts;
  return { product, version, sha256: recordedDigest(scripts), manifest };
}
