import { planLines, escapeText, type UnpackPlan } from '../../package/unpack-plan';
import type { ExtraFile } from '../../package/recipe';
import type { NodeConnection } from '../../ssh/connection';
import { ask } from '../../ssh/script';
import type { StageTarget } from './stage';
import text from './unpack.sh';

/** Long enough for many small files on a slow disk. Milliseconds. */
const LONG = 3_600_000;

/**
 * Unpacks a staged image into `packages/<sha256>/files`, unless that is there. May be repeated.
 * @throws ClusterliftError `stage-missing`, `unpack-failed`, `fenced`
 */
export async function unpackImage(
  connection: NodeConnection,
  target: StageTarget,
  plan: UnpackPlan,
  extra: readonly ExtraFile[],
): Promise<void> {
  const { stateDir, sha256, fence, signal } = target;
  await ask(connection, {
    text,
    args: [stateDir, sha256, fence.run, String(fence.epoch)],
    stdin: chunks(plan, extra),
    timeout: LONG,
    ...(signal ? { signal } : {}),
  });
}

/** The lines of unpack.sh, some kilobytes at a time. */
async function* chunks(plan: UnpackPlan, extra: readonly ExtraFile[]): AsyncGenerator<Uint8Array> {
  let block = '';
  let count = extra.length;
  for (const line of planLines(plan)) {
    block += line;
    count++;
    if (block.length < 65_536) continue;
    yield Buffer.from(block);
    block = '';
    // Lets the transport breathe between blocks.
    await Promise.resolve();
  }
  for (const { path, content } of extra) block += `x 755 ${escapeText(content)} ${escapeText(path)}\n`;
  // Tells a whole list from one that a lost link cut short.
  yield Buffer.from(`${block}end ${count}\n`);
}
