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
import type { RunPackage } from '../../../src/engine/runpackage';
import { runUpgrade } from '../../../src/engine/upgrade';
import type { ExecResult, NodeConnection } from '../../../src/ssh/connection';
import { LocalConnection } from '../../../src/ssh/local';
import { Secrets } from '../../../src/ssh/secrets';
import { planOf } from './plans';

/** The real scripts of the lock on this machine; what is slow is the way of a heartbeat to the node. */
describe('the locks of a run', () => {
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
    stateDir = join(dir, 'n1');
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

  it('are not lost to a heartbeat that comes to a node after its lock was given back', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, () => unlockAll(ctx));
    assert.equal(ctx.signal.aborted, false);
  });

  it('are not lost to a heartbeat that comes to a node after a resumed run entered its lock anew', async () => {
    const ctx = run();
    await lockByOneThatDied(ctx);
    await whileABeatIsOnItsWay(ctx, () => lockAll(ctx));
    assert.equal(ctx.signal.aborted, false);
  });

  it('are lost when a heartbeat finds that another run has one: it halts the run', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, async () => {
      const held = await showLock(node, stateDir);
      if (held) await breakLock(node, stateDir, held, 'test');
      await takeLock(node, { stateDir, run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade' });
    });
    assert.ok(hasCode(ctx.signal.reason, 'fenced'), String(ctx.signal.reason));
  });

  for (const [when, begin] of [
    ['a run begins', () => Promise.resolve()],
    ['a run is resumed that died between the two', lockByOneThatDied],
  ] as const) {
    it(`are all or none: the first node is freed when ${when} and another one has the second`, async () => {
      const ctx = run(['n1', 'n2']);
      const second = join(dir, 'n2');
      await begin(ctx);
      const other = { run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade' };
      await takeLock(node, { ...other, stateDir: second });
      // It does not come as far as the package.
      await assert.rejects(runUpgrade(ctx, {} as RunPackage), (error) => hasCode(error, 'locked'));
      assert.equal(ctx.view.nodes['n1']?.steps.find(({ step }) => step === 'lock')?.state, 'done');
      assert.equal(await showLock(node, stateDir), undefined);
      assert.equal((await showLock(node, second))?.owner.run, 'other');
    });
  }

  /** The run has the lock of n1 from a process that is no more. */
  async function lockByOneThatDied(ctx: RunContext): Promise<void> {
    const me = { ...self(), pid: 4_194_000, pidStart: '12' };
    await takeLock(node, { stateDir, run: ctx.plan.run, me, token: 'died', user: 'ann', command: 'upgrade' });
    const key = { node: 'n1', step: 'lock', lane: 'main', attempt: 1 } as const;
    await ctx.record({ type: 'step.started', ...key });
    await ctx.record({ type: 'step.finished', ...key, ms: 1, result: 'done', data: { epoch: 1 } });
  }

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

  function run(names: readonly string[] = ['n1']): RunContext {
    const plan = planOf(names);
    return new RunContext(
      { ...plan, nodes: plan.nodes.map((each) => ({ ...each, stateDir: join(dir, each.name) })) },
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
