import type { NodeFacts } from '../../cluster/facts';
import type { NodeConnection } from '../../ssh/connection';
import { ask } from './ask';
import { changedBy, groups, productOf } from './facts';
import text from './past.sh';

/** What happened on a node until now, as far as it tells which plan still fits. */
export interface NodePast extends Pick<NodeFacts, 'changed' | 'products'> {
  /** Kinds of what scripts asked for and nobody fulfilled yet. */
  readonly requests: readonly string[];
}

/** Asks a node for its past. Writes nothing there. @throws ClusterliftError of `exec`, `node-answer-broken` */
export async function readPast(
  connection: NodeConnection,
  stateDir: string | undefined,
  signal?: AbortSignal,
): Promise<NodePast> {
  const entries = await ask(connection, { text, args: [stateDir ?? ''], ...(signal && { signal }) });
  return {
    changed: changedBy(entries),
    products: groups(entries, 'product').map(productOf),
    requests: entries.all('request'),
  };
}
