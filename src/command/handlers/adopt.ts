import { advice } from '../../base/shell';
import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { self } from '../../base/process';
import { line } from '../../base/text';
import { formatSize } from '../../base/units';
import type { NodeModel } from '../../cluster/model';
import { isPassing } from '../../engine/control/context';
import { mergeCopies, type MergedJournal } from '../../engine/journal/copies';
import type { RunEvent } from '../../engine/journal/events';
import { extendedJournal } from '../../engine/journal/journal';
import { listOpenRuns, readHolding, type Holding } from '../../engine/node/holding';
import { checkedRun, lockedBy } from '../../engine/node/lock';
import type { Plan } from '../../engine/journal/plan';
import { reverifyPackage } from '../../engine/prepare/reverify';
import { demandOwn, placeOf, planToday } from '../../engine/prepare/today';
import { parsePlan } from '../../engine/journal/schema';
import { isResumable, viewOf } from '../../engine/journal/view';
import { demandCopy, demandSameRun, digestOf, planDiffers } from '../../engine/control/holders';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { withSite, type Site } from '../site';
import { adoptionQuestion, notAsked } from './adoption';
import { reopenRequest } from './host';
import { runClosed } from './pick-run';

/** Plans and journals of all nodes together. Bytes. */
const MOST_BYTES = 256 * 1024 * 1024;
const NODES_AT_ONCE = 8;

/** What the nodes say of a run. */
interface Asked {
  readonly holdings: ReadonlyMap<string, Holding>;
  /** Nodes that could not be asked, and why. */
  readonly away: ReadonlyMap<string, ClusterliftError>;
}

/**
 * `resume [<run>] --from-nodes`: takes a run that was started on another machine. A node has authority over itself only:
 * all nodes of the plan must keep the same plan and have been locked last by this run; what the cluster is, whom it
 * trusts, and whether to go on, is said here. One that cannot be asked has to vouch before anything is done there.
 * @returns the id of the run, which is here then
 * @throws ClusterliftError `run-here`, `run-owned`, `run-unknown`, `run-ambiguous`, `locked`, `plan-foreign`, those of
 *   `demandSameRun`, `demandCopy`, `mergeCopies` and `reverifyPackage`, and of the confirmation
 */
export async function adoptFromNodes(ctx: CommandContext, name: string | undefined, options: Options): Promise<string> {
  if (name !== undefined) await ctx.runs.mayAdopt(checkedRun(name));
  return withSite(ctx, options, async (site) => {
    const run = name ?? (await onlyRun(site));
    await ctx.runs.mayAdopt(run);
    const asked = await askAll(site, run);
    const { plan, text } = planOf(asked, run);
    demandOwn(plan, site.cluster, site.file);
    const overrides = options.override ?? [];
    demandAll(plan, text, asked, overrides);
    const journal = mergeCopies(run, copiesOf(plan, asked));
    if (!isResumable(viewOf(plan, journal.entries))) throw runClosed(run);
    const today = planToday(plan, site.cluster);
    const unasked = plan.nodes.map((node) => node.name).filter((node) => asked.away.has(node));
    const places = Object.fromEntries(today.nodes.map(({ name: node, model }) => [node, placeOf(model)]));
    ctx.ui.plan(today, 'asked');
    if (unasked.length > 0) ctx.ui.say(notAsked(unasked));
    await ctx.ui.confirm(
      adoptionQuestion(today, journal.entries, unasked),
      today.production ? today.cluster : undefined,
    );
    await reverifyPackage(today, site.cluster, overrides, reopenRequest(ctx, site));
    await ctx.runs.adopt(
      run,
      text,
      adoptedJournal(ctx, site, journal, { unasked, places }, reinstalledOf(plan, asked)),
    );
    return run;
  });
}

async function askAll(site: Site, run: string): Promise<Asked> {
  const holdings = new Map<string, Holding>();
  let bytes = 0;
  const away = await eachNode(site, async (node) => {
    const holding = await readHolding(site.connect(node), node.stateDir, run, 'copy');
    bytes += (holding.plan?.length ?? 0) + holding.journal.length;
    if (bytes > MOST_BYTES) throw copiesTooLarge(run);
    holdings.set(node.name, holding);
  });
  return { holdings, away };
}

/** @returns the nodes that cannot be asked now, with the reason. @throws whatever else is wrong with one of them */
async function eachNode(site: Site, ask: (node: NodeModel) => Promise<void>): Promise<Map<string, ClusterliftError>> {
  const { nodes } = site.cluster;
  const results = await mapLimit(nodes, NODES_AT_ONCE, ask);
  const away = new Map<string, ClusterliftError>();
  results.forEach((result, at) => {
    if (result.status === 'fulfilled') return;
    if (!isPassing(result.reason)) throw result.reason;
    away.set(nodes[at]?.name ?? '', result.reason);
  });
  const [first] = away.values();
  if (first && away.size === nodes.length) throw first;
  return away;
}

