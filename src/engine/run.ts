import { atMost } from '../base/async';
import { ClusterliftError } from '../base/errors';
import { self } from '../base/process';
import { runBackup } from './actions/backup';
import { RunContext, type RunServices } from './control/context';
import { applyDecisions, type Decision } from './steps/decisions';
import type { Event, JournalEntry } from './journal/events';
import { keepLocks } from './control/locks';
import { keepMirrors } from './control/mirror';
import { NodeLogs } from './journal/nodelog';
import { closeOlder } from './control/older';
import type { Plan } from './journal/plan';
import { runProvision } from './actions/provision';
import { runRestore } from './actions/restore';
import type { Image, RunPackage, Scripts } from './control/runpackage';
import { planDigest, type OwnedRun, type Runs } from './journal/runs';
import { requestStop } from './control/stop';
import { runUpgrade } from './actions/upgrade';
import { changesBegun, isResumable, type RunView } from './journal/view';

/** Milliseconds for connections to say goodbye. */
const CLOSING = 3000;

/** What is needed to work on a run, besides what the run itself needs. */
export interface RunHost extends Omit<RunServices, 'isClosed'> {
  readonly runs: Runs;
  /** Aborts when a person wants no further node to be begun. */
  readonly stop: AbortSignal;
  /** Lets others follow, stop and answer while the run is on. */
  control?(ctx: RunContext): Promise<{ close(): Promise<void>; sink(event: Event | JournalEntry): void }>;
}

/**
 * Executes a plan. It ends with the run's last line, or when this process detaches (on request, taken over, journal not
 * writable).
 * @param pkg an image for an upgrade, scripts for a provision or a backup
 * @throws the reason of a refusal before the first change; that of the detach signal
 */
export async function startRun(host: RunHost, plan: Plan, pkg: RunPackage | undefined): Promise<RunView> {
  const owned = await host.runs.create(plan);
  return work(host, owned, pkg, async (ctx) => {
    const { host: machine, pid } = self();
    const { run, action, cluster } = plan;
    await ctx.record({
      type: 'run.started',
      run,
      action,
      cluster,
      plan: planDigest(plan),
      host: machine,
      pid,
      epoch: ctx.epoch,
    });
    for (const code of plan.overrides) await ctx.record({ type: 'override', code, by: host.by });
  });
}

/** What a person says to a run that is gone on with. */
export interface Resumption {
  readonly decisions: readonly Decision[];
  readonly overrides: readonly string[];
  /** Nodes that are reached at another address by now. */
  readonly moved: readonly { readonly node: string; readonly place: string }[];
  /** Nodes that the run goes on without. */
  readonly leftOut: readonly string[];
  /** The plan with the nodes as clusters.json has them today. */
  today(plan: Plan): Plan;
}

/** Goes on with a run that nobody works on. @throws ClusterliftError `run-owned`, `run-closed`, and as `startRun` */
export async function resumeRun(
  host: RunHost,
  run: string,
  pkg: RunPackage | undefined,
  by: Resumption,
): Promise<RunView> {
  const { decisions, overrides, moved, leftOut } = by;
  const owned = await host.runs.take(run);
  return work(host, { ...owned, plan: by.today(owned.plan) }, pkg, async (ctx) => {
    const { host: machine, pid } = self();
    await ctx.record({ type: 'run.resumed', host: machine, pid, epoch: ctx.epoch });
    for (const node of leftOut) await ctx.record({ type: 'node.left-out', node, by: host.by });
    for (const each of moved) await ctx.record({ type: 'node.moved', ...each, by: host.by });
    for (const code of overrides) await ctx.record({ type: 'override', code, by: host.by });
    await applyDecisions(ctx, decisions);
  });
}

async function work(
  host: RunHost,
  owned: OwnedRun,
  pkg: RunPackage | undefined,
  open: (ctx: RunContext) => Promise<void>,
): Promise<RunView> {
  const logs = new NodeLogs(owned.folder);
  const sinks = [logs.sink, host.sink];
  const sink = (event: Event | JournalEntry): void => {
    for (const each of sinks) each(event);
  };
  const ctx = new RunContext(
    owned.plan,
    owned.folder,
    { ...host, sink, isClosed: (run) => isClosed(host.runs, run) },
    owned.journal,
    owned.entries,
  );
  const control = await host.control?.(ctx);
  if (control)
    sinks.push((event) => {
      control.sink(event);
    });
  const onStop = (): void => {
    requestStop(ctx, host.by);
  };
  host.stop.addEventListener('abort', onStop);
  const locks = keepLocks(ctx);
  const mirrors = keepMirrors(ctx);
  try {
    await open(ctx);
    await act(ctx, pkg);
    await closeOlder(host.runs, ctx.view);
    return ctx.view;
  } catch (error) {
    throw error instanceof ClusterliftError ? withOpen(ctx.view, error).of(owned.plan.run) : error;
  } finally {
    host.stop.removeEventListener('abort', onStop);
    locks.stop();
    await mirrors.stop();
    await control?.close();
    await atMost(CLOSING, ctx.close());
    await logs.close();
    await owned.release();
  }
}

/** Without a journal there is no report, so the error itself names the nodes that are in the middle of their change. */
function withOpen(view: RunView, error: ClusterliftError): ClusterliftError {
  const open = Object.values(view.nodes).filter((node) => changesBegun(node) && node.outcome === undefined);
  if (error.code !== 'journal-write' || open.length === 0) return error;
  const names = open.map(({ name }) => name).join(', ');
  const message = `${error.message}. In the middle of the change, with the application perhaps down: ${names}`;
  return new ClusterliftError({ ...error.detail(), message });
}

async function isClosed(runs: Runs, run: string): Promise<boolean> {
  const record = await runs.read(run).catch(() => undefined);
  return record !== undefined && !isResumable(record.view);
}

async function act(ctx: RunContext, pkg: RunPackage | undefined): Promise<void> {
  switch (ctx.plan.action) {
    case 'upgrade':
      return runUpgrade(ctx, demandImage(pkg));
    case 'provision':
      return runProvision(ctx, demandScripts(pkg));
    case 'backup':
      return runBackup(ctx, pkg && demandScripts(pkg));
    case 'restore':
      // Its package is the restore point.
      return runRestore(ctx);
  }
}

/** The action of a plan says which of the two it needs: another one is a fault of this program. */
function demandImage(pkg: RunPackage | undefined): Image {
  if (pkg?.place !== 'packages') throw new Error('An upgrade needs an image');
  return pkg;
}

function demandScripts(pkg: RunPackage | undefined): Scripts {
  if (!pkg || pkg.place === 'packages') throw new Error('The scripts of the installed package are missing');
  return pkg;
}
