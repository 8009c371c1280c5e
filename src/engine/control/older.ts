import type { ErrorRecord } from '../journal/events';
import { advice } from '../../base/shell';
import { ExitStatus } from '../../base/errors';
import { isGood, nodeResults, OVERTAKEN } from '../journal/outcome';
import type { OwnedRun, RunRecord, Runs } from '../journal/runs';
import { isResumable, viewOf, type RunView } from '../journal/view';

/**
 * Closes the open runs of this machine that a run has overtaken: it began later, and ended well on every node where they
 * still had something to do. A run that cannot be opened stays as it is: its resume compares it with the nodes.
 */
export async function closeOlder(runs: Runs, later: RunView): Promise<void> {
  const { action } = later.plan;
  if (later.outcome !== 'succeeded' || (action !== 'upgrade' && action !== 'restore')) return;
  for (const record of await runs.list()) {
    if (!isBehind(record, later)) continue;
    const owned = await runs.take(record.run).catch(() => undefined);
    if (!owned) continue;
    try {
      await close(owned, later);
    } catch {
      // Its journal cannot be written. The run that succeeded does not fail for that.
    } finally {
      await owned.release();
    }
  }
}

function isBehind({ run, plan, view, state }: RunRecord, later: RunView): boolean {
  const mine = later.plan;
  return (
    run !== later.run &&
    state !== 'live' &&
    state !== 'elsewhere' &&
    isResumable(view) &&
    plan.cluster === mine.cluster &&
    plan.configFile === mine.configFile &&
    (view.startedAt ?? '') < (later.startedAt ?? '') &&
    open(view).every((name) => samePlace(view, later, name) && isGood(later.nodes[name]?.outcome))
  );
}

/** Where the run still has something to do. */
function open(view: RunView): string[] {
  return Object.values(view.nodes).flatMap(({ name, outcome }) => (isGood(outcome) ? [] : [name]));
}

/** Is it the same node, and not another one that got its name? */
function samePlace(a: RunView, b: RunView, name: string): boolean {
  const place = ({ plan }: RunView): string | undefined => {
    const node = plan.nodes.find((each) => each.name === name);
    return node && JSON.stringify([node.model.connection, node.model.host, node.model.port, node.stateDir]);
  };
  return place(a) !== undefined && place(a) === place(b);
}

async function close({ journal, plan, entries }: OwnedRun, later: RunView): Promise<void> {
  const all = [...entries];
  const append = async (event: Parameters<typeof journal.append>[0]): Promise<void> => {
    all.push(await journal.append(event));
  };
  const view = viewOf(plan, entries);
  if (!isResumable(view)) return;
  const message = `Run ${later.run} overtook this one`;
  const error: ErrorRecord = { code: OVERTAKEN, message, hint: advice`See it with \`clusterlift runs ${later.run}\`.` };
  await append({ type: 'warning', code: OVERTAKEN, message });
  for (const node of open(view)) {
    const { from } = view.nodes[node] ?? {};
    const now = later.nodes[node];
    await append({ type: 'node.finished', node, outcome: 'overtaken', from, to: now?.to ?? now?.from, error });
  }
  const nodes = nodeResults(viewOf(plan, all));
  await append({ type: 'run.finished', outcome: 'overtaken', status: ExitStatus.failed, nodes });
}
