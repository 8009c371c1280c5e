import { POINT_ID } from '../../backup/points/point';
import type { NodeConnection } from '../../ssh/connection';
import { ask } from './ask';
import { checkedRun } from './lock';
import mirroring from './mirror.sh';
import whole from './whole.sh';

const text = `${whole}\n${mirroring}`;

/** A piece of a run's journal on its way to a node. */
export interface MirrorPiece {
  readonly stateDir: string | undefined;
  readonly run: string;
  /** A process that a later one took over from is refused. */
  readonly epoch: number;
  /** The text of the plan, with the first piece. */
  readonly plan: string | undefined;
  /** Where the piece begins in the journal, bytes. What the node has beyond it is replaced. */
  readonly offset: number;
  readonly journal: Uint8Array;
  /** The run is over: its lock, if it was left, may be freed, and its files may be pruned some day. */
  readonly closed: boolean;
}

/**
 * Copies a piece of the journal. Cheap and repeatable.
 * @returns the size of the node's copy; less than `offset` when the node lacks earlier pieces: send from there
 * @throws ClusterliftError `fenced` when a later epoch wrote there
 */
export async function mirrorPiece(connection: NodeConnection, piece: MirrorPiece): Promise<number> {
  const plan = Buffer.from(piece.plan ?? '');
  const numbers = [piece.epoch, plan.length, piece.offset, piece.journal.length].map(String);
  const entries = await ask(connection, {
    text,
    args: ['write', piece.stateDir ?? '', checkedRun(piece.run), ...numbers, piece.closed ? 'yes' : 'no'],
    stdin: Buffer.concat([plan, piece.journal]),
  });
  return entries.number('size');
}

/** The runs that a node knows. */
export async function listMirrors(
  connection: NodeConnection,
  stateDir: string | undefined,
): Promise<{ readonly run: string; readonly open: boolean }[]> {
  const entries = await ask(connection, { text, args: ['list', stateDir ?? ''] });
  const open = entries.all('open');
  return entries.all('run').map((run, at) => ({ run, open: open[at] === 'yes' }));
}

/** What a node says about the restore points that runs use. */
export interface PointUse {
  /** The run that holds its lock; undefined: none. */
  readonly held: string | undefined;
  /** Runs that are open there, and the one that holds the lock. */
  readonly runs: readonly {
    readonly run: string;
    /** Its plan is there as a whole. */
    readonly whole: boolean;
    readonly points: readonly string[];
  }[];
}

/** Asks a node which restore points are in use. */
export async function pointsUsed(
  connection: NodeConnection,
  stateDir: string | undefined,
  signal?: AbortSignal,
): Promise<PointUse> {
  const entries = await ask(connection, { text, args: ['used', stateDir ?? ''], ...(signal && { signal }) });
  const [whole, points] = [entries.all('whole'), entries.all('points')];
  const runs = entries.all('run').map((run, at) => ({
    run,
    whole: whole[at] === 'yes',
    points: (points[at] ?? '').split('\n').filter((each) => POINT_ID.test(each)),
  }));
  return { held: entries.text('held'), runs };
}

/**
 * Plan and journal as a node has them. To be checked like any foreign data.
 * @throws ClusterliftError `run-unknown`
 */
export async function readMirror(
  connection: NodeConnection,
  stateDir: string | undefined,
  run: string,
): Promise<{ readonly plan: Buffer; readonly journal: Buffer }> {
  const entries = await ask(connection, {
    text,
    args: ['read', stateDir ?? '', checkedRun(run)],
    maxOutput: 96 * 1024 * 1024,
    timeout: 10 * 60_000,
  });
  const bytes = (key: string): Buffer => entries.list().find((each) => each.key === key)?.value ?? Buffer.alloc(0);
  return { plan: bytes('plan'), journal: bytes('journal') };
}
