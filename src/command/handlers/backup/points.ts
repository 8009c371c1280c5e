import { advice } from '../../../base/shell';
import { wallClock } from '../../../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../../../base/errors';
import { LOCAL_BACKUP, findLocation, localBackup } from '../../../backup/points/location';
import { verifyPoint as verify } from '../../../backup/lifecycle';
import { describeState } from '../../../backup/points/state';
import type { ListedPoint, ReadPoint, Store } from '../../../backup/points/store';
import { readPointId } from '../../../backup/points/point';
import type { Options } from '../../command';
import type { CommandContext } from '../../context';
import { withSite, stateless, type Site } from '../../site';
import { renderPoints, type PointRow } from '../../../terminal/backup';

/** `backup list <location>`: its restore points, oldest first. */
export async function listPoints(ctx: CommandContext, name: string, options: Options): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    const store = site.openStore(findLocation(name, site.file.locations));
    const points = await store.listPoints(stateless(site, site.nodes), ctx.signal);
    const rows = points.map((point) => rowOf(point, name));
    ctx.ui.list(rows, (theme) => renderPoints(rows, name, theme));
    return ExitStatus.ok;
  });
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
    before: point?.before,
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
  return withSite(ctx, clusterOf(id, options), async (site) => {
    const { signal } = ctx;
    const { store } = await findPoint(ctx, site, id, options.location);
    ctx.ui.busy(`reading ${id} back`);
    const only = options.nodes ? site.nodes.map(({ name }) => name) : undefined;
    const { state, trust, verdicts, unknown } = await verify(store, id, stateless(site, site.cluster.nodes), {
      by: ctx.by,
      now: new Date(wallClock()),
      only,
      journaled: await journaledDigest(ctx, id),
      signal,
    });
    ctx.ui.busy(undefined);
    const rows = Object.entries(verdicts).map(([node, verdict]) => ({ id, node, ...verdict }));
    const away = unknown.map(({ node, error }) => ({ id, node, result: 'unknown', reason: messageOf(error) }));
    const { kind, foreign } = trust;
    const told = foreign.length > 0 ? { foreign } : {};
    ctx.ui.list([...rows, ...away, { id, state: state.kind, trust: kind, ...told }], () => [
      ...[...rows, ...away].map(
        (each) => `${each.node}: ${each.result}${each.reason === undefined ? '' : ` (${each.reason})`}`,
      ),
      `Restore point ${id} is ${describeState(state)}.`,
      ...foreign.map(
        (node) => advice`${node} has no record of it. A restore there needs \`--override foreign-point=${node}\`.`,
      ),
    ]);
    if (unknown.length > 0) return ExitStatus.unknown;
    const good = only ? rows.every(({ result }) => result === 'verified') : state.kind === 'verified';
    return good ? ExitStatus.ok : ExitStatus.refused;
  });
}

/** The digest that a run on this machine wrote down when it made the point. */
export async function journaledDigest(ctx: CommandContext, id: string): Promise<string | undefined> {
  const runs = await ctx.runs.list();
  const made = runs.flatMap(({ plan, view }) => [
    ...(plan.backup === undefined ? [] : [view.point]),
    view.undo,
    ...Object.values(view.renewed),
  ]);
  return made.find((point) => point?.id === id && point.sha256 !== undefined)?.sha256;
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
  const { signal } = ctx;
  const named = location === undefined ? undefined : findLocation(location, locations);
  const candidates = named ? [named] : [localBackup(), ...locations.map(({ name }) => findLocation(name, locations))];
  const away: string[] = [];
  for (const candidate of candidates) {
    ctx.ui.busy(`looking for ${id} in ${candidate.name}`);
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
    hint: advice`List them: \`clusterlift backup list ${looked.at(-1) ?? LOCAL_BACKUP}\`; or name its location with --location.`,
    exit: ExitStatus.usage,
  });
}
