import { wallClock } from '../../../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../../../base/errors';
import { LOCAL_BACKUP, findLocation, localBackup } from '../../../backup/location';
import { cleanLocation, verifyPoint as verify } from '../../../backup/points';
import { describeState } from '../../../backup/state';
import type { ListedPoint, ReadPoint, Store } from '../../../backup/store';
import { readPointId } from '../../../backup/point';
import { listMirrors, readMirror } from '../../../engine/node/mirror';
import { parsePlan } from '../../../engine/schema';
import { isResumable } from '../../../engine/view';
import type { Options } from '../../command';
import type { CommandContext } from '../../context';
import { openSite, stateless, type Site } from '../../site';
import { renderClean, renderPoints, type PointRow } from '../../terminal/backup';

/** `backup list <location>`: its restore points, oldest first. */
export async function listPoints(ctx: CommandContext, name: string, options: Options): Promise<ExitStatus> {
  const site = await openSite(ctx, options);
  try {
    const store = site.openStore(findLocation(name, site.file.locations));
    const points = await store.listPoints(stateless(site, site.nodes), AbortSignal.any([ctx.stop, ctx.detach]));
    const rows = points.map((point) => rowOf(point, name));
    ctx.face.list(rows, (look) => renderPoints(rows, name, look));
    return ExitStatus.ok;
  } finally {
    await site.close();
  }
}

function rowOf({ id, cluster, created, state, point, status, bytes }: ListedPoint, location: string): PointRow {
  const nodes = Object.entries(point?.nodes ?? {}).map(([name, part]): [string, PointRow['nodes'][string]] => [
    name,
    {
      version: part.version ?? undefined,
      bytes: part.data.bytes,
      state: status?.nodes[name]?.result ?? 'complete',
      paths: part.paths.map((each) => each.path),
      warnings: part.warnings,
    },
  ]);
  return {
    id,
    location,
    cluster,
    created,
    reason: point?.reason,
    run: point?.run ?? undefined,
    package: point?.package ? { product: point.package.product, version: point.package.version } : undefined,
    bytes,
    state: state.kind,
    ...(state.kind === 'broken' || state.kind === 'incomplete' ? { problem: describeState(state) } : {}),
    nodes: Object.fromEntries(nodes),
  };
}

/** `backup verify <point>`: reads every part back, or those of `--nodes`, and keeps the verdict with the point. Status 3 when one is broken. */
export async function verifyPoint(ctx: CommandContext, id: string, options: Options): Promise<ExitStatus> {
  const site = await openSite(ctx, clusterOf(id, options));
  try {
    const signal = AbortSignal.any([ctx.stop, ctx.detach]);
    const { store } = await findPoint(ctx, site, id, options.location);
    ctx.face.busy(`reading ${id} back`);
    const only = options.nodes ? site.nodes.map(({ name }) => name) : undefined;
    const { state, trust, verdicts, unknown } = await verify(store, id, stateless(site, site.cluster.nodes), {
      by: ctx.by,
      now: new Date(wallClock()),
      only,
      journaled: await journaledDigest(ctx, id),
      signal,
    });
    ctx.face.busy(undefined);
    const rows = Object.entries(verdicts).map(([node, verdict]) => ({ id, node, ...verdict }));
    const away = unknown.map(({ node, error }) => ({ id, node, result: 'unknown', reason: messageOf(error) }));
    ctx.face.list([...rows, ...away, { id, state: state.kind, trust: trust.kind }], () => [
      ...[...rows, ...away].map(
        (each) => `${each.node}: ${each.result}${each.reason === undefined ? '' : ` (${each.reason})`}`,
      ),
      `Restore point ${id} is ${describeState(state)}.`,
      ...(trust.kind === 'known'
        ? []
        : ['No node that could be asked knows it: a restore needs --override foreign-point.']),
    ]);
    if (unknown.length > 0) return ExitStatus.unknown;
    const good = only ? rows.every(({ result }) => result === 'verified') : state.kind === 'verified';
    return good ? ExitStatus.ok : ExitStatus.refused;
  } finally {
    await site.close();
  }
}

