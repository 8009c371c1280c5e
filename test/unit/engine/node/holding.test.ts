import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { listOpenRuns, readHolding } from '../../../../src/engine/node/holding';
import { releaseLock, takeLock } from '../../../../src/engine/node/lock';
import { mirrorPiece } from '../../../../src/engine/node/mirror';
import { underBothShells } from './shells';

underBothShells('What a node has of a run', (place) => {
  const take = async (run: string): Promise<number> => {
    const { node, stateDir } = place();
    const request = { stateDir, run, me: self(), token: run, user: 'u', command: 'c' };
    const taken = await takeLock(node, request);
    assert.ok(taken.kind !== 'held');
    return taken.epoch;
  };
  const mirror = (run: string, closed = false): Promise<number> =>
    mirrorPiece(place().node, {
      stateDir: place().stateDir,
      run,
      epoch: 1,
      plan: '{"plan":"ü"}',
      offset: 0,
      journal: Buffer.from('one\n'),
      closed,
    });

  it('is nothing where no run ever was', async () => {
    const { node, stateDir } = place();
    const holding = await readHolding(node, stateDir, 'r1', 'copy');
    assert.deepEqual(holding, {
      stateDir,
      claim: undefined,
      last: 0,
      lock: undefined,
      plan: undefined,
      journal: '',
      jobs: [],
    });
    assert.deepEqual((await listOpenRuns(node, stateDir)).runs, []);
    await assert.rejects(readHolding(node, stateDir, '../r1', 'copy'), (error) => hasCode(error, 'run-unknown'));
  });

  it('is its copy, its jobs, and the last claim, held or released', async () => {
    const { node, stateDir } = place();
    const epoch = await take('r1');
    await mirror('r1');
    for (const job of ['r1.n1.upgrade.1', 'r10.n1.upgrade.1']) await mkdir(join(stateDir, 'jobs', job));
    const held = await readHolding(node, stateDir, 'r1', 'copy');
    assert.deepEqual([held.claim, held.last, held.lock?.owner.run], ['r1', 1, 'r1']);
    assert.deepEqual([held.plan, held.journal, held.jobs], ['{"plan":"ü"}', 'one\n', ['r1.n1.upgrade.1']]);
    assert.equal((await readHolding(node, stateDir, 'r1', 'proof')).journal, '');
    await releaseLock(node, stateDir, { run: 'r1', epoch });
    const released = await readHolding(node, stateDir, 'r1', 'copy');
    assert.deepEqual([released.claim, released.lock], ['r1', undefined]);
    await take('r2');
    const later = await readHolding(node, stateDir, 'r1', 'copy');
    assert.deepEqual([later.claim, later.last], ['r2', 2]);
  });

  it('lists the runs that are open, and only names that runs can have', async () => {
    const { node, stateDir } = place();
    await take('r1');
    await mirror('r1');
    await mirror('r0', true);
    const odd = join(stateDir, 'runs', 'a b; rm -rf ~');
    await mkdir(odd);
    await writeFile(join(odd, 'plan.json'), '{}');
    const { claim, runs } = await listOpenRuns(node, stateDir);
    assert.deepEqual([claim, runs], ['r1', ['r1']]);
  });
});
