import { wallClock } from '../../../base/clock';
import type { ExitStatus } from '../../../base/errors';
import { findLocation } from '../../../backup/points/location';
import { madeWords, readPointId } from '../../../backup/points/point';
import type { Plan, PlanOptions } from '../../../engine/journal/plan';
import { prepareBackup } from '../../../engine/prepare/backup';
import { prepareRestore } from '../../../engine/prepare/restore';
import type { Command, Options } from '../../command';
import type { CommandContext } from '../../context';
import { formatRun } from '../../format';
import { GIVE_UP } from '../../resolve';
import { withSite } from '../../site';
import { askAndExecute } from '../execute';
import { clusterOf, findPoint, journaledDigest } from './points';

/** `backup create <location>`: a restore point of the cluster, verified, as a run like any other. */
export async function createPoint(
  ctx: CommandContext,
  command: Extract<Command, { kind: 'backup-create' }>,
): Promise<ExitStatus> {
  const { options, location } = command;
  ctx.ui.expectRun();
  return withSite(ctx, options, async (site) => {
    const { cluster, nodes } = site;
    const { plan, package: pkg } = await prepareBackup({
      cluster,
      nodes,
      store: site.openStore(findLocation(location, site.file.locations)),
      options: planOptions(options, location),
      overrides: options.override ?? [],
      command: formatRun(command),
      dryRun: options.dryRun ?? false,
      signal: ctx.signal,
      connect: (node) => site.connect(node),
    });
    const what = plan.backup?.quiet
      ? 'Its application is stopped during the backup.'
      : 'Its application keeps running.';
    const lead = cluster.production ? `${cluster.name} is a production cluster. ` : '';
    const question = `${lead}Back ${cluster.name} up to ${location}? ${what}`;
    return await askAndExecute(ctx, site, { plan, pkg, options, question, always: false });
  });
}

/** `backup restore <point>`: plan and checks, a confirmation, then the run. */
export async function restorePoint(
  ctx: CommandContext,
  command: Extract<Command, { kind: 'backup-restore' }>,
): Promise<ExitStatus> {
  const { options, point: id } = command;
  ctx.ui.expectRun();
  return withSite(ctx, clusterOf(id, options), async (site) => {
    const { cluster } = site;
    const { store, read } = await findPoint(ctx, site, id, options.location);
    const plan = await prepareRestore({
      cluster,
      only: options.nodes ? site.nodes : undefined,
      store,
      read,
      journaled: await journaledDigest(ctx, id),
      options: planOptions(options, 'none'),
      overrides: options.override ?? [],
      command: formatRun({ ...command, options: { ...options, location: store.location.name } }),
      dryRun: options.dryRun ?? false,
      signal: ctx.signal,
      connect: (node) => site.connect(node),
    });
    return await askAndExecute(ctx, site, { plan, pkg: undefined, options, question: question(plan), always: true });
  });
}

function planOptions({ giveUp, limitRate }: Options, backup: string): PlanOptions {
  return {
    mode: 'fast',
    backup,
    maxFailures: '0',
    onFailure: 'stop',
    giveUp: giveUp ?? GIVE_UP,
    healthStable: undefined,
    limitRate,
    distribution: 'direct',
    provisionMode: 'fast',
  };
}

function question(plan: Plan): string {
  const nodes = plan.nodes.map(({ name, from, to }) => `${name} ${from ?? '?'} → ${to ?? 'not installed'}`);
  const shown = nodes.length > 6 ? [...nodes.slice(0, 6), `… ${String(nodes.length - 6)} more`] : nodes;
  const id = plan.point?.id ?? '';
  const made = madeWords(readPointId(id)?.created ?? plan.created, wallClock());
  return `Restore ${plan.cluster} to the state of ${id}, ${made}? ${shown.join(', ')}. ${keptWords(plan)}`;
}

/** What becomes of what was written since the point was made. */
function keptWords({ undo, nodes }: Plan): string {
  if (!undo) return 'Changes made since then will be lost.';
  const kept = `Changes made since then are saved in restore point ${undo.id} first`;
  const lost = nodes.map(({ name }) => name).filter((name) => !Object.hasOwn(undo.backup.nodes, name));
  return lost.length === 0 ? `${kept}.` : `${kept}, but will be lost on ${lost.join(', ')}.`;
}
