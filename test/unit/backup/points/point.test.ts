import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { hasCode } from '../../../../src/base/errors';
import { canonicalJson } from '../../../../src/backup/points/canonical';
import {
  decodePoint,
  decodeStatus,
  encode,
  newPointId,
  readPointId,
  type PointStatus,
} from '../../../../src/backup/points/point';
import { describeState, stateOf, type PartSeen } from '../../../../src/backup/points/state';
import { samplePoint } from '../sample';

const point = samplePoint(['n1', 'n2']);
const there: PartSeen = { kind: 'there' };

function status(results: Record<string, 'verified' | 'broken'>): PointStatus {
  const nodes = Object.fromEntries(
    Object.entries(results).map(([node, result]) => [node, { result, at: '2026-11-22T20:30:00.000Z', by: 'me@here' }]),
  );
  return { schema: 1, id: point.id, point: encode(point).sha256, nodes };
}

describe('restore points', () => {
  it('gives ids that sort by time and tell cluster and time', () => {
    const early = newPointId('staging', new Date('2026-01-02T03:04:05.678Z'), 'ffffff');
    const late = newPointId('a-b.c', new Date('2026-01-02T03:04:06Z'), '000000');
    assert.ok(early < late);
    const soon = newPointId('staging', new Date('2026-01-02T03:04:05.679Z'), '000000');
    assert.ok(early < soon, 'within a second as well');
    assert.deepEqual(readPointId(late), { cluster: 'a-b.c', created: '2026-01-02T03:04:06.000Z' });
    assert.equal(readPointId('../../etc'), undefined);
    assert.equal(readPointId('20269922T201755Z-x-4f2a9c'), undefined);
  });

  it('reads back what it wrote, byte for byte', () => {
    const { text } = encode(point);
    assert.deepEqual(decodePoint(text, point.id), point);
    assert.equal(encode(decodePoint(text, point.id)).text, text);
  });

  it('writes the same bytes for the same value, whatever the order of its keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        assert.equal(canonicalJson(reversed), canonicalJson(value));
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('tells a torn, a newer, a renamed and a damaged point.json apart', () => {
    const { text } = encode(point);
    const read =
      (changed: string, id = point.id) =>
      () =>
        decodePoint(changed, id);
    assert.throws(read(text.slice(0, -40)), (error) => hasCode(error, 'point-torn'));
    assert.throws(read(''), (error) => hasCode(error, 'point-torn'));
    assert.throws(read(text.replace('"schema":1', '"schema":3')), (error) => hasCode(error, 'point-newer'));
    assert.throws(read(text, newPointId('other', new Date())), (error) => hasCode(error, 'point-invalid'));
    assert.throws(read(text.replace('"cluster":', '"extra":1,"cluster":')), (error) => hasCode(error, 'point-invalid'));
    assert.throws(read(text.replace('"n1.tar.gz"', '"../n1.tar.gz"')), (error) => hasCode(error, 'point-invalid'));
    const otherScript = text.replace(/"content":"[^"]+"/, '"content":"AAAA"');
    assert.throws(read(otherScript), (error) => hasCode(error, 'point-invalid'));
  });

  it('ignores a status that belongs to another point.json', () => {
    const text = canonicalJson(status({ n1: 'verified', n2: 'verified' }));
    assert.ok(decodeStatus(text, point.id, encode(point).sha256));
    assert.equal(decodeStatus(text, point.id, '0'.repeat(64)), undefined);
  });
});

describe('the state of a restore point', () => {
  const parts = { n1: there, n2: there };

  it('is creating until there is a point.json', () => {
    assert.deepEqual(stateOf({ point: undefined, status: undefined, parts: {} }), { kind: 'creating' });
  });

  it('is the least of its parts', () => {
    assert.equal(stateOf({ point, status: undefined, parts }).kind, 'complete');
    assert.equal(stateOf({ point, status: status({ n1: 'verified' }), parts }).kind, 'complete');
    assert.equal(stateOf({ point, status: status({ n1: 'verified', n2: 'verified' }), parts }).kind, 'verified');
    assert.equal(stateOf({ point, status: status({ n1: 'verified', n2: 'broken' }), parts }).kind, 'broken');
  });

  it('is broken when a part is missing or has another size', () => {
    const all = status({ n1: 'verified', n2: 'verified' });
    assert.equal(stateOf({ point, status: all, parts: { n1: there, n2: { kind: 'missing' } } }).kind, 'broken');
    assert.equal(
      stateOf({ point, status: all, parts: { n1: there, n2: { kind: 'resized', bytes: 3 } } }).kind,
      'broken',
    );
    assert.equal(stateOf({ point, status: all, parts, fault: 'torn' }).kind, 'broken');
  });

  it('is incomplete, never broken, when a node cannot be asked', () => {
    const state = stateOf({ point, status: status({ n1: 'verified', n2: 'verified' }), parts: { n1: there } });
    assert.deepEqual(state, { kind: 'incomplete', nodes: ['n2'] });
    assert.equal(describeState(state), 'incomplete (n2 unreachable)');
  });
});
