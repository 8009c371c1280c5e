import { broken } from '../../ssh/exec/script';
import { runScripts, type ShortResult } from '../../ssh/exec/short';
import type { RunContext } from '../control/context';
import { directoryOf, environmentOf, type ScriptAction } from './environment';
import type { RunPackage } from '../control/runpackage';
import { stepOf } from '../journal/view';

export type { ShortResult } from '../../ssh/exec/short';

/**
 * Runs a script that changes nothing (`version`, `health`) on a node: from the unpacked package, or on a node that was
 * passed over from a temporary directory. It is killed when it takes longer than `timeout` milliseconds.
 * @param patience milliseconds that the node may be away
 * @throws ClusterliftError `node-unknown` when the node does not answer
 */
export async function runShort(
  ctx: RunContext,
  pkg: RunPackage,
  node: string,
  script: 'version' | 'health',
  action: ScriptAction,
  timeout: number,
  patience?: number,
): Promise<ShortResult> {
  const unpacked = pkg.place === 'installed' || stepOf(ctx.nodeView(node), 'unpack')?.state === 'done';
  const dir = directoryOf(ctx, pkg, node);
  const from = unpacked ? { dir } : { files: await pkg.scriptFiles() };
  const path = pkg.manifest.scripts[script] ?? '';
  return ctx.insist(
    node,
    async (connection) => {
      const [result] = await runScripts(connection, {
        from,
        scripts: [{ name: script, path, timeoutMs: timeout }],
        env: environmentOf(ctx, node, action, dir),
        signal: ctx.signal,
      });
      if (!result) throw broken(node, 'the result of a script is missing');
      return result;
    },
    patience,
  );
}
