import { strict as assert } from 'node:assert';
import { ClusterliftError } from '../../../../src/base/errors';
import type { Holding } from '../../../../src/engine/node/holding';
import { demandCopy, demandSameRun, digestOf } from '../../../../src/engine/control/holders';

const node = { name: 'n1', stateDir: '/var/lib/clusterlift' };
const holding = (over: Partial<Holding> = {}): Holding => ({
  stateDir: '/var/lib/clusterlift',
  claim: 'r1',
  last: 1,
  lock: undefined,
  plan: 'the plan',
  journal: '',
  jobs: [],
  ...over,
});

function verdict(given: Holding, overrides: readonly string[] = []): string {
  try {
    demandSameRun(given, { run: 'r1', planDigest: digestOf('the plan'), node });
    demandCopy(given, { run: 'r1', node, overrides });
    return 'vouches';
  } catch (error) {
    assert.ok(error instanceof ClusterliftError);
    assert.equal(error.exit, 3);
    assert.equal(error.node, 'n1');
    return error.code;
  }
}

describe('a node vouches for a run', () => {
  it('with the same plan and the last claim of its lock', () => {
    assert.equal(verdict(holding()), 'vouches');
  });

  const cases: readonly (readonly [string, Partial<Holding>, string])[] = [
    ['another byte in the plan', { plan: 'the plan ' }, 'plan-differs'],
    ['a lock that another run took since', { claim: 'r2' }, 'lock-of-another-run'],
    ['a plan, and a lock that nobody ever took', { claim: undefined }, 'lock-unclaimed'],
    ['no plan, and a lock of another run', { plan: undefined, claim: 'r2' }, 'lock-of-another-run'],
    ['another state directory', { stateDir: '/srv/state' }, 'state-moved'],
  ];
  for (const [what, over, code] of cases) {
    it(`not with ${what}, whatever is overridden`, () => {
      const all = ['reinstalled-node=n1', 'plan-missing=n1', `${code}=n1`, code];
      assert.equal(verdict(holding(over), all), code);
    });
  }

  it('not when it lost its state, unless a person says so by its name', () => {
    const lost = holding({ plan: undefined, claim: undefined });
    assert.equal(verdict(lost), 'reinstalled-node');
    assert.equal(verdict(lost, ['reinstalled-node']), 'reinstalled-node');
    assert.equal(verdict(lost, ['reinstalled-node=n2']), 'reinstalled-node');
    assert.equal(verdict(lost, ['reinstalled-node=n1']), 'vouches');
    const half = holding({ plan: undefined });
    assert.equal(verdict(half, ['reinstalled-node=n1']), 'plan-missing');
    assert.equal(verdict(half, ['plan-missing=n1']), 'vouches');
  });
});
