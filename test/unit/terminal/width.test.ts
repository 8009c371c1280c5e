import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { cells, cut, head, pad, tail, wrap } from '../../../src/terminal/width';

describe('terminal cells', () => {
  it('counts wide characters as two and combining marks as none', () => {
    assert.equal(cells('node1'), 5);
    assert.equal(cells('日本'), 4);
    assert.equal(cells('e\u0301'), 1);
    assert.equal(cells('✅'), 2);
    assert.equal(cells('한글'), 4);
  });

  it('never splits a wide character or tears a mark from its letter', () => {
    assert.equal(head('日本語', 3), '日');
    assert.equal(tail('日本語', 3), '語');
    assert.equal(head('e\u0301x', 1), 'e\u0301');
    assert.equal(pad(cut('日本語', 4), 6), '日…   ');
  });

  it('keeps the end of a path and the start of a sentence', () => {
    assert.equal(cut('/var/log/node1.log', 10, 'end'), '…node1.log');
    assert.equal(cut('the disk is full', 9), 'the disk…');
  });

  it('cuts, pads and wraps any text to the width', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 2, max: 40 }), (text, width) => {
        assert.ok(cells(cut(text, width)) <= width);
        assert.ok(cells(cut(text, width, 'end')) <= width);
        for (const each of wrap(text, width)) assert.ok(cells(each) <= width, each);
        assert.equal(wrap(text, width).join('').replace(/\s/g, ''), text.replace(/\s/g, ''));
      }),
    );
  });
});
