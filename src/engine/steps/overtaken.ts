import type { ErrorRecord } from '../journal/events';
import { advice } from '../../base/shell';
import { mapLimit } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { manifestOf, type Manifest } from '../../package/manifest';
import { jobStatus } from '../../ssh/exec/jobs';
import { runScripts } from '../../ssh/exec/quick-script';
import type { RunContext } from '../control/context';
import { environmentOf } from './environment';
import { scriptJob } from './jobstep';
import { readPast, type NodePast } from '../node/past';
import { isOvertaken, OVERTAKEN } from '../journal/outcome';
import { packageOn, type RunPackage } from '../control/runpackage';
import { changeSince, isMidway, recordsOf, type AskedVersion, type Change } from './since';
import { startAgain } from './startagain';
import { jobId } from '../journal/events';
import { parseVersionOutput, readVersion } from './version';
import { stepOf } from '../journal/view';

/** So many nodes are asked at once. */
const AT_ONCE = 20;

/**
 * Compares the locked nodes with the plan, before the first change of each start and resume. Nodes that others changed are
 * closed as `overtaken`. The run goes on only where it left a node midway, to bring that one to its end.
 * @param pkg the run's package; its version script is asked where it is what an upgrade installs, else the installed one
 * @throws ClusterliftError `plan-overtaken` (status 3): this start changed nothing
 */
export async function mustNotBeOvertaken(ctx: RunContext, pkg: RunPackage | undefined): Promise<void> {
  const { plan } = ctx;
  if (ctx.view.committed) return;
  const names = plan.nodes.map(({ name }) => name).filter((name) => isLocked(ctx, name));
  const results = await mapLimit(names, AT_ONCE, (name) => compare(ctx, pkg, name));
  ctx.signal.throwIfAborted();
  const changes = results.flatMap((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value ? [result.value] : [];
  });
  for (const change of changes) await close(ctx, change);
  if (!isOvertaken(ctx.view)) return;
  const error = overtaken(ctx);
  if (!plan.nodes.some(({ name }) => isMidway(plan, ctx.nodeView(name)))) {
    for (const { name } of plan.nodes) await startWhatStands(ctx, pkg, name);
    throw error;
  }
  await ctx.record({ type: 'warning', code: error.code, message: error.message });
}

function isLocked(ctx: RunContext, name: string): boolean {
  const view = ctx.nodeView(name);
  return view.outcome !== 'overtaken' && stepOf(view, 'lock')?.state === 'done';
}

async function compare(ctx: RunContext, pkg: RunPackage | undefined, name: string): Promise<Change | undefined> {
  const { stateDir } = ctx.node(name);
  const past = await ctx.retryWhileUnreachable(name, (connection) => readPast(connection, stateDir, ctx.signal));
  const asked = isMidway(ctx.plan, ctx.nodeView(name)) ? undefined : await askVersion(ctx, pkg, name, past);
  return changeSince(ctx.plan, ctx.view, name, past, asked);
}

/** Before anything was begun, a node that cannot say its version stops the run; later the records alone must do. */
async function askVersion(
  ctx: RunContext,
  pkg: RunPackage | undefined,
  name: string,
  past: NodePast,
): Promise<AskedVersion> {
  try {
    return pkg?.place === 'packages'
      ? ((await readVersion(ctx, pkg, name)) ?? null)
      : await installedVersionOf(ctx, name, past);
  } catch (error) {
    ctx.signal.throwIfAborted();
    const fresh = Object.values(ctx.view.nodes).every(({ steps }) => steps.every(({ step }) => step === 'lock'));
    if (fresh || (error instanceof ClusterliftError && error.exit === ExitStatus.unknown)) throw error;
    return undefined;
  }
}

/** By the version script that the last upgrade left on the node; only where the plan has a version to compare it with. */
async function installedVersionOf(ctx: RunContext, name: string, past: NodePast): Promise<AskedVersion> {
  const [last] = recordsOf(past).sort((a, b) => b.time - a.time);
  const kept = past.products.find(({ product }) => product === last?.product);
  if (kept?.files === undefined || kept.manifest === undefined || ctx.node(name).seen?.version === undefined)
    return undefined;
  const manifest = readable(kept.manifest);
  if (!manifest) return undefined;
  const { scripts, timeouts } = manifest;
  const dir = kept.files;
  const [result] = await ctx.retryWhileUnreachable(name, (connection) =>
    runScripts(connection, {
      from: { dir },
      scripts: [{ name: 'version', path: scripts.version, timeoutMs: timeouts.version }],
      env: environmentOf(ctx, name, 'status', dir),
      signal: ctx.signal,
    }),
  );
  return result?.rc === 0 ? (parseVersionOutput(result.stdout, name) ?? null) : undefined;
}

/** A node may keep anything: what cannot be read is not asked. */
function readable(text: string): Manifest | undefined {
  try {
    return manifestOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function close(ctx: RunContext, { node, what, version }: Change): Promise<void> {
  const { from } = ctx.nodeView(node);
  const error: ErrorRecord = { code: OVERTAKEN, message: what.join(', '), hint: nextStep(ctx) };
  await ctx.record({ type: 'node.finished', node, outcome: 'overtaken', from, to: version ?? undefined, error });
}

/** An application that an interrupted backup, or a failure before its rollback, left stopped does not stay so with the run closed. */
async function startWhatStands(ctx: RunContext, packages: RunPackage | undefined, name: string): Promise<void> {
  const view = ctx.nodeView(name);
  const pkg = packageOn(packages, name);
  if (!pkg || view.outcome === 'overtaken') return;
  await startAgain(ctx, pkg, name);
  const backup = stepOf(view, 'backup');
  const scope = ctx.plan.backup?.nodes[name]?.own ?? ctx.plan.backup;
  if (scope?.quiet !== true || !backup || backup.state === 'done') return;
  const { lane, attempt } = backup;
  const job = { stateDir: ctx.node(name).stateDir, id: jobId(ctx.plan.run, name, 'backup', lane, attempt) };
  const { state } = await ctx.retryWhileUnreachable(name, (connection) => jobStatus(connection, job, ctx.signal));
  // A job that did not die starts the application itself.
  if (state !== 'unknown') return;
  try {
    await scriptJob(ctx, pkg, { node: name, step: 'start', action: 'backup', repeatable: true });
  } catch {
    ctx.signal.throwIfAborted();
  }
}

/** Nodes that an error names one by one. */
const NAMED = 20;

function overtaken(ctx: RunContext): ClusterliftError {
  const nodes = Object.values(ctx.view.nodes).filter(({ outcome }) => outcome === 'overtaken');
  const shown = nodes.slice(0, NAMED).map(({ name, error }) => `${name}: ${error?.message ?? 'it was changed'}`);
  const more = nodes.length > NAMED ? [`and ${String(nodes.length - NAMED)} more nodes`] : [];
  return new ClusterliftError({
    code: OVERTAKEN,
    message: `The plan is out of date. ${[...shown, ...more].join('; ')}`,
    hint: nextStep(ctx),
    exit: ExitStatus.refused,
  });
}

function nextStep({ plan }: RunContext): string {
  return advice`See what the nodes have now with \`clusterlift status --cluster ${plan.cluster}\`, then start a new run: it passes over nodes that are at its target.`;
}
