import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { Event, JournalEntry } from '../../../src/engine/journal/events';
import { Outbox } from '../../../src/service/outbox';

const progress = (node: string | undefined, done: number): Event => ({
  type: 'progress',
  node,
  step: 'stage',
  done,
  total: 100,
  rate: undefined,
  etaMs: undefined,
});
const output = (node: string, text: string): Event => ({ type: 'output', node, step: 'upgrade', text });
const entry = (seq: number, node: string): JournalEntry => ({
  type: 'step.started',
  node,
  step: 'stage',
  lane: 'main',
  attempt: 1,
  seq,
  time: '',
  prev: '',
});

describe('what waits for a follower', () => {
  it('keeps only the newest progress of a node between two entries', () => {
    const box = new Outbox();
    for (let done = 0; done < 1000; done++) box.add(progress('n1', done));
    box.add(entry(1, 'n1'));
    box.add(progress('n1', 1));
    box.add(progress('n2', 2));
    assert.deepEqual(box.take(), [progress('n1', 999), entry(1, 'n1'), progress('n1', 1), progress('n2', 2)]);
    assert.ok(box.empty);
  });

  it('joins output, and says how much of it was left out', () => {
    const box = new Outbox();
    for (let index = 0; index < 100; index++) box.add(output('n1', 'x'.repeat(1000)));
    box.add(output('n2', 'short'));
    const [first, second] = box.take();
    assert.ok(first?.type === 'output' && first.text.startsWith('x'.repeat(65_536)));
    assert.match(first.text, /x\n… 34464 characters left out here; the node's log has them all\n$/);
    assert.deepEqual(second, output('n2', 'short'));
  });

  it('loses no journal line and keeps their order, however slow the follower is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant('e'), fc.constant('p'), fc.constant('o'), fc.constant('take')), {
          maxLength: 200,
        }),
        (acts) => {
          const box = new Outbox();
          const sent: (Event | JournalEntry)[] = [];
          let seq = 0;
          for (const act of acts) {
            if (act === 'e') box.add(entry(++seq, `n${String(seq % 3)}`));
            else if (act === 'p') box.add(progress('n1', seq));
            else if (act === 'o') box.add(output('n2', 'text'));
            else sent.push(...box.take());
          }
          while (!box.empty) sent.push(...box.take());
          assert.deepEqual(
            sent.flatMap((event) => ('seq' in event ? [event.seq] : [])),
            Array.from({ length: seq }, (_, index) => index + 1),
          );
        },
      ),
    );
  });
});
