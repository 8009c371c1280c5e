import { advice } from '../../base/shell';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { isOverriddenFor } from '../../base/overrides';
import { line } from '../../base/text';
import type { NodeConnection } from '../../ssh/connection';
import type { RunContext } from './context';
import { readHolding, type Holding } from '../node/holding';
import { releaseLock, type TakeResult } from '../node/lock';
import type { PlanNode } from '../journal/plan';

/**
 * Does a node vouch for a run? It does when it keeps the same plan, byte for byte, and its lock was claimed last by this
 * run. A node that lost both (it was reinstalled) vouches for nothing: a person does, by its name.
 */

/** What a node must have of a run. */
export interface Expected {
  readonly run: string;
  /** sha256 of the plan's text. */
  readonly planDigest: string;
  readonly node: Pick<PlanNode, 'name' | 'stateDir'>;
  readonly overrides: readonly string[];
}

/**
 * Whatever the node has must be of this run: no override helps.
 * @throws ClusterliftError `state-moved`, `plan-differs`, `lock-of-another-run`, `lock-unclaimed`
 */
export function demandSameRun(holding: Holding, { run, planDigest, node }: Omit<Expected, 'overrides'>): void {
  const { name } = node;
  const { plan, claim, stateDir } = holding;
  if (stateDir !== node.stateDir) throw stateMoved(name, node.stateDir, stateDir);
  if (plan !== undefined && digestOf(plan) !== planDigest) throw planDiffers(run, name);
  if (claim !== undefined && claim !== run) throw lockOfAnother(run, name, claim);
  if (plan !== undefined && claim === undefined) throw unclaimed(run, name);
}

/**
 * The node keeps a copy of the plan, or a person vouches for it by its name.
 * @throws ClusterliftError `reinstalled-node`, `plan-missing`
 */
export function demandCopy(holding: Holding, { run, node, overrides }: Omit<Expected, 'planDigest'>): void {
  if (holding.plan !== undefined) return;
  const code = holding.claim === undefined ? 'reinstalled-node' : 'plan-missing';
  if (!isOverriddenFor(overrides, code, node.name)) throw noCopy(code, run, node.name);
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Takes the lock of a node. One that could not be asked when the run was adopted, or that has another address by now,
 * must vouch first; a claim that came in between is found by its number.
 * @throws ClusterliftError as `demandSameRun` and `demandCopy`
 */
export async function vouchedFor(
  ctx: RunContext,
  name: string,
  connection: NodeConnection,
  take: () => Promise<TakeResult>,
): Promise<TakeResult> {
  if (!ctx.view.unproven.includes(name)) return take();
  const node = ctx.node(name);
  const { run } = ctx.plan;
  const holding = await readHolding(connection, node.stateDir, run, 'proof');
  const planDigest = digestOf(await readFile(join(ctx.folder, 'plan.json'), 'utf8'));
  demandSameRun(holding, { run, planDigest, node });
  demandCopy(holding, { run, node, overrides: ctx.view.overrides });
  const result = await take();
  if (result.kind === 'held') return result;
  if (result.epoch <= Math.max(holding.last + 1, ctx.epoch)) {
    if (holding.plan === undefined) await ctx.record({ type: 'node.reinstalled', node: name, by: ctx.services.by });
    return result;
  }
  await releaseLock(connection, node.stateDir, { run, epoch: result.epoch });
  throw lockedMeanwhile(run, name);
}

function lockedMeanwhile(run: string, node: string): ClusterliftError {
  return refused(
    node,
    'lock-of-another-run',
    `Another run locked ${node} while run ${run} was about to`,
    'See who it was with `clusterlift status`, then resume again.',
  );
}

function stateMoved(node: string, planned: string, found: string): ClusterliftError {
  return refused(
    node,
    'state-moved',
    `${node} keeps its state in ${line(found)}, and the run began in ${planned}`,
    `Set "stateDir" of ${node} in clusters.json to ${planned}, and the login user as before; then resume again.`,
  );
}

export function planDiffers(run: string, node: string): ClusterliftError {
  return refused(
    node,
    'plan-differs',
    `The copy of the plan on ${node} is not the plan of run ${run}: one of them was changed`,
    `Look at runs/${run}/plan.json in the state directory of each node. Go on from the machine that started the run.`,
  );
}

function lockOfAnother(run: string, node: string, claim: string): ClusterliftError {
  return refused(
    node,
    'lock-of-another-run',
    `${node} was locked last by run ${line(claim, 80)}, not by run ${run}`,
    'Do not go on with an older run: start a new upgrade. Nodes that are at the target are skipped.',
  );
}

function unclaimed(run: string, node: string): ClusterliftError {
  return refused(
    node,
    'lock-unclaimed',
    `${node} keeps a plan of run ${run}, but that run never locked it`,
    `Look at ${node}: who put the plan there? Go on from the machine that started the run, or start a new upgrade.`,
  );
}

function noCopy(code: 'reinstalled-node' | 'plan-missing', run: string, node: string): ClusterliftError {
  const why =
    code === 'reinstalled-node' ? `${node} knows nothing of run ${run}` : `${node} keeps no plan of run ${run}`;
  return refused(
    node,
    code,
    `${why}, so it does not vouch for it`,
    advice`If ${node} was reinstalled, or lost its state: \`--override ${code}=${node}\`. Else go on from the machine that started the run.`,
  );
}

function refused(node: string, code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.refused, node });
}
