import { mapLimit } from '../../base/async';
import { deadlineIn } from '../../base/clock';

/** Locks are taken on so many nodes at once. */
const AT_ONCE = 16;
/** Somebody who is still taking locks may give this one back; so long we wait for that. Milliseconds. */
const UNDECIDED = 90_000;

/** Takes and gives back the locks of nodes. `H` tells who holds a lock that could not be taken. */
export interface Locker<H> {
  /** @returns who holds it; undefined: it is ours */
  take(node: string): Promise<H | undefined>;
  /** Gives a lock back that was taken here. It must not throw: what cannot be given back goes stale. */
  giveBack(node: string): Promise<void>;
  /** Does the holder still take locks, so that this one may become free? */
  isUndecided(holder: H): boolean;
  /** The error of a process that comes too late. */
  refused(node: string, holder: H): Error;
  /** Waits a moment before the next look. */
  pause(): Promise<void>;
}

/**
 * Takes the locks of all nodes, or none. Of several who want some of the same nodes, one gets all of its own.
 *
 * The first node by name decides between those who want the same nodes; the others are taken at once, without waiting
 * for anybody. On a conflict there everything is given back, and taken again one by one in the order of names. A run
 * that waits then holds only names before the one that it waits for, so there is no deadlock, and only a holder that has
 * all of its locks sends anybody away.
 * @throws what `refused` makes, or `take` throws; then nothing that was taken here is kept
 */
export async function takeAll<H>(nodes: readonly string[], locker: Locker<H>): Promise<void> {
  const [first, ...others] = [...nodes].sort();
  if (first === undefined) return;
  const taken = new Set<string>();
  try {
    await inTurn([first], locker, taken);
    const conflict = await together(others, locker, taken);
    if (!conflict) return;
    await giveBackAll(taken, locker);
    if (!locker.isUndecided(conflict.holder)) throw locker.refused(conflict.node, conflict.holder);
    await inTurn([first, ...others], locker, taken);
  } catch (error) {
    await giveBackAll(taken, locker);
    throw error;
  }
}

async function inTurn<H>(nodes: readonly string[], locker: Locker<H>, taken: Set<string>): Promise<void> {
  for (const node of nodes) {
    const deadline = deadlineIn(UNDECIDED);
    for (;;) {
      const holder = await locker.take(node);
      if (holder === undefined) break;
      if (!locker.isUndecided(holder) || deadline.passed) throw locker.refused(node, holder);
      await locker.pause();
    }
    taken.add(node);
  }
}

interface Conflict<H> {
  readonly node: string;
  readonly holder: H;
}

/** @returns a conflict, if there was one: preferably with a holder that has all of its locks */
async function together<H>(
  nodes: readonly string[],
  locker: Locker<H>,
  taken: Set<string>,
): Promise<Conflict<H> | undefined> {
  const conflicts: Conflict<H>[] = [];
  let failed = false;
  const results = await mapLimit(nodes, AT_ONCE, async (node) => {
    // Who will give everything back takes no more.
    if (failed || conflicts.length > 0) return;
    try {
      const holder = await locker.take(node);
      if (holder === undefined) taken.add(node);
      else conflicts.push({ node, holder });
    } catch (error) {
      failed = true;
      throw error;
    }
  });
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return conflicts.find(({ holder }) => !locker.isUndecided(holder)) ?? conflicts[0];
}

async function giveBackAll(taken: Set<string>, locker: Pick<Locker<never>, 'giveBack'>): Promise<void> {
  await mapLimit([...taken], AT_ONCE, (node) => locker.giveBack(node));
  taken.clear();
}
