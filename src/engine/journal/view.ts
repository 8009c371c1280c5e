import type { Event, JournalEntry, Lane, NodeOutcome } from './events';
import { adoptedView, freshNode, isLocked, lockedBy, movedNode, proven, withoutNode } from './membership';
import type { Plan, StepName } from './plan';
import type { NodeView, Progress, RunView, StepView } from './run-view';

export type { NodeView, Progress, RunView, StepView };

/**
 * What is known of a run: the fold of its plan and its journal. Terminal, tree, webviews and *resume* all read this,
 * so that what a person sees and what the engine does next can never differ.
 */

/** The view before the first line. */
export function emptyView(plan: Plan): RunView {
  const nodes = plan.nodes.map((node): [string, NodeView] => [
    node.name,
    {
      name: node.name,
      from: node.from,
      to: node.to,
      steps: [],
      outcome: undefined,
      error: undefined,
      messages: [],
      wantsProvision: node.requests.includes('provision'),
      wantsReboot: node.requests.includes('reboot'),
      startedAt: undefined,
      finishedAt: undefined,
      progress: undefined,
      link: 'up',
    },
  ]);
  return {
    run: plan.run,
    plan,
    configFile: plan.configFile,
    unproven: [],
    places: {},
    state: 'running',
    phase: 'prepare',
    epoch: 0,
    owner: undefined,
    nodes: Object.fromEntries(nodes),
    stopRequested: false,
    committed: false,
    rollingBack: false,
    budget: undefined,
    overrides: [],
    warnings: [],
    point: undefined,
    renewed: {},
    undo: undefined,
    life: 0,
    stoppedIn: -1,
    outcome: undefined,
    exit: undefined,
    results: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    seq: 0,
    progress: undefined,
  };
}

/** `RunView = fold(plan, journal)`. */
export function viewOf(plan: Plan, entries: Iterable<JournalEntry>): RunView {
  let view = emptyView(plan);
  for (const entry of entries) view = fold(view, entry);
  return view;
}

/** Pure: the next view. Events about nodes that the plan does not name change nothing. */
export function fold(view: RunView, event: Event | JournalEntry): RunView {
  const time = 'time' in event ? event.time : undefined;
  const seen = 'seq' in event ? { ...view, seq: event.seq } : view;
  switch (event.type) {
    case 'run.started':
      return { ...seen, ...ownerOf(event), startedAt: view.startedAt ?? time };
    case 'run.resumed':
      return reopened({ ...seen, ...ownerOf(event) });
    case 'run.adopted':
      return adoptedView({ ...seen, ...ownerOf(event), configFile: event.configFile }, event);
    case 'node.moved':
      return movedNode(seen, event.node, event.place);
    case 'node.reinstalled':
      return freshNode(seen, event.node);
    case 'node.left-out':
      return withoutNode(seen, event.node);
    case 'phase': {
      const rollingBack = view.rollingBack || event.phase === 'rollback';
      return { ...seen, phase: event.phase, rollingBack, progress: undefined };
    }
    case 'step.started':
    case 'step.finished':
    case 'step.overdue':
    case 'decision':
    case 'request':
    case 'node.finished':
    case 'output':
    case 'link':
      return onNode(isLocked(event) ? proven(seen, event.node) : seen, event, time);
    case 'progress':
      return event.node === undefined
        ? { ...seen, progress: progressOf(event) }
        : withNode(seen, event.node, (node) => ({ ...node, progress: progressOf(event) }));
    case 'override':
      return { ...seen, overrides: [...view.overrides, event.code] };
    case 'stop.requested':
      return { ...seen, stopRequested: true };
    case 'budget.exceeded':
      return { ...seen, budget: { failed: event.failed, unknown: event.unknown, allowed: event.allowed } };
    case 'warning':
      return { ...seen, warnings: [...view.warnings, { node: event.node, code: event.code, message: event.message }] };
    case 'point':
      return withPoint(seen, event);
    case 'committed':
      return { ...seen, committed: true };
    case 'run.finished':
      return finished(seen, event, time);
    case 'run.abandoned':
      return { ...seen, state: 'abandoned', finishedAt: time };
    case 'question':
      return seen;
    default:
      // A line of a later version of the same schema: shown as far as it is understood.
      event satisfies never;
      return seen;
  }
}

function finished(view: RunView, event: Extract<Event, { type: 'run.finished' }>, time: string | undefined): RunView {
  return {
    ...view,
    state: 'finished',
    outcome: event.outcome,
    exit: event.status,
    stoppedIn: event.outcome === 'stopped' ? view.life : view.stoppedIn,
    results: event.nodes,
    finishedAt: time,
    progress: undefined,
  };
}

/** A point keeps its digest; a renewed part that has another id is another point. */
function withPoint(view: RunView, event: Extract<Event, { type: 'point' }>): RunView {
  const { id, location, state, node, undo } = event;
  const before = node !== undefined ? view.renewed[node] : undo ? view.undo : view.point;
  const sha256 = event.sha256 ?? (before?.id === id ? before.sha256 : undefined);
  const point = { id, location, state, sha256 };
  if (node !== undefined) return { ...view, renewed: { ...view.renewed, [node]: point } };
  return undo ? { ...view, undo: point } : { ...view, point };
}

function ownerOf(event: { epoch: number; host: string; pid: number }): Pick<RunView, 'epoch' | 'owner'> {
  return { epoch: event.epoch, owner: { host: event.host, pid: event.pid } };
}

