import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { sleep } from '../../../src/base/async';
import { type Identity, explain } from '../../../src/ssh/exec/become';
import { PasswordSource } from '../../../src/ssh/password';
import { PausableDeadline } from '../../../src/ssh/reach/pausable-deadline';
import { Secrets } from '../../../src/ssh/secrets';
import { NotStarted } from '../../../src/ssh/exec/session';
import { Slots } from '../../../src/ssh/slots';
import { Throttle } from '../../../src/ssh/reach/throttle';
import { Script, nobody } from './helpers';

describe('the rate limit', () => {
  /** A clock that only a pause moves. */
  function clockwork(rate: number): { throttle: Throttle; now: () => number } {
    let time = 0;
    const pause = (ms: number): Promise<void> => {
      time += ms;
      return Promise.resolve();
    };
    return { throttle: new Throttle(rate, () => time, pause), now: () => time };
  }

  it('never lets more through than rate × time and one burst', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 40 }), async (sizes) => {
        const { throttle, now } = clockwork(10_000);
        let total = 0;
        for (const size of sizes) {
          await throttle.take(size);
          total += size;
          assert.ok(total - size <= (now() / 1000) * 10_000 + 1000 + 1e-6);
        }
      }),
    );
  });

  it('comes close to the rate', async () => {
    const { throttle, now } = clockwork(1_000_000);
    for (let n = 0; n < 100; n++) await throttle.take(100_000);
    assert.ok(now() > 9500 && now() < 10_500, String(now()));
  });

  it('cuts a stream into pieces without changing it', async () => {
    const { throttle } = clockwork(1000);
    async function* source(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('x'.repeat(950)));
      yield Buffer.from('end');
    }
    const parts: Buffer[] = [];
    for await (const part of throttle.limit(source())) parts.push(Buffer.from(part));
    assert.equal(Buffer.concat(parts).toString(), `${'x'.repeat(950)}end`);
    assert.ok(parts.every((part) => part.length <= 100));
  });

  it('stops waiting when it is aborted, and the next one is served', async () => {
    const throttle = new Throttle(10);
    const abort = new AbortController();
    await throttle.take(1);
    const waiting = throttle.take(1000, abort.signal);
    abort.abort(new Error('stop'));
    await assert.rejects(waiting, /stop/);
    await new Throttle(undefined).take(1e12);
  });
});

describe('slots', () => {
  it('admit so many at a time, in order', async () => {
    const slots = new Slots(2);
    const order: number[] = [];
    let most = 0;
    await Promise.all(
      [1, 2, 3, 4, 5].map(async (index) => {
        const release = await slots.acquire();
        order.push(index);
        most = Math.max(most, slots.active);
        await sleep(1);
        release();
        release();
      }),
    );
    assert.deepEqual(order, [1, 2, 3, 4, 5]);
    assert.equal(most, 2);
    assert.equal(slots.active, 0);
  });

  it('let somebody leave the line', async () => {
    const slots = new Slots(1);
    const release = await slots.acquire();
    const abort = new AbortController();
    const waiting = slots.acquire(abort.signal);
    const next = slots.acquire();
    abort.abort(new Error('left'));
    await assert.rejects(waiting, /left/);
    release();
    (await next)();
    assert.equal(slots.active, 0);
  });

  it('never shrink below one', async () => {
    const slots = new Slots(3);
    slots.shrink();
    const release = await slots.acquire();
    release();
  });
});

describe('the deadline of a connection', () => {
  it('stands still while a person is asked', async () => {
    let expired = false;
    const deadline = new PausableDeadline(60, () => {
      expired = true;
    });
    const asker = deadline.wrap({ ask: () => sleep(150).then(() => 'yes') });
    assert.equal(await asker.ask({ kind: 'confirm', text: '?', typeName: undefined }), 'yes');
    assert.equal(expired, false);
    assert.equal(deadline.asked, true);
    await deadline.settled();
    await sleep(120);
    assert.equal(expired, true);
    deadline.end();
  });

  it('is over when the connection is', async () => {
    let expired = false;
    const deadline = new PausableDeadline(10, () => {
      expired = true;
    });
    deadline.end();
    await sleep(30);
    assert.equal(expired, false);
  });
});

describe('passwords', () => {
  const demand = (purpose = 'become lab platform') => ({
    given: 'become-password' as const,
    purpose,
    question: (retry: boolean) => ({ kind: 'become-password' as const, node: 'n', user: 'u', retry }),
  });

  it('are asked for one at a time per purpose; who waits gets the answer that worked', async () => {
    const secrets = new Secrets();
    const asker = new Script('right');
    const first = await new PasswordSource(demand(), secrets).next(asker);
    const second = new PasswordSource(demand(), secrets).next(asker);
    first?.accept();
    assert.equal((await second)?.value, 'right');
    assert.equal(asker.asked.length, 1);
    assert.equal(secrets.redact('it is right'), 'it is ********');
  });

  it('that were answered but not tried are used the next time', async () => {
    const asker = new Script('typed slowly');
    const source = new PasswordSource(demand(), new Secrets());
    (await source.next(asker))?.release();
    assert.equal((await source.next(nobody))?.value, 'typed slowly');
  });

  it('that are wrong are not tried twice', async () => {
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: 'given' });
    const source = new PasswordSource(demand(), secrets);
    const given = await source.next(nobody);
    assert.equal(given?.value, 'given');
    given.reject();
    assert.equal(await source.next(nobody), undefined);
    assert.equal(source.refused, true);
  });
});

describe('the reason why no script began', () => {
  const identity: Identity = { node: 'n1', user: 'platform', become: 'sudo', purpose: 'p' };
  const told = (text: string, become: 'sudo' | 'doas' | 'none' = 'sudo', reason: NotStarted['reason'] = 'ended') =>
    explain(new NotStarted(reason, `clusterlift-boot\n${text}`, 1), identity, become);

  it('is told with the command that mends it', () => {
    assert.match(told('sudo: sorry, you must have a tty to run sudo').hint, /!requiretty/);
    assert.match(told('platform is not in the sudoers file.').hint, /sudoers\.d/);
    assert.match(told('sh: 1: sudo: not found').message, /sudo is not installed on n1/);
    assert.match(told("env: 'sudo': No such file or directory").message, /sudo is not installed on n1/);
    for (const text of ['doas: Authentication required', 'doas: Operation not permitted']) {
      assert.match(told(text, 'doas').hint, /permit nopass platform/);
    }
    assert.match(told('env: ‘doas’: No such file or directory', 'doas').message, /doas is not installed on n1/);
    assert.match(told('sudo: effective uid is not 0').message, /sudo failed for platform on n1: sudo: effective uid/);
    assert.match(told('Verification code:', 'sudo', 'silent').message, /something that we cannot answer/);
  });

  it('keeps what the node said when it is none of these', () => {
    const error = told('This account is currently not available.', 'none');
    assert.equal(error.code, 'script-not-started');
    assert.deepEqual(error.log, ['This account is currently not available.']);
  });
});
