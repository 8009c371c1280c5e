import { isOwnCommand, shellWord } from '../base/shell';
import { isGood } from '../engine/journal/outcome';
import type { Plan } from '../engine/journal/plan';
import { versionNow } from '../engine/journal/versions-now';
import { stepOf, type NodeView, type RunView } from '../engine/journal/view';
import { manifestOf } from '../package/manifest';

/** After a failure: which versions the nodes are on, and the ways on, as commands that can be pasted. */

export interface Exit {
  readonly name: 'continue' | 'retry failed' | 'roll back' | 'resume' | 'plan again' | 'provision';
  /** Undefined: this way is closed; `why` says why. */
  readonly command: string | undefined;
  readonly why: string;
}

/** Version → names of the nodes on it; `unknown` where nobody knows. */
export function versionsNow(view: RunView): Map<string, string[]> {
  const versions = new Map<string, string[]>();
  for (const { name } of view.plan.nodes) {
    const version = nowWords(nodeOf(view, name));
    versions.set(version, [...(versions.get(version) ?? []), name]);
  }
  return versions;
}

function nowWords(node: NodeView | undefined): string {
  const version = node && versionNow(node);
  return version === undefined ? 'unknown' : (version ?? 'not installed');
}

function nodeOf(view: RunView, name: string): NodeView | undefined {
  return Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
}

const REMAINING: Readonly<Record<Plan['action'], string>> = {
  upgrade: 'upgrades the remaining nodes',
  provision: 'provisions the cluster again',
  backup: 'backs up the remaining nodes',
  restore: 'restores the remaining nodes',
};

/** The ways on after a run that did not bring every node to the target; none after one that did. */
export function exitsOf(view: RunView): Exit[] {
  const { plan } = view;
  if (view.state === 'running' || view.outcome === 'succeeded' || view.outcome === undefined) return [];
  const of = (...outcomes: readonly string[]): string[] =>
    plan.nodes
      .map((node) => node.name)
      .filter((name) => outcomes.includes(nodeOf(view, name)?.outcome ?? 'not-started'));
  const unknown = of('unknown');
  if (unknown.length > 0 || view.outcome === 'interrupted') {
    const why =
      unknown.length > 0 ? `queries ${unknown.join(', ')} again, then continues` : 'continues where it stopped';
    return [{ name: 'resume', command: commandLine('resume', view.run), why }, ...rollBack(view)];
  }
  // The old point is from before what others did, and the old plan cannot be used.
  if (view.outcome === 'overtaken') {
    return [{ name: 'plan again', ...startAgain(plan, 'makes a new plan for the nodes as they are now') }];
  }
  if (onlyProvisionIsLeft(view)) {
    const command = `${commandLine('provision', '--cluster', plan.cluster)}${configOf(plan)}`;
    const why = 'all nodes have their versions; provisions the cluster again';
    return [{ name: 'provision', command, why }, ...rollBack(view)];
  }
  const failed = of('failed', 'wrong-version');
  const resume: Exit[] =
    view.outcome === 'stopped'
      ? [{ name: 'resume', command: commandLine('resume', view.run), why: 'continues where it stopped' }]
      : [];
  return [
    ...resume,
    { name: 'continue', ...startAgain(plan, REMAINING[plan.action]) },
    ...(failed.length > 0 ? [{ name: 'retry failed', ...retry(plan, failed) } as const] : []),
    ...rollBack(view),
  ];
}

/** Did the provision fail, and nothing else? A restore goes back then, and a rollback has taken the upgrade away. */
function onlyProvisionIsLeft({ plan, nodes, rollingBack }: RunView): boolean {
  if (rollingBack || (plan.action !== 'upgrade' && plan.action !== 'provision')) return false;
  if (stepOf(nodes[plan.primary], 'provision')?.state !== 'failed') return false;
  return Object.values(nodes).every(({ name, outcome }) => name === plan.primary || isGoodOrIdle(plan, outcome));
}

