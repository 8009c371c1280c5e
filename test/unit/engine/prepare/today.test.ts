import { strict as assert } from 'node:assert';
import { hasCode } from '../../../../src/base/errors';
import { checkClusters } from '../../../../src/cluster/load';
import type { Cluster, ClustersFile } from '../../../../src/cluster/model';
import { changesSince, demandOwn, placeOf, planToday } from '../../../../src/engine/prepare/today';
import type { Plan } from '../../../../src/engine/journal/plan';
import { emptyView } from '../../../../src/engine/journal/view';
import { planOf } from '../plans';

const NAMES = ['n1', 'n2', 'n3'];

const hostOf = (name: string): string => `10.0.0.${name.slice(1)}`;

/** A plan for nodes that are where `fileOf` has them. */
function planFor(names: readonly string[], over: Partial<Plan> = {}): Plan {
  const plan = planOf(names, over);
  const nodes = plan.nodes.map((node) => {
    const host = hostOf(node.name);
    return { ...node, model: { ...node.model, host, address: host } };
  });
  return { ...plan, nodes };
}

function fileOf(over: Record<string, object | undefined> = {}, cluster: object = {}): [Cluster, ClustersFile] {
  const nodes = NAMES.filter((name) => !(name in over) || over[name]).map((name) => ({
    name,
    host: hostOf(name),
    ...over[name],
  }));
  const text = JSON.stringify({
    clusters: { test: { nodes, ...cluster } },
    backupLocations: { nightly: 'sftp://b@host/srv' },
  });
  const { file } = checkClusters(text, '/clusters.json');
  const [only] = file?.clusters ?? [];
  assert.ok(file && only);
  return [only, file];
}

describe('a plan and clusters.json of today', () => {
  const changes = (over: Record<string, object | undefined>, cluster: object = {}): string[] =>
    changesSince(emptyView(planFor(NAMES)), fileOf(over, cluster)[0]).map(({ code, node }) => `${code} ${node ?? ''}`);

  it('agree when nothing changed, and where it does not matter', () => {
    assert.deepEqual(changes({}), []);
    assert.deepEqual(changes({ n2: { identityFile: '~/.ssh/other', roles: ['db'] } }), []);
    assert.deepEqual(changes({ n2: { stateDir: '/var/lib/clusterlift' } }), []);
  });

  it('differ by a node that left', () => {
    assert.deepEqual(changes({ n3: undefined }), ['node-gone n3']);
    assert.deepEqual(changes({ n1: undefined }), ['primary-gone n1']);
  });

  for (const over of [
    { host: '10.0.9.9' },
    { port: 2222 },
    { user: 'root' },
    { become: 'sudo' },
    { jump: 'gate' },
    { stateDir: '/srv/state' },
    { connection: 'local' },
  ]) {
    it(`differ by ${JSON.stringify(over)}, until a person went on with it`, () => {
      assert.deepEqual(changes({ n2: over }), ['node-moved n2']);
      const [cluster] = fileOf({ n2: over });
      const model = cluster.nodes.find(({ name }) => name === 'n2') ?? assert.fail();
      const view = { ...emptyView(planFor(NAMES)), places: { n2: placeOf(model) } };
      assert.deepEqual(changesSince(view, cluster), []);
    });
  }

  it('differ by another primary', () => {
    assert.deepEqual(changes({}, { primary: 'n2' }), ['primary-changed ']);
  });

  it('are carried out with the nodes of today', () => {
    const [cluster] = fileOf({ n2: { host: '10.0.9.9', roles: ['db'] } }, { production: true });
    const plan = planToday(planFor(NAMES), cluster);
    assert.equal(plan.nodes[1]?.model.host, '10.0.9.9');
    assert.deepEqual(plan.nodes[1].model.roles, ['db']);
    assert.equal(plan.production, true);
    assert.equal(plan.members?.[1]?.address, '10.0.9.9');
  });
});

describe('a plan from nodes', () => {
  const [cluster, file] = fileOf();
  const refused = (over: Partial<Plan>): void => {
    assert.throws(
      () => {
        demandOwn(planFor(NAMES, over), cluster, file);
      },
      (error) => hasCode(error, 'plan-foreign'),
    );
  };
  const pkg = (source: object): Partial<Plan> => ({
    package: {
      product: 'p',
      version: '1',
      sha256: 'a'.repeat(64),
      size: 1,
      source: source as never,
      manifest: {},
      signedBy: 'release',
    },
  });

  it('is accepted when it is about this cluster', () => {
    demandOwn(planFor(NAMES), cluster, file);
    demandOwn(planFor(NAMES, pkg({ kind: 'node', node: 'n1', path: '/a.iso' })), cluster, file);
    demandOwn(planFor(NAMES, { point: point('nightly', 'sftp://b@host/srv') }), cluster, file);
  });

  const point = (location: string, uri: string): NonNullable<Plan['point']> => ({
    location,
    uri,
    id: '20260101T000000Z-test-aaaaaa',
    sha256: undefined,
  });

  it('has no say in what the cluster is', () => {
    const saves = (paths: string[]): Partial<Plan> => ({
      backup: { reason: 'manual', paths, exclude: [], quiet: false, nodes: {} },
    });
    const [with_] = fileOf({}, { backup: { paths: ['/srv/app'] } });
    demandOwn(planFor(NAMES, saves(['/srv/app'])), with_, file);
    assert.throws(() => demandOwn(planFor(NAMES, saves(['/srv/app', '/etc/shadow'])), with_, file), /etc.shadow/);
    refused(saves(['/etc/shadow']));
    refused({ cluster: 'other' });
    refused({ primary: 'n2' });
    refused({ nodes: [...planFor(NAMES).nodes, ...planFor(['n9']).nodes] });
    refused({ nodes: [...planFor(NAMES).nodes, ...planFor(['n1']).nodes] });
    refused(pkg({ kind: 'node', node: 'n2', path: '/a.iso' }));
    refused(pkg({ kind: 'url', url: 'https://x/a.iso', on: { node: 'n2', path: '/a.iso' } }));
    refused({ point: point('nightly', 'sftp://evil@host/srv') });
    refused({ point: point('unknown', 'sftp://b@host/srv') });
  });
});
