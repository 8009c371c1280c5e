import { strict as assert } from 'node:assert';
import { aboutNode } from '../../../src/base/text';

describe('A finding about a node', () => {
  it('names it once', () => {
    assert.equal(aboutNode('n1', 'the disk is full'), 'n1: the disk is full');
    assert.equal(aboutNode('n1', 'n1 (10.0.0.1) cannot be reached'), 'n1 (10.0.0.1) cannot be reached');
    assert.equal(aboutNode('n1', 'n1: gone'), 'n1: gone');
    assert.equal(aboutNode('n1', 'n10 cannot be reached'), 'n1: n10 cannot be reached');
    assert.equal(aboutNode(undefined, 'nobody is there'), 'nobody is there');
  });
});
