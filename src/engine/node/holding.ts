import type { NodeConnection } from '../../ssh/connection';
import type { Entries } from '../../ssh/exec/script';
import { ask } from './ask';
import { checkedRun, heldOf, isRunName, type HeldLock } from './lock';
import reporting from './lock-report.sh';
import text from './holding.sh';
import whole from './whole.sh';

const script = `${reporting}\n${whole}\n${text}`;

/** Who locked a node last. A node has authority over itself only: this says nothing about other nodes. */
export interface LastClaim {
  /** The state directory, resolved. */
  readonly stateDir: string;
  /** The run of the newest claim, held or released; undefined: the lock was never taken. */
  readonly claim: string | undefined;
  /** Number of the newest claim. */
  readonly last: number;
  /** Undefined: the lock is free. */
  readonly lock: HeldLock | undefined;
}

/** What a node has of a run. Foreign data. */
export interface Holding extends LastClaim {
  /** Undefined: the node has no copy. */
  readonly plan: string | undefined;
  /** Empty where only a proof was asked for. */
  readonly journal: string;
  /** Ids of the run's jobs there, ended or not. */
  readonly jobs: readonly string[];
}

/** The runs whose end a node has not seen, and who locked it last. */
export async function listOpenRuns(
  connection: NodeConnection,
  stateDir: string | undefined,
): Promise<LastClaim & { readonly runs: readonly string[] }> {
  const entries = await ask(connection, { text: script, args: ['list', stateDir ?? ''] });
  return { ...claimOf(entries), runs: entries.all('run').filter(isRunName) };
}

/**
 * What a node has of a run.
 * @param how `proof`: without the journal
 * @throws ClusterliftError `run-unknown` when that cannot be the name of a run
 */
export async function readHolding(
  connection: NodeConnection,
  stateDir: string | undefined,
  run: string,
  how: 'proof' | 'copy',
): Promise<Holding> {
  const entries = await ask(connection, {
    text: script,
    args: [how, stateDir ?? '', checkedRun(run)],
    maxOutput: 96 * 1024 * 1024,
    timeout: how === 'proof' ? 60_000 : 10 * 60_000,
  });
  return {
    ...claimOf(entries),
    plan: entries.text('plan'),
    journal: entries.text('journal') ?? '',
    jobs: entries.all('job'),
  };
}

function claimOf(entries: Entries): LastClaim {
  return {
    stateDir: entries.required('state'),
    claim: entries.text('claim')?.trim(),
    last: entries.number('last'),
    lock: entries.text('result') === 'held' ? heldOf(entries) : undefined,
  };
}
