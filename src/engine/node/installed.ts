import type { NodeConnection } from '../../ssh/connection';
import { ask } from './ask';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import text from './installed.sh';

/** Bytes of a file, and of all, that are read back: as much as was kept of the package. */
const MOST_FILE = 256 * 1024;
const MOST_ALL = 2 * 1024 * 1024;

/** Reads the scripts that the last upgrade left in a directory on a node. */
export async function readInstalled(
  connection: NodeConnection,
  directory: string,
  signal?: AbortSignal,
): Promise<ScriptFile[]> {
  const entries = await ask(connection, {
    text,
    args: [directory, String(MOST_FILE), String(MOST_ALL)],
    maxOutput: 2 * MOST_ALL,
    ...(signal && { signal }),
  });
  const files: ScriptFile[] = [];
  let path = '';
  for (const { key, value } of entries.list()) {
    if (key === 'path') path = value.toString('utf8');
    else if (key === 'content') files.push({ path, mode: 0o755, content: value });
  }
  return files;
}
