import { strict as assert } from 'node:assert';
import type { ClusterRef } from '../../../src/vscode/clusters/model';
import { PointsModel } from '../../../src/vscode/points/model';
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
  const looker = {
    rows: (argv: readonly string[]) => {
      asked.push(argv.join(' '));
      return Promise.resolve([{ id: `p${String(asked.length)}`, state: 'verified' }]);
    },
  };
  const points = new PointsModel({ clusters: [staging], byName }, looker, { onDidEnd });
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