/** The plan that all nodes keep which keep one. */
function planOf({ holdings, away }: Asked, run: string): { readonly plan: Plan; readonly text: string } {
  const kept = [...holdings].flatMap(([node, { plan }]) => (plan === undefined ? [] : [{ node, plan }]));
  const [first] = kept;
  if (!first) throw notFound(run, [...away.keys()]);
  const other = kept.find(({ plan }) => plan !== first.plan);
  if (other) throw planDiffers(run, `${first.node} and ${other.node}`);
  const plan = parsePlan(first.plan, `of run ${run} on ${first.node}`);
  if (plan.run !== run) throw planDiffers(run, first.node);
  return { plan, text: first.plan };
}

/** Every node of the plan that was asked vouches for the run, and no living process works on it. */
function demandAll(plan: Plan, text: string, { holdings }: Asked, overrides: readonly string[]): void {
  const planDigest = digestOf(text);
  const asked = plan.nodes.flatMap((node) => {
    const holding = holdings.get(node.name);
    return holding ? [{ node, holding }] : [];
  });
  for (const { node, holding } of asked) demandSameRun(holding, { run: plan.run, planDigest, node });
  for (const { node, holding } of asked) {
    const { lock } = holding;
    if (lock && !lock.stale) throw alive(plan.run, node.name, lockedBy(node.name, lock.owner));
  }
  // Last, because a person may vouch for such a node: nothing else may be wrong then.
  for (const { node, holding } of asked) demandCopy(holding, { run: plan.run, node, overrides });
}

/** Asked, and without a copy: `demandAll` knows that a person vouches for them. */
function reinstalledOf(plan: Plan, { holdings }: Asked): string[] {
  return plan.nodes.map(({ name }) => name).filter((name) => holdings.has(name) && !holdings.get(name)?.plan);
}

/** A node that lost its copy says nothing about the journal. */
function copiesOf(plan: Plan, { holdings }: Asked) {
  return plan.nodes.flatMap(({ name: node }) => {
    const holding = holdings.get(node);
    return holding?.plan === undefined ? [] : [{ node, journal: holding.journal, jobs: holding.jobs }];
  });
}

/** What all copies say, and after it who took the run over, and what may have begun since. */
function adoptedJournal(
  ctx: CommandContext,
  site: Site,
  journal: MergedJournal,
  more: Pick<Extract<RunEvent, { type: 'run.adopted' }>, 'unasked' | 'places'>,
  reinstalled: readonly string[],
): string {
  const { host, pid } = self();
  const { epoch } = journal;
  const adopted: RunEvent = {
    type: 'run.adopted',
    host,
    pid,
    epoch,
    by: ctx.by,
    configFile: site.file.path,
    ...more,
  };
  return extendedJournal(journal.text, 'the journal on the nodes', [
    adopted,
    ...journal.begun,
    ...reinstalled.map((node) => ({ type: 'node.reinstalled', node, by: ctx.by }) as const),
  ]);
}

/** The run that is open on a node whose lock it took last. @throws ClusterliftError `run-unknown`, `run-ambiguous` */
async function onlyRun(site: Site): Promise<string> {
  const found = new Set<string>();
  const away = await eachNode(site, async (node) => {
    const { claim, runs } = await listOpenRuns(site.connect(node), node.stateDir);
    if (claim !== undefined && runs.includes(claim)) found.add(claim);
  });
  const runs = [...found].sort();
  const last = runs.at(-1);
  if (last === undefined) throw notFound(undefined, [...away.keys()]);
  if (runs.length === 1) return last;
  throw new ClusterliftError({
    code: 'run-ambiguous',
    message: `The nodes know several runs: ${runs.slice(-10).join(', ')}`,
    hint: advice`Name one: \`clusterlift resume ${last} --from-nodes\`.`,
    exit: ExitStatus.usage,
  });
}

function notFound(name: string | undefined, away: readonly string[]): ClusterliftError {
  const asked = away.length > 0 ? ` (not asked: ${away.join(', ')})` : '';
  return new ClusterliftError({
    code: 'run-unknown',
    message: `${name === undefined ? 'No node knows an open run' : `No node knows the run ${name}`}${asked}`,
    hint: 'List the runs of this machine with `clusterlift runs`.',
    exit: ExitStatus.usage,
  });
}

function alive(run: string, node: string, held: string): ClusterliftError {
  return new ClusterliftError({
    code: 'locked',
    message: `${held}; a process of run ${run} still works`,
    hint: 'Follow it on its machine with `clusterlift attach`; when it has been silent for two minutes, it can be taken over.',
    exit: ExitStatus.locked,
    node,
  });
}

function copiesTooLarge(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'copies-too-large',
    message: `The copies of run ${line(run, 80)} on the nodes are larger than ${formatSize(MOST_BYTES)} together`,
    hint: 'Go on from the machine that started the run.',
    exit: ExitStatus.refused,
  });
}
