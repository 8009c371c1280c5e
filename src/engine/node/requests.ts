import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import { ask } from './ask';
import text from './requests.sh';

/** What a script may ask for that is kept on its node until somebody fulfilled it, across runs. */
export type RequestKind = 'provision' | 'reboot';

/** Keeps a request as a script would make it, so that it outlives whatever happens to the run. @throws ClusterliftError `fenced` */
export async function keepRequest(
  connection: NodeConnection,
  stateDir: string | undefined,
  fence: Fence,
  kind: RequestKind,
): Promise<void> {
  const json = JSON.stringify({ run: fence.run, node: connection.node });
  await ask(connection, { text, args: [stateDir ?? '', fence.run, epochArgument(fence), kind, json] });
}

/** Forgets a request that was fulfilled; there need not be one. @throws ClusterliftError `fenced` */
export async function clearRequest(
  connection: NodeConnection,
  stateDir: string | undefined,
  fence: Fence,
  kind: RequestKind,
): Promise<void> {
  await ask(connection, { text, args: [stateDir ?? '', fence.run, epochArgument(fence), kind] });
}
