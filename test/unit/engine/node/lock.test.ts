import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { self, type ProcessIdentity } from '../../../../src/base/process';
import {
  beatLock,
  breakLock,
  releaseLock,
  showLock,
  takeLock,
  type HeldLock,
  type TakeRequest,
  type TakeResult,
} from '../../../../src/engine/node/lock';
import type { ExecRequest, NodeConnection } from '../../../../src/ssh/connection';
import { execute } from '../../../../src/ssh/exec/script';
import { underBothShells, type Place } from './shells';

const me = self();
const elsewhere: ProcessIdentity = { host: 'laptop', bootId: 'b', pid: 77, pidStart: '1' };
const deadHere: ProcessIdentity = { ...me, pid: 4_194_000, pidStart: '12' };

underBothShells('The lock of a node', (place) => {
  const request = (run: string, more: Partial<TakeRequest> = {}): TakeRequest => ({
    stateDir: place().stateDir,
    run,
    me,
    token: `token-${run}`,
    user: 'ann',
    command: "upgrade 'my file.iso'\nnow",
    ...more,
  });
  const take = (run: string, more?: Partial<TakeRequest>): Promise<TakeResult> =>
    takeLock(place().node, request(run, more));

  it('is taken once, shown with its owner, and refused to others', async () => {
    assert.deepEqual(await take('r1'), { kind: 'taken', epoch: 1 });
    const held = await mustBeHeld(take('r2'));
    assert.equal(held.owner.run, 'r1');
    assert.equal(held.owner.pid, me.pid);
    assert.equal(held.owner.user, 'ann');
    assert.equal(held.owner.command, "upgrade 'my file.iso' now");
    assert.equal(held.stale, false);
    assert.deepEqual(held.jobsAlive, []);
    assert.ok(Math.abs(held.owner.heartbeat - Date.now() / 1000) < 100);
  });

  it('keeps the state directory private and lets people see the owner', async () => {
    await take('r1');
    assert.equal((await stat(place().stateDir)).mode & 0o777, 0o700);
    const view = JSON.parse(await readFile(join(place().stateDir, 'lock/owner.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    assert.deepEqual(Object.keys(view).sort(), [
      'bootId', 'command', 'epoch', 'heartbeat', 'host', 'pid', 'pidStart', 'run', 'user',
    ]); // prettier-ignore
  });

  it('is found again by a repeated call of the same process', async () => {
    await take('r1');
    assert.deepEqual(await take('r1'), { kind: 'taken', epoch: 1 });
  });

  it('is free after its release, which may be repeated, and its epochs go on counting', async () => {
    await take('r1');
    await releaseLock(place().node, place().stateDir, { run: 'r1', epoch: 1 });
    await releaseLock(place().node, place().stateDir, { run: 'r1', epoch: 1 });
    assert.equal(existsSync(join(place().stateDir, 'lock/owner.json')), false);
    assert.equal(await showLock(place().node, place().stateDir), undefined);
    assert.deepEqual(await take('r2'), { kind: 'taken', epoch: 2 });
    await releaseLock(place().node, place().stateDir, { run: 'r1', epoch: 1 });
    assert.equal((await showLock(place().node, place().stateDir))?.owner.run, 'r2');
  });

  it('is not shown as held once a release that was cut off is repeated, and another one that took it is', async () => {
    const { node, stateDir } = place();
    const fence = { run: 'r1', epoch: 1 };
    const view = join(stateDir, 'lock/owner.json');
    await take('r1');
    const shown = await readFile(view);
    await releaseLock(node, stateDir, fence);
    await writeFile(view, shown); // as if it had not come that far
    await releaseLock(node, stateDir, fence);
    assert.equal(existsSync(view), false);
    await take('r2');
    await releaseLock(node, stateDir, fence);
    assert.equal(existsSync(view), true);
  });

  it('goes to a resume of the same run at once when its process here is dead', async () => {
    await take('r1', { me: deadHere });
    assert.deepEqual(await take('r1', { token: 'another' }), { kind: 'reentered', epoch: 2 });
  });

  it('does not go to a second process of the same run while the first one lives', async () => {
    await take('r1');
    assert.equal((await mustBeHeld(take('r1', { token: 'another' }))).stale, false);
  });

  it('is offered, not taken, when the process of another run is dead, and goes to whoever decides so', async () => {
    await take('r1', { me: deadHere });
    const held = await mustBeHeld(take('r2'));
    assert.equal(held.staleReason, 'process-dead');
    assert.deepEqual(await take('r2', { takeOver: held }), { kind: 'taken', epoch: 2 });
    await assert.rejects(beatLock(place().node, place().stateDir, { run: 'r1', epoch: 1 }), (e) =>
      hasCode(e, 'fenced'),
    );
  });

  it('is stale without a heartbeat for two minutes by the clock of the node', async () => {
    await take('r1', { me: elsewhere });
    assert.equal((await mustBeHeld(take('r2'))).stale, false);
    await age(place(), 121);
    const held = await mustBeHeld(take('r2'));
    assert.equal(held.staleReason, 'no-heartbeat');
    assert.ok(held.owner.age >= 121);
    await beatLock(place().node, place().stateDir, { run: 'r1', epoch: 1 });
    assert.equal((await mustBeHeld(take('r2', { takeOver: held }))).stale, false, 'it came back before we decided');
  });

  it('lets a decision count only for the holder that was shown', async () => {
    await take('r1', { me: deadHere });
    const held = await mustBeHeld(take('r2'));
    await take('r3', { takeOver: held, me: deadHere });
    assert.equal((await mustBeHeld(take('r2', { takeOver: held }))).owner.run, 'r3');
  });

  it('goes to the next run by itself when the run of a stale one is closed', async () => {
    await take('r1', { me: deadHere });
    await mkdir(join(place().stateDir, 'runs/r1'), { recursive: true });
    await writeFile(join(place().stateDir, 'runs/r1/closed'), '');
    assert.deepEqual(await take('r2'), { kind: 'taken', epoch: 2 });
  });

  it('starts above the epochs that the journal knows', async () => {
    assert.deepEqual(await take('r1', { leastEpoch: 7 }), { kind: 'taken', epoch: 7 });
  });

  it('is never taken over, released or broken while a job of its run lives', async () => {
    await take('r1', { me: deadHere });
    const { stateDir, node } = place();
    await livingJob(place(), 'r1');
    const held = await mustBeHeld(take('r2'));
    assert.equal(held.stale, true);
    assert.deepEqual(held.jobsAlive, ['r1.n1.upgrade.1']);
    assert.equal((await take('r2', { takeOver: held })).kind, 'held');
    const alive = (e: unknown): boolean => hasCode(e, 'lock-jobs-alive');
    await assert.rejects(releaseLock(node, stateDir, { run: 'r1', epoch: 1 }), alive);
    await assert.rejects(breakLock(node, stateDir, held, { reason: 'because', by: 'ann@desk' }), alive);
    assert.deepEqual(await take('r1', { token: 'resumed' }), { kind: 'reentered', epoch: 2 });
  });

  it('goes back to its run when a job of it began at the very moment of the takeover', async () => {
    const { node, stateDir } = place();
    await take('r1', { me: deadHere });
    const held = await mustBeHeld(take('r2'));
    await livingJob(place(), 'r1');
    await rename(join(stateDir, 'jobs'), join(stateDir, 'later'));
    const racing = changed(place(), (script) =>
      script.replace('claim_epoch "$next" || continue', '$&; rmdir "$S/jobs"; mv "$S/later" "$S/jobs"'),
    );
    const result = await takeLock(racing, request('r2', { takeOver: held }));
    assert.equal(result.kind === 'held' && result.owner.run, 'r1');
    await beatLock(node, stateDir, { run: 'r1', epoch: 1 });
    await assert.rejects(beatLock(node, stateDir, { run: 'r2', epoch: 2 }), (e) => hasCode(e, 'fenced'));
    assert.deepEqual(await take('r1', { token: 'resumed' }), { kind: 'reentered', epoch: 3 });
  });

  it('is broken for a reason, once', async () => {
    await take('r1', { me: elsewhere });
    const held = await mustBeHeld(take('r2'));
    await breakLock(place().node, place().stateDir, held, { reason: 'laptop was stolen', by: 'ann@desk' });
    assert.deepEqual(await take('r2'), { kind: 'taken', epoch: 2 });
    await assert.rejects(breakLock(place().node, place().stateDir, held, { reason: 'again', by: 'ann@desk' }), (e) =>
      hasCode(e, 'lock-changed'),
    );
  });

  it('goes to exactly one of many that ask at once', async () => {
    for (let round = 1; round <= 6; round++) {
      const runs = Array.from({ length: 5 }, (_, at) => `r${String(round)}-${String(at)}`);
      const results = await Promise.all(runs.map((run) => take(run)));
      const winners = results.filter((each) => each.kind === 'taken');
      assert.equal(winners.length, 1, JSON.stringify(results));
      const winner = runs[results.findIndex((each) => each.kind === 'taken')] ?? '';
      assert.equal((await showLock(place().node, place().stateDir))?.owner.run, winner);
      await releaseLock(place().node, place().stateDir, {
        run: winner,
        epoch: winners[0]?.kind === 'taken' ? winners[0].epoch : 0,
      });
    }
  });

  it('goes to exactly one of many that take a dead one over at once', async () => {
    await take('r0', { me: deadHere });
    for (let round = 1; round <= 5; round++) {
      const held = await mustBeHeld(take('look'));
      const runs = Array.from({ length: 5 }, (_, at) => `r${String(round)}-${String(at)}`);
      const results = await Promise.all(runs.map((run) => take(run, { takeOver: held, me: deadHere })));
      assert.equal(results.filter((each) => each.kind === 'taken').length, 1, JSON.stringify(results));
    }
  });

  it('is not ours when this run took it under the name of another node, also after it was given back', async () => {
    const { node, stateDir } = place();
    const tokenOf = (name: string): string => `token-${name}`;
    const as = (name: string): Promise<TakeResult> => take('r1', { node: name, token: tokenOf(name), tokenOf });
    assert.deepEqual(await as('n1'), { kind: 'taken', epoch: 1 });
    assert.deepEqual(await as('n1'), { kind: 'taken', epoch: 1 }, 'a repeated call finds its own claim');
    await assert.rejects(as('n2'), (e) => hasCode(e, 'machine-twice'));
    // Another process of the run, after the first one died, or had given it back.
    const later = take('r1', { node: 'n2', token: 'x', tokenOf: () => 'y', me: deadHere, staleAfter: 0 });
    await assert.rejects(later, (e) => hasCode(e, 'lock-other-name'));
    await releaseLock(node, stateDir, { run: 'r1', epoch: 1, node: 'n1' });
    await assert.rejects(as('n2'), (e) => hasCode(e, 'machine-twice'));
    assert.deepEqual(await as('n1'), { kind: 'taken', epoch: 2 });
    await releaseLock(node, stateDir, { run: 'r1', epoch: 2, node: 'n1' });
    assert.equal((await take('r2', { node: 'n2' })).kind, 'taken', 'another run calls it as it likes');
  });

  it('that was found through another name on another boot is one directory of two machines', async () => {
    const { stateDir } = place();
    const tokenOf = (name: string): string => `token-${name}`;
    await take('r1', { node: 'n1', token: tokenOf('n1'), tokenOf });
    await writeFile(join(stateDir, 'lock/e1/beat'), 'another-boot 5 1700000000\n');
    const second = take('r1', { node: 'n2', token: tokenOf('n2'), tokenOf });
    await assert.rejects(second, (e) => hasCode(e, 'state-shared') && (e as Error).message.includes('two machines'));
  });

  it('fences a command that names another node: its address leads elsewhere by now', async () => {
    const { node, stateDir } = place();
    await take('r1', { node: 'n1' });
    const fence = { run: 'r1', epoch: 1 };
    await beatLock(node, stateDir, { ...fence, node: 'n1' });
    await assert.rejects(beatLock(node, stateDir, { ...fence, node: 'n2' }), (e) => hasCode(e, 'lock-other-name'));
    await releaseLock(node, stateDir, { ...fence, node: 'n2' });
    assert.equal((await showLock(node, stateDir))?.owner.run, 'r1');
    // A claim of an earlier version names no node.
    await rm(join(stateDir, 'lock/e1/node'));
    await beatLock(node, stateDir, { ...fence, node: 'n2' });
  });

  it('may be kept fresh twice at the same time, by the clock of a run and by a step of it', async () => {
    await take('r1');
    const { node, stateDir } = place();
    const beats = Array.from({ length: 40 }, () => beatLock(node, stateDir, { run: 'r1', epoch: 1 }));
    await Promise.all(beats);
    assert.deepEqual((await readdir(join(stateDir, 'lock/e1'))).sort(), [
      'beat',
      'before',
      'node',
      'owner.json',
      'run',
      'token',
    ]);
  });

  it('is not shown as held by a beat that comes after its release', async () => {
    const { node, stateDir } = place();
    for (let round = 1; round <= 6; round++) {
      const run = `r${String(round)}`;
      const taken = await take(run);
      if (taken.kind !== 'taken') assert.fail(taken.kind);
      const fence = { run, epoch: taken.epoch };
      const beats = Array.from({ length: 8 }, () => beatLock(node, stateDir, fence));
      await Promise.allSettled([...beats, releaseLock(node, stateDir, fence)]);
      assert.equal(existsSync(join(stateDir, 'lock/owner.json')), false, run);
    }
  });

  it('tells whether its run has all of the locks that it needs, until a heartbeat says so', async () => {
    const { node, stateDir } = place();
    await take('r1', { trying: true });
    assert.equal((await mustBeHeld(take('r2'))).trying, true);
    await beatLock(node, stateDir, { run: 'r1', epoch: 1 }, false);
    assert.equal((await showLock(node, stateDir))?.trying, true);
    await beatLock(node, stateDir, { run: 'r1', epoch: 1 }, true);
    assert.equal((await mustBeHeld(take('r2'))).trying, false);
  });

  it('says that its directory is gone, and not that somebody else holds it', async () => {
    const { node, stateDir } = place();
    await take('r1');
    const beat = (): Promise<void> => beatLock(node, stateDir, { run: 'r1', epoch: 1 });
    for (const what of ['lock/e1', 'lock', '.']) {
      await rm(join(stateDir, what), { recursive: true, force: true });
      await assert.rejects(beat(), (e) => hasCode(e, 'state-lost'), what);
    }
    await take('r2');
    await assert.rejects(beat(), (e) => hasCode(e, 'fenced'));
  });

  it('says who freed it, and why, to the run that had it', async () => {
    const { node, stateDir } = place();
    await take('r1');
    const held = await mustBeHeld(take('r2'));
    await breakLock(node, stateDir, held, { reason: 'laptop was stolen', by: 'bob@desk' });
    await assert.rejects(
      beatLock(node, stateDir, { run: 'r1', epoch: 1 }),
      (e) => hasCode(e, 'unlocked') && e.message === 'n1: by bob@desk: laptop was stolen',
    );
    await take('r2');
    await assert.rejects(beatLock(node, stateDir, { run: 'r1', epoch: 1 }), (e) => hasCode(e, 'fenced'));
  });

  it('tells a resume that the node has lost what its run knew there, also when the call is repeated', async () => {
    const { node, stateDir } = place();
    await take('r1', { me: deadHere });
    assert.deepEqual(await take('r1', { token: 'second', lockedIn: 1, me: deadHere }), { kind: 'reentered', epoch: 2 });
    const before = join(place().root, 'before');
    await cp(stateDir, before, { recursive: true });
    assert.deepEqual(await take('r1', { token: 'third', lockedIn: 2, me: deadHere }), { kind: 'reentered', epoch: 3 });
    // An old copy of the disk.
    await rm(stateDir, { recursive: true });
    await rename(before, stateDir);
    const old = { kind: 'reentered', epoch: 4, lost: true };
    assert.deepEqual(await take('r1', { token: 'fourth', lockedIn: 3, leastEpoch: 4, me: deadHere }), old);
    await rm(join(stateDir, 'jobs'), { recursive: true });
    const jobs = { kind: 'reentered', epoch: 5, lost: true };
    assert.deepEqual(await take('r1', { token: 'fifth', lockedIn: 4, me: deadHere }), jobs);
    await rm(stateDir, { recursive: true });
    const gone = { kind: 'taken', epoch: 6, lost: true };
    for (let call = 1; call <= 2; call++)
      assert.deepEqual(await take('r1', { token: 'sixth', lockedIn: 5, leastEpoch: 6 }), gone);
    await releaseLock(node, stateDir, { run: 'r1', epoch: 6 });
    assert.deepEqual(await take('r9', { lockedIn: undefined }), { kind: 'taken', epoch: 7 });
  });

  it('survives a taker that is killed at any moment', async () => {
    const { node, stateDir } = place();
    let killed = 0;
    for (let delay = 0; delay < 64; delay += 4) {
      const name = String(delay).padStart(2, '0');
      // Not $$: that is the shell which serves the next request, too.
      const prelude = `self=$(exec sh -c 'echo $PPID'); (sleep 0.0${name}; kill -9 $self) >/dev/null 2>&1 & `;
      killed += (await takeKilled(place(), prelude, `killed-${name}`)) ? 1 : 0;
      const held = await showLock(node, stateDir);
      if (held) await breakLock(node, stateDir, held, { reason: 'test', by: 'ann@desk' });
      const result = await take(`after-${name}`);
      if (result.kind !== 'taken') assert.fail(JSON.stringify(result));
      await releaseLock(node, stateDir, { run: `after-${name}`, epoch: result.epoch });
    }
    assert.ok(killed > 0, 'none was killed in time');
  });

  it('refuses a state directory that belongs to somebody else or is no absolute path', async () => {
    await assert.rejects(take('r1', { stateDir: 'relative' }), (e) => hasCode(e, 'state-path'));
    await writeFile(join(place().root, 'file'), '');
    await assert.rejects(take('r1', { stateDir: join(place().root, 'file') }), (e) => hasCode(e, 'state-create'));
    await symlink('/proc/self/fd', join(place().root, 'odd'));
    await assert.rejects(take('r1', { stateDir: join(place().root, 'odd/x') }), (e) => hasCode(e, 'state-create'));
  });

  it('fences every command that names an older epoch or another run', async () => {
    await take('r1', { me: deadHere });
    await take('r1', { token: 'second' });
    const { node, stateDir } = place();
    const fenced = (run: string, epoch: string): Promise<unknown> =>
      execute(node, { text: 'state_path "$1"\nfence "$2" "$3"\n', args: [stateDir, run, epoch] });
    await fenced('r1', '2');
    for (const [run, epoch] of [['r1', '1'], ['r1', '3'], ['r2', '2'], ['r1', '']] as const) {
      await assert.rejects(fenced(run, epoch), (e) => hasCode(e, 'fenced'));
    } // prettier-ignore
  });
});

async function mustBeHeld(result: Promise<TakeResult>): Promise<HeldLock> {
  const held = await result;
  if (held.kind !== 'held') assert.fail(`it was ${held.kind}`);
  return held;
}

/** Moves the heartbeat into the past. */
async function age({ stateDir }: Place, seconds: number): Promise<void> {
  const file = join(stateDir, 'lock/e1/beat');
  const [boot = '', up = '0', wall = '0'] = (await readFile(file, 'utf8')).trim().split(' ');
  await writeFile(file, `${boot} ${String(Number(up) - seconds)} ${String(Number(wall) - seconds)}\n`);
}

/** A job whose process is this one. */
async function livingJob({ stateDir }: Place, run: string): Promise<void> {
  const job = join(stateDir, `jobs/${run}.n1.upgrade.1`);
  await mkdir(join(job, 'started'), { recursive: true });
  await writeFile(join(job, 'run'), `${run}\n`);
  await writeFile(join(job, 'started/boot_id'), `${me.bootId}\n`);
  await writeFile(join(job, 'started/pid'), `${String(me.pid)} ${me.pidStart}\n`);
}

/** The node, but with scripts that were tampered with. */
function changed({ node }: Place, change: (script: string) => string): NodeConnection {
  return Object.assign(Object.create(node) as NodeConnection, {
    exec: (request: ExecRequest) => node.exec({ ...request, script: change(request.script) }),
  });
}

/** Runs a prelude that kills the request a little later, and then takes the lock. @returns whether it was killed in time */
async function takeKilled(place: Place, prelude: string, run: string): Promise<boolean> {
  const killing = changed(place, (script) => prelude + script);
  const request = { stateDir: place.stateDir, run, me: deadHere, token: run, user: '', command: '' };
  try {
    await takeLock(killing, request);
    return false;
  } catch (error) {
    assert.ok(hasCode(error, 'node-script-failed'), String(error));
    return true;
  }
}
