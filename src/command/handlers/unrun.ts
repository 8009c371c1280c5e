import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { NodeResult } from '../../engine/journal/events';
import type { Plan } from '../../engine/journal/plan';
import { blocksOf } from '../../engine/prepare/findings';
import type { CommandContext } from '../context';

/** How it ended where no run was made of the plan. */
export function endUnrun(ctx: CommandContext, plan: Plan): ExitStatus {
  const blocks = blocksOf(plan.checks);
  const status = blocks.length > 0 ? refusal(blocks) : ExitStatus.ok;
  const nodes = plan.nodes.map(({ name, action, from }): [string, NodeResult] => [
    name,
    { outcome: action === 'skip' ? 'unchanged' : 'not-started', from: from ?? null, to: from ?? null },
  ]);
  const outcome = status === ExitStatus.ok ? 'succeeded' : 'refused';
  ctx.ui.result({ outcome, status, nodes: Object.fromEntries(nodes) });
  return status;
}

/** Only locks in the way: status 5; anything else that blocks: 3. */
function refusal(blocks: readonly { code: string }[]): ExitStatus {
  return blocks.every((each) => each.code === 'locked') ? ExitStatus.locked : ExitStatus.refused;
}

function refused(blocks: Plan['checks'], cluster: string): ClusterliftError {
  const [first] = blocks;
  const only = blocks.length === 1 && first;
  return new ClusterliftError({
    code: only ? first.code : 'checks-failed',
    message: only ? first.message : `${String(blocks.length)} checks block the run on ${cluster}; nothing was changed`,
    hint: only ? first.fix : 'Mend what the report names, then run the same command again.',
    exit: refusal(blocks),
    node: only ? first.node : undefined,
  });
}

/** @throws ClusterliftError of the first check that blocks the plan */
export function demandUnblocked(ctx: CommandContext, plan: Plan): void {
  const blocks = blocksOf(plan.checks);
  if (blocks.length === 0) return;
  endUnrun(ctx, plan);
  throw refused(blocks, plan.cluster);
}

/** Every node is at the target, and nothing is asked for. */
export function sayNothingToDo(ctx: CommandContext, plan: Plan): ExitStatus {
  const target = `${plan.package?.product ?? ''} ${plan.package?.version ?? ''}`;
  ctx.ui.say(
    `Nothing to do: all ${String(plan.nodes.length)} nodes of ${plan.cluster} have ${target} and are healthy.`,
  );
  return endUnrun(ctx, plan);
}
