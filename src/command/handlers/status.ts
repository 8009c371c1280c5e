import { ExitStatus } from '../../base/errors';
import { line } from '../../base/text';
import { manifestOf } from '../../package/manifest';
import type { NodeModel } from '../../cluster/model';
import { mapLimit } from '../../base/async';
import { membersOf, scriptEnvironment } from '../../engine/environment';
import { gatherFacts, type GatheredFacts } from '../../engine/node/facts';
import { installedVersion, parseRecord, type InstallRecord } from '../../engine/node/record';
import { parseVersionOutput } from '../../engine/version';
import { runScripts } from '../../ssh/short';
import { ClusterliftError } from '../../base/errors';
import type { Options } from '../command';
import type { CommandContext } from '../context';
import { openSite, type Site } from '../site';
import { renderStatus, type StatusRow } from '../terminal/status';

/** `status`: version, health and last run of each node, asked with what the last upgrade left there. */
export async function status(ctx: CommandContext, options: Options): Promise<ExitStatus> {
  const site = await openSite(ctx, options);
  try {
    const results = await mapLimit(site.nodes, 20, (node) => statusOf(ctx, site, node));
    ctx.detach.throwIfAborted();
    const rows = site.nodes.map((node, index) => {
      const result = results[index];
      return result?.status === 'fulfilled' ? result.value : unreachable(node, result?.reason);
    });
    ctx.face.list(rows, (look) => renderStatus(rows, look));
    return rows.some((row) => row.health === 'unreachable') ? ExitStatus.refused : ExitStatus.ok;
  } finally {
    await site.close();
  }
}

async function statusOf(ctx: CommandContext, site: Site, node: NodeModel): Promise<StatusRow> {
  const connection = site.connect(node);
  const signal = AbortSignal.any([ctx.stop, ctx.detach]);
  const facts = await gatherFacts(connection, { stateDir: node.stateDir, signal });
  const installed = lastInstalled(facts);
  const base = { node: node.name, roles: node.roles, note: noteOf(facts) };
  if (!installed) return { ...base, version: undefined, health: 'not-asked', lastRun: undefined };
  const { record, manifest: text, files } = installed;
  const lastRun = `${record.run} (${record.state === 'done' ? 'ended well' : record.state})`;
  if (text === undefined || files === undefined) {
    return { ...base, version: installedVersion(record), health: 'not-asked', lastRun };
  }
  const { scripts, timeouts } = manifestOf(JSON.parse(text));
  const asked = [
    { name: 'version', path: scripts.version, timeoutMs: timeouts.version },
    ...(scripts.health === undefined ? [] : [{ name: 'health', path: scripts.health, timeoutMs: 60_000 }]),
  ];
  const installedNow = installedVersion(record);
  const env = scriptEnvironment({
    action: 'status',
    cluster: site.cluster.name,
    run: '',
    primary: site.cluster.primary,
    node,
    members: membersOf(site.cluster),
    directory: files,
    from: installedNow,
    to: installedNow,
  });
  const [version, health] = await runScripts(connection, { from: { dir: files }, scripts: asked, env, signal });
  return {
    ...base,
    version: version?.rc === 0 ? parseVersionOutput(version.stdout, node.name) : undefined,
    health: health ? (health.rc === 0 ? 'healthy' : 'unhealthy') : 'not-asked',
    lastRun,
  };
}

export interface InstalledProduct {
  readonly record: InstallRecord;
  readonly manifest: string | undefined;
  readonly files: string | undefined;
}

/** The product that was upgraded last on a node, with what is kept of it. */
export function lastInstalled(facts: GatheredFacts): InstalledProduct | undefined {
  return facts.products
    .flatMap(({ record: text, manifest, files }) => {
      const record = text === undefined ? undefined : parseRecord(text);
      return record ? [{ record, manifest, files }] : [];
    })
    .sort((a, b) => b.record.time - a.record.time)[0];
}

function noteOf(facts: GatheredFacts): string | undefined {
  const notes = [
    ...facts.requests.map((request) => `waits for a ${request.kind}`),
    ...(facts.lock && !facts.lock.runClosed ? [`locked by ${facts.lock.owner.run}`] : []),
    ...facts.openJobs.filter((job) => job.state === 'running').map((job) => `job ${job.id} runs`),
  ];
  return notes.length > 0 ? line(notes.join('; '), 200) : undefined;
}

function unreachable(node: NodeModel, reason: unknown): StatusRow {
  if (!(reason instanceof ClusterliftError)) throw reason;
  const note = `${reason.code}: ${reason.message}`;
  return { node: node.name, roles: node.roles, version: undefined, health: 'unreachable', lastRun: undefined, note };
}