/** What was left open is open again; what is known stays known. */
function reopened(view: RunView): RunView {
  const nodes = Object.values(view.nodes).map((node): [string, NodeView] => {
    const open = node.outcome === 'unknown' || node.outcome === 'not-started';
    return [
      node.name,
      {
        ...node,
        steps: node.steps.filter((step) => step.step !== 'unlock'),
        ...(open ? { outcome: undefined, has: undefined, error: undefined, finishedAt: undefined } : {}),
      },
    ];
  });
  return {
    ...view,
    state: 'running',
    life: view.life + 1,
    stopRequested: false,
    budget: undefined,
    outcome: undefined,
    exit: undefined,
    results: undefined,
    finishedAt: undefined,
    nodes: Object.fromEntries(nodes),
  };
}

/** Can the run be gone on with: it is not closed, or it ended with something open? */
export function isResumable(view: RunView): boolean {
  return (
    view.state === 'running' ||
    (view.state === 'finished' && (view.outcome === 'unknown' || view.outcome === 'stopped'))
  );
}

/** The nodes to run a run again for that ended without success: those that it left short of the target, else all. */
export function nodesToRetry(view: RunView): string[] {
  const nodes = Object.values(view.nodes);
  const short = nodes.filter(({ outcome }) => outcome === undefined || SHORT.has(outcome));
  return (short.length > 0 ? short : nodes).map(({ name }) => name);
}

const SHORT: ReadonlySet<NodeOutcome> = new Set(['failed', 'wrong-version', 'not-started', 'rolled-back', 'overtaken']);

type NodeEvent = Extract<
  Event,
  {
    type:
      'step.started' | 'step.finished' | 'step.overdue' | 'decision' | 'request' | 'node.finished' | 'output' | 'link';
  }
>;

function onNode(view: RunView, event: NodeEvent, time: string | undefined): RunView {
  return withNode(view, event.node, (node) => foldNode(node, event, time, view.life));
}

function withNode(view: RunView, name: string, change: (node: NodeView) => NodeView): RunView {
  const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
  if (!node) return view;
  const next = change(node);
  return next === node ? view : { ...view, nodes: { ...view.nodes, [name]: next } };
}

function foldNode(node: NodeView, event: NodeEvent, time: string | undefined, life: number): NodeView {
  switch (event.type) {
    case 'step.started':
      return beginStep(node, event, time, life);
    case 'step.finished':
      return {
        ...withStep(node, event, (step) => ({
          ...step,
          state: event.result,
          ms: event.ms,
          data: event.result === 'done' ? event.data : undefined,
          error: event.result === 'done' ? undefined : event.error,
        })),
        ...lockedBy(event),
        progress: undefined,
      };
    case 'step.overdue':
      return withStep(node, event, (step) => ({ ...step, overdue: true }));
    case 'decision':
      return withStep(node, event, (step) => ({ ...step, decision: event.choice }));
    case 'request':
      return {
        ...node,
        wantsProvision: node.wantsProvision || event.kind === 'provision',
        wantsReboot: node.wantsReboot || event.kind === 'reboot',
        messages: event.kind === 'message' ? [...node.messages, event.text ?? ''] : node.messages,
      };
    case 'node.finished':
      return {
        ...node,
        outcome: event.outcome,
        from: event.from ?? node.from,
        // Its version is not the one that this run wanted.
        to: event.outcome === 'overtaken' || event.outcome === 'rolled-back' ? event.to : (event.to ?? node.to),
        has: event.has,
        error: event.error,
        finishedAt: time,
        progress: undefined,
      };
    case 'link':
      return { ...node, link: event.state === 'lost' ? 'lost' : 'up' };
    case 'output':
      return node;
  }
}

function beginStep(
  node: NodeView,
  event: Extract<NodeEvent, { type: 'step.started' }>,
  time: string | undefined,
  life: number,
): NodeView {
  const begun: StepView = {
    step: event.step,
    lane: event.lane,
    attempt: event.attempt,
    state: 'running',
    startedAt: time ?? '',
    life,
    ms: undefined,
    overdue: false,
    intent: event.data,
    data: undefined,
    error: undefined,
    decision: undefined,
  };
  const replaced = (each: StepView): boolean =>
    (each.step === event.step && each.lane === event.lane) ||
    // A lock that is taken again is no longer given back.
    (event.step === 'lock' && each.step === 'unlock');
  const others = node.steps.filter((each) => !replaced(each));
  return { ...node, steps: [...others, begun], startedAt: node.startedAt ?? time, progress: undefined };
}

function withStep(
  node: NodeView,
  key: { step: StepName; lane: Lane; attempt: number },
  change: (step: StepView) => StepView,
): NodeView {
  return {
    ...node,
    steps: node.steps.map((each) =>
      each.step === key.step && each.lane === key.lane && each.attempt === key.attempt ? change(each) : each,
    ),
  };
}

function progressOf(event: Extract<Event, { type: 'progress' }>): Progress {
  return { step: event.step, done: event.done, total: event.total, rate: event.rate, etaMs: event.etaMs };
}

/** The last attempt of a step, if it ever began. */
export function stepOf(node: NodeView | undefined, step: StepName, lane: Lane = 'main'): StepView | undefined {
  return node?.steps.find((each) => each.step === step && each.lane === lane);
}

/** The step that a node is in now. */
export function currentStep(node: NodeView): StepView | undefined {
  return node.steps.findLast((each) => each.state === 'running');
}

/** Has the node's bracket begun, so that it has to be finished or rolled back? */
export function changesBegun(node: NodeView | undefined): boolean {
  return (
    node?.steps.some(
      (each) => each.lane === 'main' && (each.step === 'stop' || each.step === 'upgrade' || each.step === 'restore'),
    ) ?? false
  );
}
