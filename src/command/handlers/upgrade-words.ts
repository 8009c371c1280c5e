import type { CheckResult, Plan, PlanNode } from '../../engine/journal/plan';
import type { PreparedUpgrade } from '../../engine/prepare/upgrade';
import { wordOf } from '../../terminal/words';

/** Nodes that a question names one by one. */
const NAMED = 12;
const NOT_THERE = 'not installed';
/** Nothing is recorded, and the package's own script was not asked. */
const NOT_KNOWN = 'unknown';

/** What a person says yes to: nodes, versions, and whether there is a way back. */
export function question({ plan, asked }: Pick<PreparedUpgrade, 'plan' | 'asked'>): string {
  const to = plan.package?.version ?? '';
  const changing = plan.nodes.filter((node) => node.action === 'change');
  const nodes = changing.length === 1 ? '1 node' : `${String(changing.length)} nodes`;
  const without = plan.options.backup === 'none' ? ' without a backup' : '';
  const unknown = asked ? NOT_THERE : NOT_KNOWN;
  const word = wordOf(plan.package);
  return [
    plan.production
      ? `${plan.cluster} is a production cluster. Upgrade ${nodes} to ${to}${without}?`
      : `Upgrade ${nodes} of ${plan.cluster} to ${to}${without}?`,
    ...(word === undefined ? [] : [`The package is provided by ${word}.`]),
    ...named(changing.map(({ name, from }) => `${name}: ${from ?? unknown} → ${to}`)),
  ].join('\n');
}

/** Every node is at the target, and nobody waits for a provision that could be done. */
export function nothingToDo(plan: Plan): boolean {
  return plan.nodes.every((node) => node.action === 'skip' && !node.requests.includes('provision'));
}

/** What a person sees of a second plan that the first one did not say: a line for each node, and the order. Pure. */
export function changesOf(before: Plan, after: Plan): string[] {
  const old = new Map(before.nodes.map((node) => [node.name, node]));
  const nodes = after.nodes.flatMap((node) => {
    const was = old.get(node.name);
    const then = was ? stateOf(was, NOT_KNOWN) : 'not in the plan';
    if (was?.action !== node.action || was.from !== node.from || was.to !== node.to)
      return [`${node.name}: ${stateOf(node, NOT_THERE)} (before: ${then})`];
    return was.steps.join() !== node.steps.join() ? [`${node.name}: ${node.steps.join(', ')}`] : [];
  });
  const order = JSON.stringify(before.batches) === JSON.stringify(after.batches) ? [] : [`Order: ${orderOf(after)}`];
  return named([...nodes, ...order]);
}

/** Tells one finding from another. */
export function keyOf({ code, level, node, path, message }: CheckResult): string {
  return JSON.stringify([code, level, node, path, message]);
}

function stateOf({ action, from, to }: PlanNode, nothing: string): string {
  return action === 'skip' ? `no change, already at ${from ?? '?'}` : `${from ?? nothing} → ${to ?? '?'}`;
}

function orderOf({ batches }: Plan): string {
  return batches.map((wave) => wave.join(', ')).join('; then ');
}

function named(lines: readonly string[]): string[] {
  return [...lines.slice(0, NAMED), ...(lines.length > NAMED ? [`… and ${String(lines.length - NAMED)} more`] : [])];
}
