import { strict as assert } from 'node:assert';
import type { ClusterRef } from '../../../src/vscode/clusters/model';
import { StatusCache } from '../../../src/vscode/clusters/status';
import { PointsModel } from '../../../src/vscode/points/model';
import { RollBackPanels, type PanelDeps } from '../../../src/vscode/rollback/panel';
import type { EndedRun } from '../../../src/vscode/runs/model';

const FILE = '/a/.vscode/clusters.json';

const clusterRef = (name: string): ClusterRef =>
  ({
    id: `${FILE}#${name}`,
    label: name,
    cluster: { name },
    file: { path: FILE, locations: [{ name: 'nightly', uri: 'file:///b' }] },
    folder: { uri: { fsPath: '/a' } },
  }) as unknown as ClusterRef;

describe('The restore points that a window knows', () => {
  const staging = clusterRef('staging');
  let ended: (run: EndedRun) => unknown = () => undefined;
  const onDidEnd = (listener: typeof ended): { dispose: () => void } => {
    ended = listener;
    return { dispose: () => undefined };
  };
  const asked: string[] = [];
  const byName = (name: string, file?: string): ClusterRef | undefined =>
    name === 'staging' && file === FILE ? staging : undefined;
  const queries = {
    rows: (argv: readonly string[]) => {
      asked.push(argv.join(' '));
      return Promise.resolve([{ id: `p${String(asked.length)}`, state: 'verified' }]);
    },
  };
  const points = new PointsModel({ clusters: [staging], byName }, queries, { onDidEnd });
  const endOf = (location: string, configFile = FILE): unknown =>
    ended({
      record: { plan: { cluster: 'staging', configFile, point: { location } } },
    } as unknown as EndedRun);

  it('are read again when a run made one where somebody has looked, and nowhere else', async () => {
    const [nightly] = points.locationsOf(staging);
    assert.ok(nightly);
    endOf('nightly');
    assert.deepEqual(asked, [], 'nobody has looked yet');
    await points.refresh(nightly);
    assert.equal(asked.length, 1);
    endOf('localbackup');
    endOf('nightly', '/other/clusters.json');
    assert.equal(asked.length, 1);
    endOf('nightly');
    await new Promise(setImmediate);
    assert.equal(asked.length, 2);
    assert.equal(points.state(nightly.id)?.points[0]?.id, 'p2');
  });
});

describe('What is known of the nodes', () => {
  it('is forgotten of those that their file does not have any more, and only of them', () => {
    let saved: unknown;
    const memento = {
      get: (_: string, otherwise: unknown) => otherwise,
      update: (_: string, value: unknown) => ((saved = value), Promise.resolve()),
    };
    const status = new StatusCache(memento as unknown as ConstructorParameters<typeof StatusCache>[0]);
    const row = (node: string) =>
      ({ node, roles: [], version: '1', health: 'healthy', lastRun: undefined, note: undefined }) as const;
    status.put(`${FILE}#staging`, [row('n1'), row('n2')]);
    status.put(`${FILE}#old`, [row('n1')]);
    status.put('/b/clusters.json#other', [row('n1')]);
    const clusters = [{ name: 'staging', nodes: [{ name: 'n1' }] }];
    const file = { path: FILE, file: { clusters }, problems: [] } as unknown as Parameters<StatusCache['keep']>[0][0];
    status.keep([{ ...file, problems: [{}] } as unknown as typeof file]);
    assert.equal(status.nodes(`${FILE}#staging`).length, 2, 'a file with a mistake says nothing');
    status.keep([file]);
    assert.deepEqual(Object.keys(saved as object), [`${FILE}#staging`, '/b/clusters.json#other']);
    assert.deepEqual(
      status.nodes(`${FILE}#staging`).map(({ node }) => node),
      ['n1'],
    );
  });
});

describe('The page of Roll Back that was open before a reload', () => {
  it('is filled when the clusters are known, and reads what nobody has looked at', async () => {
    const staging = clusterRef('staging');
    const silent = () => ({ dispose: () => undefined });
    let known = false;
    let changed: () => void = () => undefined;
    let hear: (message: unknown) => void = () => undefined;
    const read: string[] = [];
    const sent: unknown[] = [];
    const deps = {
      extension: '/',
      clusters: {
        find: () => (known ? staging : undefined),
        onDidChange: (listener: () => void) => ((changed = listener), silent()),
      },
      points: {
        onDidChange: silent,
        locationsOf: () => [{ id: 'a', name: 'nightly' }],
        state: () => undefined,
        isAsking: () => false,
        refresh: ({ name }: { name: string }) => Promise.resolve(read.push(name)),
      },
      status: { onDidChange: silent },
      runs: { records: [] },
    } as unknown as PanelDeps;
    const webview = {
      asWebviewUri: String,
      onDidReceiveMessage: (listener: typeof hear) => ((hear = listener), silent()),
      postMessage: (message: unknown) => Promise.resolve(sent.push(message)),
    };
    const panel = { webview, onDidDispose: silent } as unknown as Parameters<RollBackPanels['restore']>[0];
    await new RollBackPanels(deps).restore(panel, { cluster: staging.id, selected: undefined, filter: '' });
    hear({ type: 'ready' });
    assert.deepEqual([sent.length, read.length], [0, 0]);
    known = true;
    changed();
    assert.equal(sent.length, 1);
    assert.deepEqual(read, ['nightly']);
  });
});
