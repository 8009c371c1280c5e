import type { ExitStatus } from '../../../src/base/errors';
import type { NodeModel } from '../../../src/cluster/model';
import type { ErrorRecord, Event, JournalEntry, RunEvent } from '../../../src/engine/journal/events';
import type { Plan, PlanNode, StepName } from '../../../src/engine/journal/plan';
import { emptyView, fold, type RunView } from '../../../src/engine/journal/view';

/** Plans and runs to look at: for the tests of the renderers and for the preview. */

export const START = Date.parse('2026-11-22T20:17:55.000Z');
const STEPS: readonly StepName[] = [
  'lock',
  'stage',
  'unpack',
  'stop',
  'upgrade',
  'start',
  'reboot',
  'version',
  'health',
  'unlock',
];

function model(name: string, roles: readonly string[]): NodeModel {
  return {
    name,
    connection: 'ssh',
    host: '10.0.0.11',
    port: undefined,
    user: 'platform',
    identityFile: undefined,
    become: 'sudo',
    jump: undefined,
    roles,
    address: '10.0.0.11',
    stateDir: undefined,
  };
}

export function planNode(name: string, change: Partial<PlanNode> = {}): PlanNode {
  return {
    name,
    model: model(name, ['application']),
    stateDir: '/var/lib/clusterlift',
    from: '24.1.0',
    to: '24.2.0',
    action: 'change',
    requests: [],
    steps: STEPS,
    ...change,
  };
}

export function planOf(names: readonly string[], change: Partial<Plan> = {}): Plan {
  return {
    schema: 1,
    run: '20261122T201755Z-staging-4f2a',
    created: new Date(START).toISOString(),
    action: 'upgrade',
    cluster: 'staging',
    configFile: '/home/ann/project/.vscode/clusters.json',
    production: false,
    primary: names[0] ?? 'node1',
    nodes: names.map((name) => planNode(name)),
    batches: [names],
    package: {
      product: 'acme-voice',
      version: '24.2.0',
      sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      size: 268_435_456,
      source: { kind: 'file', path: '/home/ann/acme-voice-24.2.0.iso' },
      manifest: {},
      signedBy: undefined,
    },
    options: {
      mode: 'fast',
      backup: 'none',
      maxFailures: '0',
      onFailure: 'stop',
      giveUp: 7_200_000,
      healthStable: undefined,
      limitRate: undefined,
      distribution: 'auto',
      provisionMode: 'serial',
    },
    overrides: [],
    checks: [],
    command: 'clusterlift upgrade /home/ann/acme-voice-24.2.0.iso fast backup none --cluster staging',
    point: undefined,
    ...change,
  };
}

/** Folds events as a run would: facts get a number and a time, `at` milliseconds after the start. */
export class Scene {
  view: RunView;
  readonly entries: JournalEntry[] = [];
  #at = 0;

  constructor(
    readonly plan: Plan,
    private readonly sink: (event: Event | JournalEntry) => void = () => undefined,
  ) {
    this.view = emptyView(plan);
    this.fact({
      type: 'run.started',
      run: plan.run,
      action: plan.action,
      cluster: plan.cluster,
      plan: '',
      host: 'desk',
      pid: 1,
      epoch: 1,
    });
  }

  at(ms: number): this {
    this.#at = ms;
    return this;
  }

  fact(event: RunEvent): this {
    const entry: JournalEntry = {
      ...event,
      seq: this.entries.length + 1,
      time: new Date(START + this.#at).toISOString(),
      prev: '',
    };
    this.entries.push(entry);
    return this.#tell(entry);
  }

  live(event: Event): this {
    return this.#tell(event);
  }

  begin(node: string, step: StepName): this {
    return this.fact({ type: 'step.started', node, step, lane: 'main', attempt: 1 });
  }

  done(node: string, step: StepName, ms = 1000): this {
    return this.fact({ type: 'step.finished', node, step, lane: 'main', attempt: 1, ms, result: 'done' });
  }

  fail(node: string, step: StepName, log: readonly string[] = []): this {
    const error: ErrorRecord = {
      code: 'upgrade-failed',
      message: `The ${step} script ended with status 3`,
      hint: 'Mend the cause that the log names, then retry this node.',
      log,
    };
    this.fact({ type: 'step.finished', node, step, lane: 'main', attempt: 1, ms: 900, result: 'failed', error });
    return this.fact({ type: 'node.finished', node, outcome: 'failed', has: '24.1.5', error });
  }

  upgraded(node: string): this {
    return this.fact({ type: 'node.finished', node, outcome: 'upgraded', from: '24.1.0', to: '24.2.0' });
  }

  progress(node: string | undefined, step: 'stage' | 'download', done: number, total: number): this {
    return this.live({
      type: 'progress',
      node,
      step,
      done,
      total,
      rate: 55_000_000,
      etaMs: ((total - done) / 55_000_000) * 1000,
    });
  }

  finish(outcome: 'succeeded' | 'stopped' | 'failed', status: ExitStatus): this {
    return this.fact({ type: 'run.finished', outcome, status, nodes: {} });
  }

  #tell(event: Event | JournalEntry): this {
    this.view = fold(this.view, event);
    this.sink(event);
    return this;
  }
}

/** Three nodes: one done, one staging, one that failed. */
export function mixedScene(): Scene {
  return new Scene(planOf(['node1', 'node2', 'node3']))
    .fact({ type: 'phase', phase: 'change' })
    .begin('node1', 'upgrade')
    .begin('node2', 'stage')
    .begin('node3', 'upgrade')
    .progress('node2', 'stage', 113_246_208, 268_435_456)
    .at(41_000)
    .fail('node3', 'upgrade', ['unpacking libvoice', 'E: no space left on device'])
    .done('node1', 'upgrade')
    .at(48_000)
    .upgraded('node1');
}
