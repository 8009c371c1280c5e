import { sleep } from '../../base/async';
import { monotonic } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { BackupNode, ReadPoint, Store } from '../../backup/points/store';
import { demandDigest } from '../../backup/points/trust';
import { isPassing, type RunContext } from '../control/context';
import type { PlanPoint } from '../journal/plan';
import { changesBegun } from '../journal/view';

/** A node or a backup server may be away for so long while nothing is changed. Milliseconds. */
const BACKUP_MAX_AWAY = 10 * 60_000;
/** A backup server that comes back is taken up again; one that is gone for longer is told. Milliseconds. */
const SERVER_MAX_AWAY = 60_000;

/** A node of the run, as the backup room sees it. */
export function backupNode(ctx: RunContext, name: string): BackupNode {
  return { name, connection: ctx.connection(name), stateDir: ctx.node(name).stateDir };
}

function backupNodes(ctx: RunContext): BackupNode[] {
  return ctx.plan.nodes.map(({ name }) => backupNode(ctx, name));
}

/** The restore point of the plan and its store. */
export function storeOf(ctx: RunContext): { store: Store; planned: PlanPoint } {
  const planned = ctx.plan.point;
  if (!planned) throw new Error(`The plan of ${ctx.plan.run} names no restore point`);
  return { store: ctx.services.openStore({ name: planned.location, uri: planned.uri }), planned };
}

/**
 * Work on a node that may also need the backup server: either may go away and come back. `work` must bear repetition.
 * @throws ClusterliftError `node-unknown` about the node, or what the server is lost by
 */
export async function retryOnNodeAndServer<T>(
  ctx: RunContext,
  name: string,
  work: () => Promise<T>,
  maxAway = Math.min(BACKUP_MAX_AWAY, ctx.giveUp),
): Promise<T> {
  // In the middle of a change, what is lost is the way on, not the node.
  const exit = changesBegun(ctx.nodeView(name)) ? ExitStatus.unknown : ExitStatus.failed;
  return whileServerReturns(ctx, exit, () =>
    ctx.retryWhileUnreachable(
      name,
      async () => {
        try {
          return { value: await work() };
        } catch (error) {
          // The context would wait for the node, and it is there.
          if (isPassing(error) && error.node !== name) return { server: error };
          throw error;
        }
      },
      maxAway,
    ),
  );
}

/** The same for work with the server alone. */
export async function retryOnServer<T>(ctx: RunContext, work: () => Promise<T>): Promise<T> {
  const exit = Object.values(ctx.view.nodes).some(changesBegun) ? ExitStatus.unknown : ExitStatus.failed;
  return whileServerReturns(ctx, exit, async () => {
    try {
      return { value: await work() };
    } catch (error) {
      if (isPassing(error)) return { server: error };
      throw error;
    }
  });
}

async function whileServerReturns<T>(
  ctx: RunContext,
  exit: ExitStatus,
  work: () => Promise<{ readonly value: T } | { readonly server: ClusterliftError }>,
): Promise<T> {
  const maxAway = Math.min(SERVER_MAX_AWAY, ctx.giveUp);
  let awaySince: number | undefined;
  for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
    const startedAt = monotonic();
    const result = await work();
    if ('value' in result) return result.value;
    // A server that was back for a while and is away again gets the whole time again.
    awaySince = monotonic() - startedAt > SERVER_MAX_AWAY ? monotonic() : (awaySince ?? monotonic());
    if (monotonic() + wait - awaySince > maxAway) throw lostServer(result.server, exit);
    await sleep(wait, ctx.signal);
  }
}

/**
 * The restore point of the run, exactly the one that was planned or made.
 * @param own another point that the run made, and the nodes that it is of
 * @throws ClusterliftError `point-changed`, …
 */
export async function readPinned(
  ctx: RunContext,
  own?: { readonly id: string; readonly sha256: string | undefined; readonly nodes: readonly string[] },
): Promise<ReadPoint> {
  const { store, planned } = storeOf(ctx);
  const nodes = own ? own.nodes.map((name) => backupNode(ctx, name)) : backupNodes(ctx);
  const read = await retryOnServer(ctx, () => store.readPoint(own?.id ?? planned.id, nodes, ctx.signal));
  demandDigest(read, own ? own.sha256 : (planned.sha256 ?? ctx.view.point?.sha256), 'the journal of the run');
  return read;
}

/** Nothing was changed by what could not be stored or read. */
function lostServer(error: ClusterliftError, exit: ExitStatus): ClusterliftError {
  return new ClusterliftError({
    ...error.detail(),
    code: 'server-lost',
    message: `The backup server is away: ${error.message}`,
    hint:
      exit === ExitStatus.unknown
        ? 'Check the server and the network; when it can be reached again, go on with `clusterlift resume RUN`.'
        : 'Check the server and the network: `clusterlift backup list` tells when it can be reached again. Then start the command again.',
    exit,
    node: undefined,
  });
}
