import { strict as assert } from 'node:assert';
import type { RunRecord } from '../../../src/engine/journal/runs';
import { Targets, type Item } from '../../../src/vscode/commands/targets';

describe('What a command acts on', () => {
  const records = ['a', 'b', 'c'].map((run) => ({ run, state: run === 'c' ? 'finished' : 'live' })) as RunRecord[];
  const runs = {
    records,
    refresh: () => Promise.resolve(),
    find: (run: string) => records.find((each) => each.run === run),
  };
  const [clusters, model, points] = [{}, runs, {}] as unknown as ConstructorParameters<typeof Targets>;
  const targets = new Targets(clusters, model, points);
  const item = (run: string): Item => ({ kind: 'run', run });
  const several = async (clicked: Item, ...selected: Item[]): Promise<string[]> =>
    (await targets.several([clicked, selected], '', ({ state }) => state === 'live')).map(({ run }) => run);

  it('is all runs that are selected, where it makes sense for them', async () => {
    const [a, b, c] = [item('a'), item('b'), item('c')];
    assert.deepEqual(await several(a, a, b, c), ['a', 'b']);
    assert.deepEqual(await several(a, b, c), ['a'], 'clicked beside the selection');
    assert.deepEqual(await several(b), ['b']);
  });

  it('is all restore points that are selected', async () => {
    const point = (id: string): Item => ({ kind: 'point', location: {}, point: { id } }) as unknown as Item;
    const [first, second] = [point('1'), point('2')];
    const ids = async (...args: readonly [Item, Item[]?]): Promise<string[]> =>
      (await targets.restorePoints(args, '')).map((each) => each.point.id);
    assert.deepEqual(await ids(first, [first, second]), ['1', '2']);
    assert.deepEqual(await ids(second), ['2']);
  });
});
