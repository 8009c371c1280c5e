import { isDeepStrictEqual } from 'node:util';
import { line } from '../../base/text';
import { findLocation } from '../../backup/points/location';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Cluster, ClustersFile, NodeModel } from '../../cluster/model';
import { manifestOf } from '../../package/manifest';
import { membersOf } from '../steps/environment';
import { onNodeOf } from '../control/runpackage';
import type { Plan } from '../journal/plan';
import type { RunView } from '../journal/view';

/**
 * A plan was frozen when clusters.json said something else, perhaps, or on another machine. How nodes are reached, and
 * what belongs to the cluster, is what clusters.json says today.
 */

/** What clusters.json says otherwise today. */
export interface Change {
  /** Also the name that `--override` takes, but for `primary-gone`. */
  readonly code: 'node-gone' | 'node-moved' | 'primary-changed' | 'primary-gone';
  readonly node: string | undefined;
  readonly message: string;
  readonly question: string;
  /** What an override does, to end the sentence "`clusterlift resume …` …". */
  readonly way: string;
  /** Where the node is by now. */
  readonly place?: string;
}

/** The plan as it is carried out: its nodes are those of clusters.json. Nodes that are not there stay as they were. */
export function planToday(plan: Plan, cluster: Cluster): Plan {
  return {
    ...plan,
    production: plan.production || cluster.production,
    members: membersOf(cluster),
    nodes: plan.nodes.map((node) => ({ ...node, model: modelToday(cluster, node.name) ?? node.model })),
  };
}

function modelToday(cluster: Cluster, name: string): NodeModel | undefined {
  return cluster.nodes.find((node) => node.name === name);
}

/** Nodes that left the file, or are at another place by its words. Pure. */
export function changesSince(view: Pick<RunView, 'plan' | 'places'>, cluster: Cluster): Change[] {
  const { primary, nodes } = view.plan;
  const changes = nodes.flatMap(({ name, model, stateDir }): Change[] => {
    const now = modelToday(cluster, name);
    if (!now) return [name === primary ? primaryGone(name) : nodeGone(name)];
    const place = placeOf(now);
    if (view.places[name] === place) return [];
    const stated = now.stateDir === undefined || now.stateDir === stateDir ? undefined : now.stateDir;
    const differences = [
      ...KEYS.filter((key) => now[key] !== model[key]).map((key) => said(key, model[key], now[key])),
      ...(stated === undefined ? [] : [said('stateDir', stateDir, stated)]),
    ];
    return differences.length === 0 ? [] : [{ ...nodeMoved(name, differences), place }];
  });
  const otherPrimary = cluster.primary !== primary && modelToday(cluster, primary) !== undefined;
  return otherPrimary ? [...changes, primaryChanged(primary, cluster.primary)] : changes;
}

/** Where a node is, and as whom it is reached: two of them are compared. */
export function placeOf(model: NodeModel): string {
  return JSON.stringify([...KEYS.map((key) => model[key] ?? null), model.stateDir ?? null]);
}

function nodeGone(node: string): Change {
  const message = `${node} left clusters.json`;
  return { code: 'node-gone', node, message, question: `Go on without ${node}?`, way: `goes on without ${node}` };
}

function nodeMoved(node: string, differences: readonly string[]): Change {
  return {
    code: 'node-moved',
    node,
    message: `${node} changed in clusters.json (${differences.join(', ')})`,
    question: `Go on with it as it is now? It must keep the plan and the lock of this run.`,
    way: `goes on with it as it is now, if it keeps the plan and the lock of this run`,
  };
}

function primaryChanged(before: string, now: string): Change {
  return {
    code: 'primary-changed',
    node: undefined,
    message: `The primary changed in clusters.json (it was ${before} and is ${now})`,
    question: `Go on with ${before} as the primary?`,
    way: `goes on with ${before} as the primary`,
  };
}

function primaryGone(node: string): Change {
  return { code: 'primary-gone', node, message: `The primary ${node} left clusters.json`, question: '', way: '' };
}

/** What decides which machine is reached, and as whom. */
const KEYS = ['connection', 'host', 'port', 'user', 'jump', 'become'] as const;

function said(key: string, before: string | number | undefined, now: string | number | undefined): string {
  const word = (value: string | number | undefined): string =>
    value === undefined ? 'none' : line(String(value), 100);
  return `${key} was ${word(before)} and is ${word(now)}`;
}

/**
 * For a plan that comes from nodes: they say what the run is, and clusters.json says what the cluster is.
 * @throws ClusterliftError `plan-foreign` naming the difference
 */
export function demandOwn(plan: Plan, cluster: Cluster, file: ClustersFile): void {
  const foreign = (what: string): ClusterliftError => planForeign(plan.run, file.path, what);
  if (plan.cluster !== cluster.name) throw foreign(`the cluster is ${line(plan.cluster, 80)}, not ${cluster.name}`);
  if (plan.primary !== cluster.primary)
    throw foreign(`the primary is ${line(plan.primary, 80)}, and ${cluster.primary} in clusters.json`);
  for (const { name, model } of plan.nodes) {
    const known = modelToday(cluster, name);
    if (!known) throw foreign(`${line(name, 80)} is no node of ${cluster.name}`);
    if (known.connection !== model.connection) throw foreign(`${name} is reached by ${model.connection}`);
  }
  if (new Set(plan.nodes.map(({ name }) => name)).size !== plan.nodes.length) throw foreign('a node is named twice');
  const { source } = plan.package ?? {};
  const holder = source && onNodeOf(source)?.node;
  if (holder !== undefined && holder !== cluster.primary)
    throw foreign(`the package lies on ${line(holder, 80)}, and only one on the primary is accepted`);
  if (plan.backup) demandPaths(plan, cluster, foreign);
  if (plan.point) demandLocation(plan.point, file, foreign);
}

/** What is saved may leave the node: clusters.json says what that is, else the package, which is verified. */
function demandPaths(
  { backup, package: pkg }: Plan,
  cluster: Cluster,
  foreign: (what: string) => ClusterliftError,
): void {
  const { paths = [], exclude = [] } = cluster.backup ?? (pkg ? manifestOf(pkg.manifest).backup : undefined) ?? {};
  if (isDeepStrictEqual([paths, exclude], [backup?.paths, backup?.exclude])) return;
  throw foreign(`it saves ${line(backup?.paths.join(', ') ?? '', 200)}, and not ${line(paths.join(', '), 200)}`);
}

function demandLocation(
  { location, uri }: NonNullable<Plan['point']>,
  file: ClustersFile,
  foreign: (what: string) => ClusterliftError,
): void {
  let known: string;
  try {
    known = findLocation(location, file.locations).uri;
  } catch {
    throw foreign(`there is no backup location ${line(location, 80)}`);
  }
  if (known !== uri)
    throw foreign(`the backup location ${location} is ${line(uri, 200)}, and ${known} in clusters.json`);
}

function planForeign(run: string, file: string, what: string): ClusterliftError {
  return new ClusterliftError({
    code: 'plan-foreign',
    message: `The plan of run ${run} that the nodes keep does not fit ${file}: ${what}`,
    hint: 'Correct clusters.json if it is out of date; else go on from the machine that started the run.',
    exit: ExitStatus.refused,
  });
}
