import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atMost } from '../../base/async';
import { every } from '../../base/clock';
import type { RunContext } from './context';
import { mirrorPiece } from '../node/mirror';
import { isResumable, stepOf } from '../journal/view';

/** Milliseconds between two rounds while the run is on. */
const EVERY = 3000;
/** The last round may take so long; a node that does not answer has an older copy then. Milliseconds. */
const LAST_ROUND = 10_000;

/**
 * Copies plan and journal to every node while the run is on. A copy may lag: a run that takes over asks the
 * node's jobs, which know best. A copy that cannot be written stops nothing but the first one of a run that uses a restore
 * point (`markPoint`).
 */
export function keepMirrors(ctx: RunContext): { stop: () => Promise<void> } {
  const sent = new Map<string, number>();
  const busy = new Map<string, Promise<void>>();
  const path = join(ctx.folder, 'journal.jsonl');

  const send = async (name: string): Promise<void> => {
    const offset = sent.get(name) ?? 0;
    const journal = await readFrom(path, offset);
    if (journal.length === 0) return;
    const size = await mirrorPiece(ctx.connection(name), {
      stateDir: ctx.node(name).stateDir,
      run: ctx.plan.run,
      epoch: ctx.epoch,
      // As it is here, byte for byte: the machine that adopts the run compares the copies.
      plan: offset === 0 ? await readFile(join(ctx.folder, 'plan.json'), 'utf8') : undefined,
      offset,
      journal,
      closed: !isResumable(ctx.view),
    });
    sent.set(name, size);
  };
  // One piece at a time on a node.
  const sendNext = (name: string): Promise<void> => {
    const sending = (busy.get(name) ?? Promise.resolve()).then(() => send(name));
    const settled = sending
      .catch(() => undefined)
      .finally(() => {
        if (busy.get(name) === settled) busy.delete(name);
      });
    busy.set(name, settled);
    return sending;
  };
  const round = (): Promise<unknown> =>
    Promise.all(
      ctx.plan.nodes
        .filter(({ name }) => stepOf(ctx.nodeView(name), 'lock')?.state === 'done')
        .map(({ name }) => busy.get(name) ?? sendNext(name).catch(() => undefined)),
    );
  ctx.mirrorNow = sendNext;

  const timer = every(EVERY, () => void round());
  return {
    stop: async () => {
      timer.cancel();
      if (ctx.signal.aborted) return;
      const last = Promise.all(busy.values()).then(round);
      await atMost(LAST_ROUND, last);
    },
  };
}

async function readFrom(path: string, offset: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    // Only whole lines: a line is written before it is synced.
    return bytes.subarray(0, bytes.subarray(0, bytesRead).lastIndexOf(0x0a) + 1);
  } finally {
    await file.close();
  }
}
