import { strict as assert } from 'node:assert';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { RunContext } from '../../../../src/engine/control/context';
import type { JournalEntry } from '../../../../src/engine/journal/events';
import { Journal, parseJournal } from '../../../../src/engine/journal/journal';
import { keepLocks, lockAll, unlockAll } from '../../../../src/engine/control/locks';
import { breakLock, releaseLock, showLock, takeLock } from '../../../../src/engine/node/lock';
import type { PlanNode } from '../../../../src/engine/journal/plan';
import type { Image } from '../../../../src/engine/control/runpackage';
import { runUpgrade } from '../../../../src/engine/actions/upgrade';
import type { ExecResult, NodeConnection } from '../../../../src/ssh/connection';
import { LocalConnection } from '../../../../src/ssh/reach/local';
import { Secrets } from '../../../../src/ssh/secrets';
import { planOf } from '../plans';

/** The real scripts of the lock on this machine; what is slow is the way of a heartbeat to the node. */
describe('the locks of a run', () => {
  let dir: string;
  let stateDir: string;
  let node: NodeConnection;
  let local: NodeConnection;
  let journal: Journal;
  let beat: EventEmitter;

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clusterlift-locks-'));
    stateDir = join(dir, 'n1');
    local = new LocalConnection({
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

  it('are not lost to a heartbeat that comes to a node after its lock was given back and taken again', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, async () => {
      await unlockAll(ctx);
      await lockAll(ctx);
    });
    assert.equal(ctx.signal.aborted, false);
  });

  it('are lost when a heartbeat finds that another run has one: it halts the run', async () => {
    const ctx = run();
    await lockAll(ctx);
    await whileABeatIsOnItsWay(ctx, async () => {
      const held = await showLock(node, stateDir);
      if (held) await breakLock(node, stateDir, held, { reason: 'test', by: 'ann@desk' });
      await takeLock(node, { stateDir, run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade' });
    });
    assert.ok(hasCode(ctx.signal.reason, 'fenced'), String(ctx.signal.reason));
  });

  it('are not lost while a resume takes long to lock: what an earlier process gave back is not ours yet', async () => {
    const first = run(['n1', 'n2', 'n3'], { connect: () => local });
    await lockAll(first);
    await unlockAll(first);
    await first.record({ type: 'run.finished', outcome: 'stopped', status: 1, nodes: {} });
    let [open, beats, early] = [(): void => undefined, 0, 0];
    const away = new Promise<void>((resolve) => (open = resolve));
    let isBack = false;
    const ctx = run(['n1', 'n2', 'n3'], {
      entries: parseJournal(await readFile(journal.path, 'utf8'), journal.path).entries,
      connect: ({ name }) =>
        Object.assign(Object.create(local) as NodeConnection, {
          exec: async (request: Parameters<NodeConnection['exec']>[0]) => {
            if (request.args?.[0] === 'take' && name === 'n2') await away;
            if (request.args?.[0] === 'beat' && name === 'n1') beats++;
            if (request.args?.[0] === 'beat' && name === 'n2' && !isBack) early++;
            return local.exec(request);
          },
        }),
    });
    await ctx.record({ type: 'run.resumed', host: 'here', pid: 1, epoch: ctx.epoch });
    const kept = keepLocks(ctx, 10);
    const locking = lockAll(ctx);
    while (beats < 5 && !ctx.signal.aborted) await setImmediate();
    isBack = true;
    open();
    await locking;
    kept.stop();
    assert.equal(ctx.signal.aborted, false, String(ctx.signal.reason));
    assert.equal(early, 0);
    for (const name of ['n1', 'n2', 'n3']) {
      const held = await showLock(local, join(dir, name));
      assert.equal(held?.owner.run, ctx.plan.run);
      assert.equal(held.trying, false, 'others see that it has all of its locks');
      assert.equal(
        ctx.view.nodes[name]?.steps.some(({ step }) => step === 'unlock'),
        false,
      );
    }
  });

  it('are given back by whoever meets one that has all of its own, and kept by that one', async () => {
    const ctx = run(['n1', 'n2', 'n3'], { connect: () => local });
    const other = { run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade' };
    await takeLock(local, { ...other, stateDir: join(dir, 'n3') });
    await assert.rejects(lockAll(ctx), (error) => hasCode(error, 'locked'));
    assert.equal(await showLock(local, join(dir, 'n1')), undefined);
    assert.equal(await showLock(local, join(dir, 'n2')), undefined);
    assert.equal((await showLock(local, join(dir, 'n3')))?.owner.run, 'other');
  });

  it('wait for one that has not all of its own yet, and are taken when it gives up', async () => {
    const ctx = run(['n1', 'n2', 'n3'], { connect: () => local });
    const other = { run: 'other', me: self(), token: 't', user: 'bob', command: 'upgrade', trying: true };
    await takeLock(local, { ...other, stateDir: join(dir, 'n3') });
    const kept = keepLocks(ctx, 10);
    const locking = lockAll(ctx);
    let tries = 0;
    while (tries < 2 && !ctx.signal.aborted) {
      await setImmediate();
      tries = ctx.view.nodes['n3']?.steps.find(({ step }) => step === 'lock')?.attempt ?? 0;
    }
    await releaseLock(local, join(dir, 'n3'), { run: 'other', epoch: 1 });
    await locking;
    kept.stop();
    assert.equal(ctx.signal.aborted, false, String(ctx.signal.reason));
    for (const name of ['n1', 'n2', 'n3']) {
      const held = await showLock(local, join(dir, name));
      assert.deepEqual([held?.owner.run, held?.trying], [ctx.plan.run, false]);
    }
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
      await assert.rejects(runUpgrade(ctx, {} as Image), (error) => hasCode(error, 'locked'));
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
    await setImmediate();
  }

  function run(
    names: readonly string[] = ['n1'],
    more: { entries?: JournalEntry[]; connect?: (node: PlanNode) => NodeConnection } = {},
  ): RunContext {
    const plan = planOf(names);
    return new RunContext(
      { ...plan, nodes: plan.nodes.map((each) => ({ ...each, stateDir: join(dir, each.name) })) },
      dir,
      {
        connect: more.connect ?? (() => node),
        openStore: () => assert.fail('no backup here'),
        asker: { ask: () => Promise.resolve(undefined) },
        sink: () => undefined,
        detach: new AbortController().signal,
        isClosed: () => Promise.resolve(false),
        by: 'ann@here',
      },
      journal,
      more.entries,
    );
  }
});
