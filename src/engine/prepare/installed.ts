import { manifestOf } from '../../package/manifest';
import type { NodeConnection } from '../../ssh/connection';
import { runScripts, type ShortFile } from '../../ssh/short';
import { readInstalled } from '../node/installed';
import { installedVersion, parseRecord } from '../node/record';
import type { RunPackage } from '../runpackage';
import { parseVersionOutput, versionScriptFailed } from '../version';
import type { NodeProbe } from './check-input';

/**
 * What a node keeps of the last upgrade, as a package: for what is done without an image.
 * @returns undefined: nothing is kept there
 */
export function installedPackage(
  probe: NodeProbe | undefined,
  connection: () => NodeConnection,
  signal?: AbortSignal,
): RunPackage | undefined {
  const kept = (probe?.facts?.products ?? []).flatMap(({ product, record: text, manifest, files }) => {
    const record = text === undefined ? undefined : parseRecord(text);
    return record && manifest !== undefined && files !== undefined ? [{ product, record, manifest, files }] : [];
  });
  const last = kept.sort((a, b) => b.record.time - a.record.time)[0];
  if (!last) return undefined;
  const manifestValue: unknown = JSON.parse(last.manifest);
  const manifest = manifestOf(manifestValue);
  let read: Promise<ShortFile[]> | undefined;
  const files = (): Promise<ShortFile[]> => (read ??= readInstalled(connection(), last.files, signal));
  return {
    product: last.product,
    version: installedVersion(last.record) ?? manifest.version,
    sha256: last.record.sha256,
    place: 'installed',
    size: 0,
    manifest,
    manifestValue,
    onNode: undefined,
    scriptPaths: async () => (await files()).map(({ path }) => path),
    scriptFiles: files,
    open: () => Promise.reject(new Error('What is installed is no image')),
  };
}

/** The same probes with the version that each node itself reports; a script that fails is a finding of that node. */
export async function withVersion(
  probe: NodeProbe,
  pkg: RunPackage,
  connection: NodeConnection,
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<NodeProbe> {
  const files = probe.facts?.products.find((each) => each.product === pkg.product)?.files;
  if (files === undefined) return probe;
  const { scripts, timeouts } = pkg.manifest;
  const [result] = await runScripts(connection, {
    from: { dir: files },
    scripts: [{ name: 'version', path: scripts.version, timeoutMs: timeouts.version }],
    env,
    ...(signal && { signal }),
  });
  if (result?.rc === 0) return { ...probe, version: parseVersionOutput(result.stdout, probe.model.name) };
  return result ? { ...probe, versionError: versionScriptFailed(result, probe.model.name) } : probe;
}
