import { line } from '../../base/text';
import type { JournalEntry } from '../../engine/journal/events';
import type { Plan } from '../../engine/journal/plan';
import { ACTION_NOUN, sourceWords } from '../../terminal/words';

/** Nodes that a question names one by one. */
const NAMED = 12;

/** What a person says yes to who takes over a run: whose it is, what it does, and what cannot be compared. */
export function adoptionQuestion(plan: Plan, entries: readonly JournalEntry[], unasked: readonly string[]): string {
  const { run, cluster, nodes, overrides, production } = plan;
  const started = entries.find((entry) => entry.type === 'run.started');
  const pack = plan.package;
  const what = `${ACTION_NOUN[plan.action].toLowerCase()} of ${cluster}`;
  return [
    ...(production ? [`${cluster} is a production cluster.`] : []),
    `Continue run ${run}, the ${what} that was started on ${line(started?.host ?? '', 80)}?`,
    ...(pack ? [`Package: ${line(`${pack.product} ${pack.version}`, 200)}, ${sourceWords(pack.source)}`] : []),
    ...nodes
      .slice(0, NAMED)
      .map(({ name, from, to }) => `${name}: ${line(from ?? 'not installed', 80)} → ${line(to ?? from ?? '?', 80)}`),
    ...(nodes.length > NAMED ? [`… and ${String(nodes.length - NAMED)} more`] : []),
    ...(overrides.length > 0 ? [`Overridden when it was started: ${line(overrides.join(', '), 1000)}`] : []),
    ...(unasked.length > 0 ? [notAsked(unasked)] : []),
  ].join('\n');
}

export function notAsked(nodes: readonly string[]): string {
  return `Not queried: ${nodes.join(', ')}. Nothing is done on a node until it has the same plan.`;
}
