import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { NodeModel } from '../../cluster/model';
import { parseJournal } from '../../engine/journal';
import type { Plan } from '../../engine/plan';
import { parsePlan } from '../../engine/schema';
import { listMirrors, readMirror } from '../../engine/node/mirror';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { openSite, type Site } from '../site';

/**
 * `resume <run> --from-nodes`: reads plan and journal of a run of another machine from the nodes, and puts the longest
 * copy into this machine's folder. What a node says is checked like anything foreign; the nodes' jobs decide what was done.
 * @throws ClusterliftError `run-unknown`, `run-ambiguous`
 */
export async function adoptFromNodes(ctx: CommandContext, name: string | undefined, options: Options): Promise<void> {
  const site = await openSite(ctx, options);
  try {
    const copies = await Promise.allSettled(site.nodes.map((node) => copyOn(site, node, name)));
    const [longest] = copies
      .flatMap((copy) => (copy.status === 'fulfilled' ? [copy.value] : []))
      .sort((a, b) => b.lines - a.lines);
    if (!longest) throw copies.find((copy) => copy.status === 'rejected')?.reason ?? notFound(name);
    if (copies.some((copy) => copy.status === 'fulfilled' && copy.value.plan !== longest.plan)) throw plansDiffer();
    checkNodes(parsePlan(longest.plan, 'the plan on the nodes'), site);
    await ctx.runs.adopt(longest.plan, longest.journal);
  } finally {
    await site.close();
  }
}

/** A node could name another machine as a node of the run: only those of clusters.json are gone to. */
function checkNodes(plan: Plan, site: Site): void {
  for (const { name, model } of plan.nodes) {
    const known = site.cluster.nodes.find((each) => each.name === name);
    const same = known?.host === model.host && known.port === model.port && known.connection === model.connection;
    if (plan.cluster === site.cluster.name && same) continue;
    throw new ClusterliftError({
      code: 'plan-foreign',
      message: `The plan on the nodes names ${name} at another place than clusters.json does`,
      hint: `Compare ${name} in ${site.file.path} with the run; go on from the machine that started it.`,
      exit: ExitStatus.refused,
      node: name,
    });
  }
}

function plansDiffer(): ClusterliftError {
  return new ClusterliftError({
    code: 'plan-differs',
    message: 'The nodes keep different plans of this run: at least one copy was changed',
    hint: 'Go on from the machine that started the run, or look at runs/<run>/plan.json on each node.',
    exit: ExitStatus.refused,
  });
}

async function copyOn(site: Site, node: NodeModel, name: string | undefined): Promise<Copy> {
  const connection = site.connect(node);
  const run = name ?? onlyRun(await listMirrors(connection, node.stateDir), node.name);
  const copy = await readMirror(connection, node.stateDir, run);
  const [plan, journal] = [copy.plan.toString('utf8'), copy.journal.toString('utf8')];
  return { plan, journal, lines: parseJournal(journal, `the journal on ${node.name}`).entries.length };
}

interface Copy {
  readonly plan: string;
  readonly journal: string;
  readonly lines: number;
}

function onlyRun(mirrors: readonly { readonly run: string; readonly open: boolean }[], node: string): string {
  const runs = mirrors.filter((each) => each.open).map((each) => each.run);
  const last = runs.at(-1);
  if (last === undefined) throw notFound(undefined);
  if (runs.length === 1) return last;
  throw new ClusterliftError({
    code: 'run-ambiguous',
    message: `${node} knows several runs: ${runs.slice(-10).join(', ')}`,
    hint: `Name one: \`clusterlift resume ${last} --from-nodes\`.`,
    exit: ExitStatus.usage,
  });
}

function notFound(name: string | undefined): ClusterliftError {
  return new ClusterliftError({
    code: 'run-unknown',
    message: name === undefined ? 'No node knows a run' : `No node knows the run ${name}`,
    hint: 'List the runs of this machine with `clusterlift runs`.',
    exit: ExitStatus.usage,
  });
}
