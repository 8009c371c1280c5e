import type { NodeModel } from '../../../src/cluster/model';
import type { Plan } from '../../../src/engine/journal/plan';

/** A node as clusters.json would give it. */
export function nodeModel(name: string, over: Partial<NodeModel> = {}): NodeModel {
  return {
    name,
    connection: 'ssh',
    host: '127.0.0.1',
    port: undefined,
    user: undefined,
    identityFile: undefined,
    become: 'none',
    jump: undefined,
    roles: [],
    address: '127.0.0.1',
    stateDir: undefined,
    ...over,
  };
}

/** A plan for nodes of these names. */
export function planOf(names: readonly string[], over: Partial<Plan> = {}): Plan {
  return {
    schema: 1,
    run: '20260101T000000Z-test-0000',
    created: '2026-01-01T00:00:00.000Z',
    action: 'upgrade',
    cluster: 'test',
    configFile: '/clusters.json',
    production: false,
    primary: names[0] ?? '',
    nodes: names.map((name) => ({
      name,
      model: nodeModel(name),
      stateDir: '/var/lib/clusterlift',
      from: '1.0',
      to: '2.0',
      action: 'change',
      requests: [],
      steps: [],
    })),
    batches: [names],
    package: undefined,
    options: {
      mode: 'fast',
      backup: 'none',
      maxFailures: '0',
      onFailure: 'stop',
      giveUp: 7_200_000,
      healthStable: undefined,
      limitRate: undefined,
      distribution: 'auto',
      provisionMode: 'fast',
    },
    checks: [],
    overrides: [],
    command: 'clusterlift upgrade x.iso',
    point: undefined,
    ...over,
  };
}
