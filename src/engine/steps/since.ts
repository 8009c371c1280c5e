import { sameVersion } from '../../package/version';
import type { NodePast } from '../node/past';
import { parseRecord, recordedVersion as vouchedFor, type InstallRecord } from '../node/record';
import type { Plan, PlanNode, SeenPast } from '../journal/plan';
import { changesBegun, stepOf, type NodeView, type RunView } from '../journal/view';

/**
 * What others did to a node since a plan was made. Every job that changes a node names its run in `lock/changed`, so a run
 * of others is known by name; a change by hand is known by the version. Backups leave neither, and are no change.
 */
export interface Change {
  readonly node: string;
  /** In words, each about this node. */
  readonly what: readonly string[];
  /** The version that the node has now. Null: nothing is installed; undefined: not known. */
  readonly version: string | null | undefined;
}

/** Undefined: it was not asked, or it could not say. Null: nothing is installed. */
export type AskedVersion = string | null | undefined;

/** Compares a node with the plan. Pure. @returns undefined: only this run has changed it */
export function changeSince(
  plan: Plan,
  view: RunView,
  name: string,
  past: NodePast,
  asked: AskedVersion,
): Change | undefined {
  const planned = plan.nodes.find((each) => each.name === name);
  const node = view.nodes[name];
  if (!planned || !node) return undefined;
  const records = recordsOf(past);
  const what = [
    ...runsSince(plan, planned, past, records).map((run) => `run ${run} changed it`),
    ...versionSince(plan, planned, node, past, records, asked),
    ...requestsSince(view, planned, node, past),
  ];
  if (what.length === 0) return undefined;
  return { node: name, what, version: asked === undefined ? recordedVersion(records) : asked };
}

/** A record in the plan: it is another one when its run or its time is. */
export function seenRecord({ run, time }: InstallRecord): string {
  return `${run} ${String(time)}`;
}

/** The records of a node that make sense. */
export function recordsOf({ products }: Pick<NodePast, 'products'>): InstallRecord[] {
  return products.flatMap(({ product, record }) => {
    const parsed = record === undefined ? undefined : parseRecord(record);
    return parsed ? [{ ...parsed, product }] : [];
  });
}

/** Did this run itself change the node, as the node says? Then it may be further than a journal that lags. */
function isOurs(plan: Plan, past: NodePast, records: readonly InstallRecord[]): boolean {
  return markedRun(past.changed) === plan.run || records.some(({ run }) => run === plan.run);
}

/** The run in `<epoch> <run>`. */
function markedRun(mark: string | undefined): string | undefined {
  return mark?.slice(mark.indexOf(' ') + 1);
}

function runsSince(plan: Plan, { seen }: PlanNode, past: NodePast, records: readonly InstallRecord[]): string[] {
  const marked = markedRun(past.changed);
  const isNew = seen ? past.changed !== seen.changed : isLater(marked, plan.run);
  const runs = [
    ...(marked !== undefined && isNew ? [marked] : []),
    ...records.filter((record) => isNewRecord(plan, seen, record)).map(({ run }) => run),
  ];
  return [...new Set(runs)].filter((run) => run !== plan.run);
}

function isNewRecord(plan: Plan, seen: SeenPast | undefined, record: InstallRecord): boolean {
  if (!seen) return isLater(record.run, plan.run);
  const then = Object.hasOwn(seen.records, record.product) ? seen.records[record.product] : undefined;
  return then !== seenRecord(record);
}

/** For plans that do not say what they saw: names of runs begin with their time. */
function isLater(run: string | undefined, than: string): boolean {
  const time = (name: string): string => /^\d{8}T\d{6}Z-/.exec(name)?.[0] ?? '';
  return run !== undefined && time(run) !== '' && time(than) !== '' && time(run) > time(than);
}

function versionSince(
  plan: Plan,
  planned: PlanNode,
  node: NodeView,
  past: NodePast,
  records: readonly InstallRecord[],
  asked: AskedVersion,
): string[] {
  const wanted = wantedVersion(plan, planned, node);
  if (asked === undefined || wanted === undefined || sameVersion(asked ?? '', wanted ?? '')) return [];
  if (node.outcome === undefined && isOurs(plan, past, records)) return [];
  return [`it has ${words(asked)}, the plan expected ${words(wanted)}`];
}

/** The version that a node must have while only this run changes it. Undefined: anything is possible, or nobody knows. */
function wantedVersion(plan: Plan, planned: PlanNode, node: NodeView): AskedVersion {
  if (isMidway(plan, node)) return undefined;
  const before = planned.seen ? planned.seen.version : plan.action === 'upgrade' ? planned.from : undefined;
  switch (node.outcome) {
    case 'upgraded':
      return plan.action === 'upgrade' ? (planned.to ?? null) : before;
    case 'restored':
      return planned.to ?? null;
    case 'rolled-back':
    case 'unchanged':
    case 'provisioned':
    case 'backed-up':
    case 'not-started':
    case undefined:
      return before;
    case 'failed':
    case 'wrong-version':
    case 'unknown':
    case 'overtaken':
      return undefined;
  }
}

/** Has the run begun with a node and not come to an end there? Then the node may be anything in between. */
export function isMidway({ action }: Pick<Plan, 'action'>, node: NodeView): boolean {
  if (node.outcome === 'overtaken') return false;
  const provision = stepOf(node, 'provision');
  const begun = changesBegun(node) || (provision !== undefined && provision.state !== 'done');
  if (node.outcome === undefined || node.outcome === 'unknown') return begun;
  // While an upgrade is rolled back, its nodes keep the outcome of the way there.
  const back = node.steps.filter(({ lane, step }) => lane === 'rollback' && step !== 'stage' && step !== 'unpack');
  if (action !== 'upgrade' || node.outcome === 'rolled-back') return false;
  return back.length > 0 && !back.some(({ state }) => state === 'failed');
}

/** Requests that the run is to fulfil and that are fulfilled already, but not by it. */
function requestsSince(view: RunView, { requests }: PlanNode, node: NodeView, past: NodePast): string[] {
  const begun = (step: 'provision' | 'reboot', nodes: readonly NodeView[]): boolean =>
    nodes.some(({ steps }) => steps.some((each) => each.step === step || each.lane === 'rollback'));
  return requests
    .filter((kind) => !past.requests.includes(kind))
    .filter((kind) => !begun(kind, kind === 'reboot' ? [node] : Object.values(view.nodes)))
    .map((kind) => `the ${kind} that it waited for is done`);
}

/** The version that the newest record vouches for. */
function recordedVersion(records: readonly InstallRecord[]): AskedVersion {
  const last = [...records].sort((a, b) => b.time - a.time)[0];
  return last && vouchedFor(last);
}

function words(version: string | null): string {
  return version ?? 'nothing installed';
}
