import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { takeAll, type Locker } from '../../../../src/engine/control/locking';
import { useFakeTime } from '../../../lab/time';

interface Claim {
  readonly by: number;
  trying: boolean;
}

/** Nodes whose answers come in any order. */
class Nodes {
  readonly claims = new Map<string, Claim>();
  /** The most locks that were asked for at the same time by one operator. */
  most = 0;
  #asking = 0;

  constructor(private readonly turn: (what: string) => Promise<void>) {}

  async upgrade(by: number, wanted: readonly string[]): Promise<'proceeds' | 'refused'> {
    const locker: Locker<Claim> = {
      take: async (node) => {
        this.most = Math.max(this.most, ++this.#asking);
        await this.turn(`${String(by)} asks ${node}`);
        const holder = this.claims.get(node);
        if (!holder) this.claims.set(node, { by, trying: true });
        await this.turn(`${node} answers ${String(by)}`);
        this.#asking--;
        return holder && holder.by !== by ? { ...holder } : undefined;
      },
      giveBack: async (node) => {
        await this.turn(`${String(by)} gives ${node} back`);
        assert.equal(this.claims.get(node)?.by, by);
        this.claims.delete(node);
      },
      isUndecided: (holder) => holder.trying,
      refused: (node, holder) => new Error(`${node} has ${String(holder.by)}`),
      pause: () => this.turn(`${String(by)} waits`),
    };
    try {
      await takeAll(wanted, locker);
    } catch (error) {
      assert.match(String(error), / has \d/);
      return 'refused';
    }
    for (const node of wanted) assert.equal(this.claims.get(node)?.by, by, 'all of its locks');
    for (const node of wanted) {
      await this.turn(`${String(by)} settles ${node}`);
      const claim = this.claims.get(node);
      assert.equal(claim?.by, by, 'nobody took it away');
      claim.trying = false;
    }
    return 'proceeds';
  }
}

describe('Operators who lock the same nodes at once', () => {
  // Nobody's patience ends here: what is tried is every order of answers.
  useFakeTime();
  const names = ['n1', 'n2', 'n3', 'n4', 'n5'];
  const some = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 });

  const race = async (scheduler: fc.Scheduler, requests: readonly (readonly string[])[]): Promise<string[]> => {
    const nodes = new Nodes((what) => scheduler.schedule(Promise.resolve(), what));
    const ends = Promise.all(requests.map((wanted, by) => nodes.upgrade(by, wanted)));
    await scheduler.waitFor(ends);
    const results = await ends;
    const held = [...nodes.claims.entries()];
    for (const [node, { by, trying }] of held) {
      assert.equal(results[by], 'proceeds', `${node} is kept by one that was refused`);
      assert.equal(trying, false);
    }
    return results;
  };

  for (const count of [2, 3]) {
    it(`: of ${String(count)} that want the same, exactly one proceeds, whatever the order of the answers`, () =>
      fc.assert(
        fc.asyncProperty(fc.scheduler(), some, async (scheduler, wanted) => {
          const results = await race(
            scheduler,
            Array.from({ length: count }, () => wanted),
          );
          assert.equal(results.filter((each) => each === 'proceeds').length, 1, results.join(' '));
        }),
        { numRuns: 400 },
      ));
  }

  it(': of those that share some nodes, whoever is refused met one that proceeds, and no two of these share a node', () =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(some, { minLength: 2, maxLength: 3 }), async (scheduler, requests) => {
        const results = await race(scheduler, requests);
        const winners = requests.filter((_, by) => results[by] === 'proceeds');
        assert.equal(new Set(winners.flat()).size, winners.flat().length, 'no node twice');
        requests.forEach((wanted, by) => {
          if (results[by] === 'proceeds') return;
          const met = winners.some((winner) => winner.some((node) => wanted.includes(node)));
          assert.ok(met, `${String(by)} was refused, and nobody proceeds there`);
        });
      }),
      { numRuns: 800 },
    ));

  it('ask many nodes at the same time, and give all back when one of them cannot be asked', async () => {
    const many = Array.from({ length: 100 }, (_, at) => `n${String(at).padStart(3, '0')}`);
    const nodes = new Nodes(() => new Promise((resolve) => setImmediate(resolve)));
    assert.equal(await nodes.upgrade(1, many), 'proceeds');
    assert.equal(nodes.most, 16);
    const taken = new Set<string>();
    const away: Locker<never> = {
      take: (node) => {
        if (node === 'n050') return Promise.reject(new Error('it is away'));
        taken.add(node);
        return Promise.resolve(undefined);
      },
      giveBack: (node) => Promise.resolve(void taken.delete(node)),
      isUndecided: () => false,
      refused: () => new Error('not here'),
      pause: () => Promise.resolve(),
    };
    await assert.rejects(takeAll(many, away), /it is away/);
    assert.deepEqual([...taken], []);
  });
});
