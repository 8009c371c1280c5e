import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import laying from '../../ssh/exec/lay.sh';
import starting from '../../ssh/exec/lib-script.sh';
import { ask } from '../../ssh/exec/script';
import { fileLine, type ShortFile } from '../../ssh/exec/short';
import text from './files.sh';

/** Lays files beside the run on a node (`runs/<run>/files`), whole or not at all; may be repeated. @throws ClusterliftError `fenced` */
export async function layRunFiles(
  connection: NodeConnection,
  stateDir: string,
  fence: Fence,
  files: readonly ShortFile[],
): Promise<void> {
  const spec = Buffer.from(files.map((file) => `${fileLine(file)}\n`).join(''));
  const stdin = Buffer.concat([spec, ...files.map((file) => file.content)]);
  await ask(connection, {
    text: `${starting}\n${laying}\n${text}`,
    args: [stateDir, fence.run, epochArgument(fence), String(spec.length), String(stdin.length)],
    stdin,
  });
}
