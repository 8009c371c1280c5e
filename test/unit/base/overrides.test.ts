import { strict as assert } from 'node:assert';
import { isOverridden, isOverriddenFor, overriddenNode } from '../../../src/base/overrides';

describe('overrides', () => {
  it('hold for all nodes, or for the one that they name', () => {
    assert.equal(isOverridden(['foreign-point'], 'foreign-point', 'n3'), true);
    assert.equal(isOverridden(['foreign-point=n3'], 'foreign-point', 'n3'), true);
    assert.equal(isOverridden(['foreign-point=n3'], 'foreign-point', 'n33'), false);
    assert.equal(isOverridden(['foreign-point=n3'], 'foreign-point', undefined), false);
    assert.equal(isOverridden(['foreign'], 'foreign-point', 'n3'), false);
  });

  it('that must name a node are not satisfied by the bare code', () => {
    assert.equal(isOverriddenFor(['reinstalled-node'], 'reinstalled-node', 'n3'), false);
    assert.equal(isOverriddenFor(['reinstalled-node=n3'], 'reinstalled-node', 'n3'), true);
    assert.deepEqual(['x', 'x=n3'].map(overriddenNode), [undefined, 'n3']);
  });
});
