import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the output of a node lies in the folder of a run; as the engine names it. */
export function nodeLogPath(folder: string, node: string): string {
  return join(folder, `${node.replace(/[^\w.-]/g, '_')}.log`);
}

/** The last text of a node's log; the rest of it is never in memory. @param most bytes */
export async function nodeLog(folder: string, node: string, most: number): Promise<string> {
  try {
    await using file = await open(nodeLogPath(folder, node), 'r');
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, most));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, bytesRead);
  } catch {
    // It has said nothing yet.
    return '';
  }
}
