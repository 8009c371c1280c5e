import type { RunHost } from '../../engine/run';
import type { CommandContext } from '../context';
import type { ReopenRequest } from '../../engine/prepare/reopen';
import { packageCache, type Site } from '../site';

/** What the engine needs of a command to work on a run. */
export function runHost(ctx: CommandContext, site: Pick<Site, 'connect' | 'openStore'>): RunHost {
  return {
    runs: ctx.runs,
    connect: (node) => site.connect(node.model),
    openStore: (location) => site.openStore(location),
    asker: ctx.asker,
    sink: ctx.ui.sink,
    detach: ctx.detach,
    stop: ctx.stop,
    by: ctx.by,
    control: (run) => ctx.live.serve(run),
  };
}

/** Where the package of a run that is gone on with is looked for. */
export function reopenRequest(ctx: CommandContext, site: Pick<Site, 'connect'>): ReopenRequest {
  return {
    cwd: ctx.cwd,
    cache: packageCache(ctx),
    urlAuth: ctx.secrets.get('url-auth'),
    sink: ctx.ui.sink,
    signal: ctx.signal,
    connect: (node) => site.connect(node.model),
  };
}
