import { advice } from '../../../base/shell';
import { ExitStatus } from '../../../base/errors';
import { formatSize } from '../../../base/units';
import { checkLocationName, parseLocation } from '../../../backup/points/location';
import { addLocation as checkNewLocation, listLocations as lookAtLocations } from '../../../backup/locations';
import * as edit from '../../../cluster/edit';
import type { BackupLocation } from '../../../cluster/model';
import type { Options } from '../../command';
import type { CommandContext } from '../../context';
import { withSite, stateless } from '../../site';
import { renderLocations } from '../../../terminal/backup';

/** `backup add <name> <uri>`: checks that the place can be reached and written from everywhere, then writes it down. */
export async function addLocation(
  ctx: CommandContext,
  { name, uri }: BackupLocation,
  options: Options,
): Promise<ExitStatus> {
  checkLocationName(name);
  // Before anything is asked or connected: what is wrong with the address shows without it.
  parseLocation({ name, uri });
  return withSite(ctx, options, async (site) => {
    edit.checkNewLocation(site.file, name);
    const { signal } = ctx;
    const reports = await checkNewLocation({ name, uri }, site.stores, stateless(site, site.nodes), signal);
    await edit.addLocation(site.file.path, name, uri);
    const frees = reports.flatMap(({ free }) => (free === undefined ? [] : [free]));
    const free = frees.length > 0 ? Math.min(...frees) : undefined;
    const created = reports.some((each) => each.created);
    ctx.ui.list([{ name, uri, free, created }], () => [
      `Added ${name}: ${uri}${free === undefined ? '' : `, ${formatSize(free)} free`}${created ? '; the repository was created' : ''}.`,
      advice`Back up to it with: \`clusterlift backup create ${name}\``,
    ]);
    return ExitStatus.ok;
  });
}

/** `backup remove <name>`: only from clusters.json; what lies there stays. */
export async function removeLocation(ctx: CommandContext, name: string, options: Options): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    await edit.removeLocation(site.file.path, name);
    ctx.ui.list([{ name, removed: true }], () => [
      `Removed ${name} from ${site.file.path}. Its restore points are kept.`,
    ]);
    return ExitStatus.ok;
  });
}

/** `backup list`: all locations with reachability, free space and number of points. */
export async function listLocations(ctx: CommandContext, options: Options): Promise<ExitStatus> {
  return withSite(ctx, options, async (site) => {
    const { signal } = ctx;
    const found = await lookAtLocations(site.file.locations, site.stores, stateless(site, site.nodes), signal);
    const rows = found.map((each) => ({ ...each, reachable: each.problems.length === 0 }));
    ctx.ui.list(rows, (theme) => renderLocations(rows, theme));
    return ExitStatus.ok;
  });
}
