import { ExitStatus } from '../../base/errors';
import { line } from '../../base/text';
import type { NodeModel } from '../../cluster/model';
import { mapLimit } from '../../base/async';
import { gatherFacts, type GatheredFacts } from '../../engine/node/facts';
import { recordedVersion } from '../../engine/node/record';
import { askInstalled } from '../../engine/prepare/ask-installed';
import { ClusterliftError } from '../../base/errors';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { withSite, type Site } from '../site';
import { renderStatus, type StatusRow } from '../../terminal/status';

/** `status`: version, health and last run of each node, asked with what the last upgrade left there. */
export async function status(ctx: CommandContext, options: Options): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    const results = await mapLimit(site.nodes, 20, (node) => statusOf(ctx, site, node));
    ctx.detach.throwIfAborted();
    const rows = site.nodes.map((node, index) => {
      const result = results[index];
      return result?.status === 'fulfilled' ? result.value : unreachable(node, result?.reason);
    });
    ctx.ui.list(rows, (theme) => renderStatus(rows, theme));
    return rows.some((row) => row.health === 'unreachable') ? ExitStatus.refused : ExitStatus.ok;
  });
}

async function statusOf(ctx: CommandContext, site: Site, node: NodeModel): Promise<StatusRow> {
  const connection = site.connect(node);
  const { signal } = ctx;
  const facts = await gatherFacts(connection, { stateDir: node.stateDir, signal });
  if (facts.state.foreign) throw foreignState(node, facts);
  const base = { node: node.name, roles: node.roles, note: noteOf(facts) };
  const asked = await askInstalled(connection, { cluster: site.cluster, node, facts, signal });
  if (!asked) return { ...base, version: undefined, health: 'not-asked', lastRun: undefined };
  const { record, version, versionFrom, versionError, health } = asked;
  if (versionError) throw versionError;
  return {
    ...base,
    version:
      versionFrom === 'script' ? (version ?? null) : versionFrom === 'record' ? recordedVersion(record) : undefined,
    health: health ? (health.rc === 0 ? 'healthy' : 'unhealthy') : 'not-asked',
    lastRun: `${record.run} (${record.state === 'done' ? 'succeeded' : record.state})`,
  };
}

/** Programs that somebody else put there are not run to find out a version. */
function foreignState({ name }: NodeModel, { state }: GatheredFacts): ClusterliftError {
  return new ClusterliftError({
    code: 'state-foreign',
    message: `the state directory ${state.path} belongs to another user`,
    hint: 'Use the same user and "become" as before, or another "stateDir".',
    exit: ExitStatus.refused,
    node: name,
  });
}

function noteOf(facts: GatheredFacts): string | undefined {
  const notes = [
    ...facts.requests.map((request) => `${request.kind} pending`),
    ...(facts.lock && !facts.lock.runClosed ? [`locked by ${facts.lock.owner.run}`] : []),
    ...facts.openJobs.filter((job) => job.state === 'running').map((job) => `job ${job.id} is running`),
  ];
  return notes.length > 0 ? line(notes.join('; '), 200) : undefined;
}

function unreachable(node: NodeModel, reason: unknown): StatusRow {
  if (!(reason instanceof ClusterliftError)) throw reason;
  const note = `${reason.code}: ${reason.message}`;
  return { node: node.name, roles: node.roles, version: undefined, health: 'unreachable', lastRun: undefined, note };
}
