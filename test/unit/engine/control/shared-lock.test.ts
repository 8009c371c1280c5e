import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { SharedLock } from '../../../../src/engine/control/shared-lock';
import { HealthClock } from '../../../../src/engine/steps/health';

describe('shared lock', () => {
  it('never lets anybody in beside one who wants to be alone, and lets everybody in at last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.nat(3)), { maxLength: 30 }), async (visits) => {
        const sharedLock = new SharedLock();
        let shared = 0;
        let alone = 0;
        const visit = async (isAlone: boolean, turns: number): Promise<void> => {
          if (isAlone) alone++;
          else shared++;
          for (let i = 0; i <= turns; i++) {
            assert.ok(alone === 0 || (alone === 1 && shared === 0), 'somebody is beside one who is alone');
            await Promise.resolve();
          }
          if (isAlone) alone--;
          else shared--;
        };
        await Promise.all(
          visits.map(([isAlone, turns]) =>
            isAlone ? sharedLock.exclusive(() => visit(true, turns)) : sharedLock.shared(() => visit(false, turns)),
          ),
        );
        assert.equal(shared + alone, 0);
      }),
    );
  });

  it('opens again after an error', async () => {
    const sharedLock = new SharedLock();
    await assert.rejects(sharedLock.exclusive(() => Promise.reject(new Error('no'))));
    assert.equal(await sharedLock.shared(() => Promise.resolve(1)), 1);
  });
});

describe('health over time', () => {
  it('takes one pass when it need not hold', () => {
    assert.equal(new HealthClock(0, 100).verdict(true, 10), 'healthy');
  });
  it('starts to count again after a failure', () => {
    const clock = new HealthClock(10, 100);
    assert.equal(clock.verdict(true, 0), 'wait');
    assert.equal(clock.verdict(false, 5), 'wait');
    assert.equal(clock.verdict(true, 9), 'wait');
    assert.equal(clock.verdict(true, 18), 'wait');
    assert.equal(clock.verdict(true, 19), 'healthy');
  });
  it('is too late at the first failure after the deadline, but lets a healthy time end', () => {
    const clock = new HealthClock(50, 100);
    assert.equal(clock.verdict(true, 99), 'wait');
    assert.equal(clock.verdict(true, 120), 'wait');
    assert.equal(clock.verdict(false, 121), 'too-late');
  });
});
