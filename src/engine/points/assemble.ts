import { mapLimit } from '../../base/async';
import { readPointId, type Part, type Point } from '../../backup/points/point';
import { assemblePoint, keepPackages, keepScripts, type KeptPackage } from '../../backup/lifecycle';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import type { RunContext } from '../control/context';
import type { PlanBackup } from '../journal/plan';
import { packageOn, type RunPackage } from '../control/runpackage';

/** Scripts are read from so many nodes at once. */
const AT_ONCE = 8;

/** The point of its parts. What the nodes keep of a package goes with the part of each; an upgrade's package is for all. */
export async function pointOf(
  ctx: RunContext,
  backup: PlanBackup,
  pkg: RunPackage | undefined,
  id: string,
  parts: readonly Part[],
): Promise<Point> {
  const { cluster, run } = ctx.plan;
  const scopes = [backup, ...Object.values(backup.nodes).map(({ own }) => own ?? backup)];
  const header = {
    id,
    cluster,
    created: readPointId(id)?.created ?? ctx.plan.created,
    run,
    reason: backup.reason,
    ...(backup.before === undefined ? {} : { before: backup.before }),
    package: pkg ? { product: pkg.product, version: pkg.version, sha256: pkg.sha256 ?? null } : null,
    exclude: [...new Set(scopes.flatMap(({ exclude }) => exclude))],
    quiet: scopes.some(({ quiet }) => quiet),
  };
  // A point before a restore is of the nodes, also where they have no package: earlier programs say that it is newer.
  if ((pkg?.place !== 'packages' && pkg?.on) || backup.reason === 'restore') {
    const { files, packages } = keepPackages(await keptOf(ctx, backup, pkg));
    const own = parts.map((part) => ({ ...part, package: packages.get(part.node) ?? null }));
    return assemblePoint({ ...header, manifest: null, scripts: {}, files }, own);
  }
  const files = pkg ? await pkg.scriptFiles() : [];
  const scripts = keepScripts(contents(files));
  return assemblePoint({ ...header, manifest: pkg ? JSON.stringify(pkg.manifestValue) : null, scripts }, parts);
}

/** What each node of the backup keeps, read from that node. */
async function keptOf(
  ctx: RunContext,
  backup: PlanBackup,
  packages: RunPackage | undefined,
): Promise<Map<string, KeptPackage | undefined>> {
  const names = Object.keys(backup.nodes);
  const kept = await mapLimit(names, AT_ONCE, async (name): Promise<[string, KeptPackage | undefined]> => {
    const pkg = packageOn(packages, name);
    if (!pkg) return [name, undefined];
    const { product, version, sha256 = null, manifestValue } = pkg;
    const scripts = contents(await ctx.retryWhileUnreachable(name, () => pkg.scriptFiles()));
    return [name, { product, version, sha256, manifest: JSON.stringify(manifestValue), scripts }];
  });
  ctx.signal.throwIfAborted();
  return new Map(
    kept.map((each) => {
      if (each.status === 'rejected') throw each.reason;
      return each.value;
    }),
  );
}

function contents(files: readonly ScriptFile[]): Record<string, Uint8Array> {
  return Object.fromEntries(files.map(({ path, content }) => [path, content]));
}
