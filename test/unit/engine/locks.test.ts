import { strict as assert } from 'node:assert';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { self } from '../../../src/base/process';
import { RunContext } from '../../../src/engine/context';
import { Journal } from '../../../src/engine/journal';
import { keepLocks, lockAll, unlockAll } from '../../../src/engine/locks';
import { breakLock, showLock, takeLock } from '../../../src/engine/node/lock';
import type { ExecResult, NodeConnection } from '../../../src/ssh/connection';
import { LocalConnection } from '../../../src/ssh/local';
import { Secrets } from '../../../src/ssh/secrets';
import { planOf } from './plans';

/** The real scripts of the lock on this machine; what is slow is the way of a heartbeat to the node. */
describe('the heartbeat of a run', () => {
  let dir: string;
  let stateDir: string;
  let node: NodeConnection;
  let journal: Journal;
  let beat: EventEmitter;

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clusterlift-locks-'));
    stateDir = join(dir, 'state');
    const local = new LocalConnection({
      node: { name: 'n1', become: 'none' },
      asker: { ask: () => Promise.resolve(undefined) },
      secrets: new Secrets(),
    });
    node = Object.assign(Object.create(local) as NodeConnection, {
      exec: (request: Parameters<NodeConnection['exec']>[0]) =>
        request.args?.[0] === 'beat' ? late(() => local.exec(request)) : local.exec(request),
    });
    beat = new EventEmitter();
    const late = async (send: () => Promise<ExecResult>): Promise<ExecResult> => {
      beat.emit('begun');
      await once(beat, 'go on');
      return send().finally(() => beat.emit('over'));
    };
    journal = await Journal.create(join(dir, 'journal.jsonl'));
  });
  afterEach(async () => {
    await journal.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('that comes to a node after the lock was given back does not halt the run', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, () => unlockAll(ctx));
    assert.equal(ctx.signal.aborted, false);
  });

  it('that comes to a node after a resumed run entered its lock anew does not halt it', async () => {
    const ctx = run();
    const me = { ...self(), pid: 4_194_000, pidStart: '12' };
    await takeLock(node, { stateDir, run: ctx.plan.run, me, token: 'died', user: 'ann', command: 'upgrade' });
    const key = { node: 'n1', step: 'lock', lane: 'main', attempt: 1 } as const;
    await ctx.record({ type: 'step.started', ...key });
    await ctx.record({ type: 'step.finished', ...key, ms: 1, result: 'done', data: { epoch: 1 } });
    await whileABeatIsOnItsWay(ctx, () => lockAll(ctx));
    assert.equal(ctx.signal.aborted, false);
  });

  it('halts the run when another one has the lock by then', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, async () => {
      const held = await showLock(node, stateDir);
      if (held) await breakLock(node, stateDir, held, 'test');
      await takeLock(node, { stateDir, run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade' });
    });
    assert.ok(hasCode(ctx.signal.reason, 'fenced'), String(ctx.signal.reason));
  });

  async function whileABeatIsOnItsWay(ctx: RunContext, act: () => Promise<unknown>): Promise<void> {
    const begun = once(beat, 'begun');
    const kept = keepLocks(ctx, 10);
    await begun;
    kept.stop();
    await act();
    const over = once(beat, 'over');
    beat.emit('go on');
    await over;
    await new Promise((resolve) => setImmediate(resolve));
  }

  function run(): RunContext {
    const plan = planOf(['n1']);
    const [first] = plan.nodes;
    if (!first) throw new Error('no node');
    return new RunContext(
      { ...plan, nodes: [{ ...first, stateDir }] },
      dir,
      {
        connect: () => node,
        openStore: () => assert.fail('no backup here'),
        asker: { ask: () => Promise.resolve(undefined) },
        sink: () => undefined,
        detach: new AbortController().signal,
        isClosed: () => Promise.resolve(false),
        by: 'ann@here',
      },
      journal,
    );
  }
});
