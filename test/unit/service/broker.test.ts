import { strict as assert } from 'node:assert';
import type { Event } from '../../../src/engine/journal/events';
import { QuestionBroker, type QuestionClient } from '../../../src/service/broker';
import type { Question } from '../../../src/ssh/connection';

const HOUR = 3_600_000;
const question = (node: string): Question => ({ kind: 'password', node, user: 'ann', host: 'h', retry: false });

class Somebody implements QuestionClient {
  readonly log: string[] = [];
  last = '';
  open(id: string, asked: Question): void {
    this.last = id;
    this.log.push(`open ${'node' in asked ? asked.node : ''}`);
  }
  close(): void {
    this.log.push('close');
  }
}

function setUp(maxWait = HOUR): { broker: QuestionBroker; events: Event[] } {
  const events: Event[] = [];
  return { events, broker: new QuestionBroker({ sink: (event) => events.push(event), maxWait: () => maxWait }) };
}

describe('questions of a run', () => {
  it('go to the client that started it, and to nobody else while it is there', async () => {
    const { broker } = setUp();
    const [starter, other] = [new Somebody(), new Somebody()];
    broker.attach(other, false);
    const attachment = broker.attach(starter, true);
    const answer = broker.ask(question('n1'));
    assert.deepEqual([starter.log, other.log], [['open n1'], []]);
    assert.ok(attachment.answer(starter.last, 'secret'));
    assert.equal(await answer, 'secret');
    broker.close();
  });

  it('go to all the others when the starter leaves', async () => {
    const { broker } = setUp();
    const [starter, a, b] = [new Somebody(), new Somebody(), new Somebody()];
    const first = broker.attach(starter, true);
    const attachment = broker.attach(a, false);
    broker.attach(b, false);
    const answer = broker.ask(question('n1'));
    first.leave();
    assert.deepEqual([a.log, b.log], [['open n1'], ['open n1']]);
    assert.ok(!first.answer(starter.last, 'late'));
    attachment.answer(a.last, 'x');
    assert.equal(await answer, 'x');
    assert.deepEqual(b.log, ['open n1', 'close']);
    broker.close();
  });

  it('are answered by the first; the second is told that it is too late', async () => {
    const { broker } = setUp();
    const [a, b] = [new Somebody(), new Somebody()];
    const [one, two] = [broker.attach(a, false), broker.attach(b, false)];
    const answer = broker.ask(question('n1'));
    assert.equal(two.answer(b.last, 'from b'), true);
    assert.equal(one.answer(a.last, 'from a'), false);
    assert.equal(await answer, 'from b');
    broker.close();
  });

  it('queue: the next is put when the one before is answered, also by a cancel', async () => {
    const { broker, events } = setUp();
    const a = new Somebody();
    const attachment = broker.attach(a, true);
    const answers = [broker.ask(question('n1')), broker.ask(question('n2'))];
    assert.deepEqual(a.log, ['open n1']);
    attachment.answer(a.last, undefined);
    assert.deepEqual(a.log, ['open n1', 'open n2']);
    attachment.answer(a.last, 'x');
    assert.deepEqual(await Promise.all(answers), [undefined, 'x']);
    assert.deepEqual(
      events.map((event) => event.type === 'question' && [event.open, event.text]),
      [
        [true, 'Password for ann@h (node n1)'],
        [false, 'Password for ann@h (node n1)'],
        [true, 'Password for ann@h (node n2)'],
        [false, 'Password for ann@h (node n2)'],
      ],
    );
    broker.close();
  });

  it('wait for somebody to come, and are put to who comes', async () => {
    const { broker } = setUp();
    const answer = broker.ask(question('n1'));
    assert.equal(broker.waitingFor, 'Password for ann@h (node n1)');
    const late = new Somebody();
    const attachment = broker.attach(late, false);
    attachment.answer(late.last, 'here I am');
    assert.equal(await answer, 'here I am');
    broker.close();
  });

  it('are answered as unattended when nobody comes in time', async () => {
    const { broker } = setUp(1);
    assert.equal(await broker.ask(question('n1')), undefined);
    broker.close();
  });

  it('are answered at once, and not announced, where nobody is expected', async () => {
    const { broker, events } = setUp(0);
    assert.equal(await broker.ask(question('anybody there?')), undefined);
    assert.deepEqual(events, []);
  });

  it('are taken back when what asked is over, open or still queued', async () => {
    const { broker } = setUp();
    const a = new Somebody();
    broker.attach(a, true);
    const stop = new AbortController();
    const answers = [
      broker.ask(question('n1'), stop.signal),
      broker.ask(question('n2'), stop.signal),
      broker.ask(question('n3')),
    ];
    stop.abort();
    broker.close();
    assert.deepEqual(await Promise.all(answers), [undefined, undefined, undefined]);
    assert.deepEqual(a.log, ['open n1', 'close', 'open n2', 'close', 'open n3', 'close'].slice(0, a.log.length));
    assert.equal(await broker.ask(question('n4')), undefined);
  });

  it('are asked on the terminal of this process, and closed there when answered elsewhere', async () => {
    const { broker } = setUp();
    let closed = 0;
    const attachment = broker.attachAsker({
      ask: (_, signal) =>
        new Promise((resolve) => {
          signal?.addEventListener('abort', () => {
            closed++;
            resolve(undefined);
          });
        }),
    });
    const stop = new AbortController();
    const answer = broker.ask(question('n1'), stop.signal);
    stop.abort();
    assert.equal(await answer, undefined);
    assert.equal(closed, 1);
    attachment.leave();
    broker.attachAsker({ ask: () => Promise.resolve('typed') });
    assert.equal(await broker.ask(question('n2')), 'typed');
    broker.close();
  });
});
