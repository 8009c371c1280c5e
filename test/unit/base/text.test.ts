import { strict as assert } from 'node:assert';
import { aboutNode, plain } from '../../../src/base/text';

describe('A finding about a node', () => {
  it('names it once', () => {
    assert.equal(aboutNode('n1', 'the disk is full'), 'n1: the disk is full');
    assert.equal(aboutNode('n1', 'n1 (10.0.0.1) cannot be reached'), 'n1 (10.0.0.1) cannot be reached');
    assert.equal(aboutNode('n1', 'n1: gone'), 'n1: gone');
    assert.equal(aboutNode('n1', 'n10 cannot be reached'), 'n1: n10 cannot be reached');
    assert.equal(aboutNode(undefined, 'nobody is there'), 'nobody is there');
  });
});

describe('Foreign text', () => {
  it('loses every character that moves, reorders or breaks what a person reads', () => {
    const controls = [
      ...['\u0000', '\u0007', '\u0008', '\u001b[31m', '\u001b]0;title\u0007', '\u009b', '\u007f', '\r'],
      ...['\u061c', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202e', '\u2066', '\u2069'],
    ];
    for (const each of controls) assert.equal(plain(`a${each}b`), 'ab', JSON.stringify(each));
    assert.equal(plain('tab\tnew\r\nline é 日本'), 'tab\tnew\nline é 日本');
  });
});
