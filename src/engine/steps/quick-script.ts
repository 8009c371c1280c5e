import { broken } from '../../ssh/exec/script';
import { runScripts, type QuickResult } from '../../ssh/exec/quick-script';
import type { RunContext } from '../control/context';
import { directoryOf, environmentOf, type ScriptAction } from './environment';
import type { RunPackage } from '../control/runpackage';
import { stepOf } from '../journal/view';

export type { QuickResult } from '../../ssh/exec/quick-script';

/**
 * Runs a script that changes nothing (`version`, `health`) on a node: from the unpacked package, or on a node that was
 * passed over from a temporary directory. It is killed when it takes longer than `timeout` milliseconds.
 * @param maxAway milliseconds that the node may be away
 * @throws ClusterliftError `node-unknown` when the node does not answer
 */
export async function runQuickScript(
  ctx: RunContext,
  pkg: RunPackage,
  node: string,
  script: 'version' | 'health',
  action: ScriptAction,
  timeout: number,
  maxAway?: number,
): Promise<QuickResult> {
  const unpacked = pkg.place === 'installed' || stepOf(ctx.nodeView(node), 'unpack')?.state === 'done';
  const dir = directoryOf(ctx, pkg, node);
  const from = unpacked ? { dir } : { files: await pkg.scriptFiles() };
  const path = pkg.manifest.scripts[script] ?? '';
  return ctx.retryWhileUnreachable(
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
    maxAway,
  );
}
