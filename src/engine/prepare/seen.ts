import type { SeenPast } from '../journal/plan';
import { recordsOf, seenRecord } from '../steps/since';
import type { NodeProbe } from './check-input';

/**
 * A node's past, for its plan: what is compared again under the lock.
 * @param asked was the node asked for its version, so that none means that nothing is installed?
 * @returns undefined: the node could not be asked
 */
export function seenOf({ facts, version, versionError }: NodeProbe, asked = false): SeenPast | undefined {
  if (!facts) return undefined;
  const records = recordsOf(facts).map((record): [string, string] => [record.product, seenRecord(record)]);
  const none = asked && !versionError ? null : undefined;
  return { changed: facts.changed ?? '', records: Object.fromEntries(records), version: version ?? none };
}
