import type { Event } from './events';
import type { Plan } from './plan';

/** What a view says of the nodes of its run. */
interface Nodes {
  readonly plan: Plan;
  readonly nodes: Readonly<
    Record<string, { readonly steps: readonly { readonly step: string; readonly state: string }[] }>
  >;
  readonly unproven: readonly string[];
  readonly places: Readonly<Record<string, string>>;
}

/** The view of a run that a person goes on with without this node. */
export function withoutNode<V extends Nodes>(view: V, name: string): V {
  const { plan } = view;
  const others = plan.nodes.filter((node) => node.name !== name);
  return {
    ...view,
    nodes: without(view.nodes, name),
    unproven: view.unproven.filter((each) => each !== name),
    plan: {
      ...plan,
      nodes: others,
      batches: plan.batches.map((batch) => batch.filter((each) => each !== name)).filter((batch) => batch.length > 0),
      ...(plan.backup ? { backup: { ...plan.backup, nodes: without(plan.backup.nodes, name) } } : {}),
    },
  };
}

/**
 * The view of a run for which these nodes must vouch before anything is done there. What was known of their locks is
 * forgotten: so neither a heartbeat nor a copy of the journal goes there before that.
 */
function unprovenNodes<V extends Nodes>(view: V, names: readonly string[]): V {
  const nodes = Object.entries(view.nodes).map(([name, node]) => [
    name,
    names.includes(name) ? { ...node, steps: node.steps.filter(({ step }) => step !== 'lock') } : node,
  ]);
  return {
    ...view,
    nodes: Object.fromEntries(nodes) as V['nodes'],
    unproven: [...view.unproven.filter((name) => !names.includes(name)), ...names],
  };
}

/** The view of a run that another machine took from the nodes. */
export function adoptedView<V extends Nodes>(view: V, { unasked, places }: Adoption): V {
  return unprovenNodes({ ...view, places: { ...view.places, ...places } }, unasked);
}

interface Adoption {
  readonly unasked: readonly string[];
  readonly places: Readonly<Record<string, string>>;
}

/** The view of a run that begins again on this node: it was reinstalled. */
export function freshNode<V extends Nodes>(view: V, name: string): V {
  const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
  if (!node) return view;
  const fresh = {
    ...node,
    // What an earlier process had locked is gone with the rest.
    lockedIn: 0,
    // The lock may be just being taken.
    steps: node.steps.filter(({ step, state }) => step === 'lock' && state === 'running'),
    outcome: undefined,
    has: undefined,
    error: undefined,
    startedAt: undefined,
    finishedAt: undefined,
  };
  return { ...view, nodes: { ...view.nodes, [name]: fresh } };
}

/** The view of a run that a person goes on with at another place of this node. */
export function movedNode<V extends Nodes>(view: V, node: string, place: string): V {
  return unprovenNodes({ ...view, places: { ...view.places, [node]: place } }, [node]);
}

/** The view of a run that this node has vouched for. */
export function proven<V extends Nodes>(view: V, name: string): V {
  return view.unproven.includes(name) ? { ...view, unproven: view.unproven.filter((each) => each !== name) } : view;
}

function without<T>(record: Readonly<Record<string, T>>, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
}

/** Only a node that vouches for the run is locked for it. */
export function isLocked(event: Event): boolean {
  return event.type === 'step.finished' && event.step === 'lock' && event.result === 'done';
}

export function lockedBy(event: Extract<Event, { type: 'step.finished' }>): { readonly lockedIn?: number } {
  const epoch = event.step === 'lock' && event.result === 'done' ? event.data?.['epoch'] : undefined;
  return typeof epoch === 'number' ? { lockedIn: epoch } : {};
}