/** A run that only provisions closes the other nodes with the script. */
function isGoodOrIdle({ action }: Plan, outcome: NodeView['outcome']): boolean {
  return isGood(outcome) || (action === 'provision' && (outcome === undefined || outcome === 'not-started'));
}

function rollBack(view: RunView): Exit[] {
  if (view.plan.action !== 'upgrade' || view.outcome === 'rolled-back') return [];
  const { point } = view;
  if (point?.state !== 'verified') {
    const why = point
      ? `restore point ${point.id} is ${point.state === 'broken' ? 'broken' : 'not verified'}`
      : 'this run made no backup, so there is no restore point';
    return [{ name: 'roll back', command: undefined, why }];
  }
  const command = restoreCommand(view.plan, point);
  const newer = Object.entries(view.renewed).flatMap(([node, { id, state }]) =>
    state === 'verified' ? [`${node}: ${id}`] : [],
  );
  const also = newer.length > 0 ? ` (newer backups of single nodes: ${newer.join(', ')})` : '';
  return [{ name: 'roll back', command, why: `restores the nodes from the backup${also}` }];
}

/** The command that goes back to a point which a run made. */
export function restoreCommand(
  plan: Plan,
  { id, location }: { readonly id: string; readonly location: string },
): string {
  return `${commandLine('backup', 'restore', id, '--location', location, '--cluster', plan.cluster)}${configOf(plan)}`;
}

/** The command of a plan, which may come from a node: it is shown only if it starts this program and nothing else. */
function startAgain(plan: Plan, why: string, only?: readonly string[]): Pick<Exit, 'command' | 'why'> {
  if (!isOwnCommand(plan.command)) return { command: undefined, why: 'the plan does not record its command' };
  const command = fromAnywhere(plan);
  if (!only) return { command, why };
  return { command: [command.replace(/ --nodes[ =]\S+/g, ''), '--nodes', shellWord(only.join(','))].join(' '), why };
}

/** A word of a command of ours, as `shellWord` writes it. */
const WORD = "(?:'[^']*'(?:\\\\''[^']*')*|[^' ]+)";
const CONFIG = new RegExp([' --config[ =]', WORD].join(''));
const PACKAGE = new RegExp(['^clusterlift upgrade ', WORD].join(''));

/** The command with whole paths: it can be pasted in any folder. */
function fromAnywhere({ command, configFile, package: pack }: Plan): string {
  const whole = command.replace(CONFIG, () => configWords(configFile));
  if (pack?.source.kind !== 'file') return whole;
  const { path } = pack.source;
  return whole.replace(PACKAGE, () => commandLine('upgrade', path));
}

function configWords(file: string): string {
  return [' --config', shellWord(file)].join(' ');
}

/** A command to paste; each word may be foreign. */
function commandLine(...words: readonly string[]): string {
  return ['clusterlift', ...words].map(shellWord).join(' ');
}

/** The file that the run was started with, where it was named; nothing where it was found. */
function configOf({ command, configFile }: Plan): string {
  return isOwnCommand(command) && CONFIG.test(command) ? configWords(configFile) : '';
}

function retry(plan: Plan, failed: readonly string[]): Pick<Exit, 'command' | 'why'> {
  const names = toRetry(plan, failed);
  const more = names.length > failed.length ? `, then the provision script on ${plan.primary}` : '';
  return startAgain(plan, `only ${failed.join(', ')}${more}`, names);
}

/** The nodes to try again; with the primary where the package is provisioned there whatever was changed. */
function toRetry({ action, package: pack, primary, nodes }: Plan, failed: readonly string[]): readonly string[] {
  if (action !== 'upgrade' || failed.includes(primary) || !isProvisioned(pack?.manifest)) return failed;
  return nodes.map(({ name }) => name).filter((name) => name === primary || failed.includes(name));
}

function isProvisioned(manifest: unknown): boolean {
  try {
    const { provision, scripts } = manifestOf(manifest);
    return provision === 'always' && scripts.provision !== undefined;
  } catch {
    return false;
  }
}
