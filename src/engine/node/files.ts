import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import writing from '../../ssh/exec/write-file.sh';
import starting from '../../ssh/exec/lib-script.sh';
import { ask } from './ask';
import { fileLine, type ScriptFile } from '../../ssh/exec/quick-script';
import text from './files.sh';

/** Lays files beside the run on a node (`runs/<run>/files`), whole or not at all; may be repeated. @throws ClusterliftError `fenced` */
export async function layRunFiles(
  connection: NodeConnection,
  stateDir: string,
  fence: Fence,
  files: readonly ScriptFile[],
): Promise<void> {
  const spec = Buffer.from(files.map((file) => `${fileLine(file)}\n`).join(''));
  const stdin = Buffer.concat([spec, ...files.map((file) => file.content)]);
  await ask(connection, {
    text: `${starting}\n${writing}\n${text}`,
    args: [stateDir, fence.run, epochArgument(fence), String(spec.length), String(stdin.length)],
    stdin,
  });
}