/** `backup clean <location> keep <n>`: for this cluster. */
export async function cleanPoints(
  ctx: CommandContext,
  name: string,
  keep: number,
  options: Options,
): Promise<ExitStatus> {
  const site = await openSite(ctx, options);
  try {
    const { cluster } = site;
    const signal = AbortSignal.any([ctx.stop, ctx.detach]);
    const store = site.openStore(findLocation(name, site.file.locations));
    const nodes = stateless(site, cluster.nodes);
    const used = await pointsInUse(ctx, site);
    const what = { cluster: cluster.name, keep, used, now: new Date(wallClock()), signal };
    const plan = await cleanLocation(store, nodes, { ...what, dryRun: true });
    const rows = [
      ...plan.remove.map(({ id }) => ({ id, removed: !options.dryRun, why: undefined })),
      ...plan.keep.map(({ point, why }) => ({ id: point.id, removed: false, why })),
    ];
    if (plan.remove.length > 0 && !options.dryRun) {
      if (cluster.production) {
        const count = String(plan.remove.length);
        await ctx.face.confirm(`Remove ${count} restore points of ${cluster.name} from ${name}?`, cluster.name);
      }
      const wanted = new Set(plan.remove.map(({ id }) => id));
      await cleanLocation(store, nodes, { ...what, dryRun: false, only: wanted });
    }
    ctx.face.list(rows, (look) => renderClean(plan, { dryRun: options.dryRun ?? false, location: name }, look));
    return ExitStatus.ok;
  } finally {
    await site.close();
  }
}

/** The points that runs refer to which are not over, as far as this machine and the nodes know. */
async function pointsInUse(ctx: CommandContext, site: Site): Promise<Set<string>> {
  const runs = await ctx.runs.list();
  const here = runs.filter(({ view }) => isResumable(view)).map(({ plan }) => plan.point?.id);
  // A copy on a node may have missed that its run ended, or was abandoned.
  const over = new Set(runs.filter(({ view }) => !isResumable(view)).map(({ plan }) => plan.run));
  const there = await Promise.all(
    site.cluster.nodes.map(async (node) => {
      const connection = site.connect(node);
      const open = (await listMirrors(connection, node.stateDir)).filter(({ run, open }) => open && !over.has(run));
      const plans = await Promise.all(open.map(({ run }) => readMirror(connection, node.stateDir, run)));
      return plans.map(({ plan }) => pointOf(plan));
    }),
  );
  return new Set([...here, ...there.flat()].filter((id) => id !== undefined));
}

/** What a node says of a plan is foreign: one that cannot be read names no point. */
function pointOf(plan: Buffer): string | undefined {
  try {
    return parsePlan(plan.toString('utf8'), 'the plan on the node').point?.id;
  } catch {
    return undefined;
  }
}

/** The digest that a run on this machine wrote down when it made the point. */
export async function journaledDigest(ctx: CommandContext, id: string): Promise<string | undefined> {
  const runs = await ctx.runs.list();
  return runs.find(({ plan, view }) => plan.point?.id === id && plan.backup !== undefined && view.point?.sha256)?.view
    .point?.sha256;
}

/** The id names its cluster: nobody has to say it again where the file has one of that name. */
export function clusterOf(id: string, options: Options): Options {
  const cluster = options.cluster ?? readPointId(id)?.cluster;
  return cluster === undefined ? options : { ...options, cluster };
}

/**
 * Finds the location that a point lies in: the named one, else all are looked at.
 * @throws ClusterliftError `point-unknown` (status 2), or why the locations cannot be asked
 */
export async function findPoint(
  ctx: CommandContext,
  site: Site,
  id: string,
  location: string | undefined,
): Promise<{ readonly store: Store; readonly read: ReadPoint }> {
  const { locations } = site.file;
  const nodes = stateless(site, site.cluster.nodes);
  const signal = AbortSignal.any([ctx.stop, ctx.detach]);
  const named = location === undefined ? undefined : findLocation(location, locations);
  const candidates = named ? [named] : [localBackup(), ...locations.map(({ name }) => findLocation(name, locations))];
  const away: string[] = [];
  for (const candidate of candidates) {
    ctx.face.busy(`looking for ${id} in ${candidate.name}`);
    const store = site.openStore(candidate);
    try {
      return { store, read: await store.readPoint(id, nodes, signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (named || !(error instanceof ClusterliftError)) throw error;
      if (isOfThePoint(error)) throw error;
      if (error.code !== 'point-unknown') away.push(`${candidate.name} cannot be asked (${error.message})`);
    }
  }
  throw notFound(
    id,
    candidates.map(({ name }) => name),
    away,
  );
}

/** It is there, and something is wrong with it. */
function isOfThePoint({ code }: ClusterliftError): boolean {
  return code.startsWith('point-') && code !== 'point-unknown';
}

function notFound(id: string, looked: readonly string[], away: readonly string[]): ClusterliftError {
  return new ClusterliftError({
    code: 'point-unknown',
    message: `There is no restore point ${id} in ${looked.join(', ')}${away.length > 0 ? `; ${away.join('; ')}` : ''}`,
    hint: `List them: \`clusterlift backup list ${looked.at(-1) ?? LOCAL_BACKUP}\`; or name its location with --location.`,
    exit: ExitStatus.usage,
  });
}
