import { createHash } from 'node:crypto';
import { planLines, escapeText, type UnpackPlan } from '../../package/unpack-plan';
import type { ExtraFile } from '../../package/recipe';
import type { NodeConnection } from '../../ssh/connection';
import { epochArgument } from '../../ssh/fence';
import { ask } from './ask';
import type { StageTarget } from './stage';
import hashing from './digest.sh';
import unpacking from './unpack.sh';

/** Long enough for many small files on a slow disk. Milliseconds. */
const LONG = 3_600_000;

/**
 * Unpacks a staged image into `packages/<sha256>/files`, unless that was done by the same plan. May be repeated.
 * The node compares each file with the digest that the plan names.
 * @throws ClusterliftError `stage-missing`, `unpack-failed`, `fenced`
 */
export async function unpackImage(
  connection: NodeConnection,
  target: StageTarget,
  plan: UnpackPlan,
  extra: readonly ExtraFile[],
): Promise<void> {
  const { stateDir, sha256, fence, signal } = target;
  const list = createHash('sha256');
  for (const each of lines(plan, extra)) list.update(each);
  await ask(connection, {
    text: `${hashing}\n${unpacking}`,
    args: [stateDir, sha256, fence.run, epochArgument(fence), list.digest('hex')],
    stdin: chunks(plan, extra),
    timeout: LONG,
    ...(signal ? { signal } : {}),
  });
}

/** The lines of unpack.sh, but the last. */
function* lines(plan: UnpackPlan, extra: readonly ExtraFile[]): Generator<string> {
  yield* planLines(plan);
  for (const { path, content } of extra) yield `x 755 ${escapeText(content)} ${escapeText(path)}\n`;
}

/** All lines, some kilobytes at a time. */
async function* chunks(plan: UnpackPlan, extra: readonly ExtraFile[]): AsyncGenerator<Uint8Array> {
  let block = '';
  let count = 0;
  for (const line of lines(plan, extra)) {
    block += line;
    count++;
    if (block.length < 65_536) continue;
    yield Buffer.from(block);
    block = '';
    // Lets the transport breathe between blocks.
    await Promise.resolve();
  }
  // Tells a whole list from one that a lost link cut short.
  yield Buffer.from(`${block}end ${count}\n`);
}
