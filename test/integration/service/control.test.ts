import { strict as assert } from 'node:assert';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { self } from '../../../src/base/process';
import type { JournalEntry, LiveEvent } from '../../../src/engine/journal/events';
import { newAddress, readControlFile, writeControlFile } from '../../../src/service/address';
import { QuestionBroker } from '../../../src/service/broker';
import { RunClient } from '../../../src/service/client';
import { ControlServer } from '../../../src/service/control';
import {
  FollowRequest,
  HelloRequest,
  newToken,
  proofOf,
  ProveRequest,
  StopRequest,
  type OpenQuestion,
} from '../../../src/service/protocol';
import type { Question } from '../../../src/ssh/connection';
import { planOf, Scene } from '../../unit/terminal/scenes';

const PASSWORD: Question = { kind: 'password', node: 'n1', user: 'ann', host: 'h', retry: false };

/** A follower that keeps all it is told, and lets a test wait for it. */
class Follower {
  readonly seen: (JournalEntry | LiveEvent)[] = [];
  readonly questions: OpenQuestion[] = [];
  readonly closed: string[] = [];
  #waiting: { condition: () => boolean; resolve: () => void }[] = [];

  events = (events: readonly (JournalEntry | LiveEvent)[]): void => {
    this.seen.push(...events);
    this.#check();
  };
  question = (open: OpenQuestion): void => {
    this.questions.push(open);
    this.#check();
  };
  questionClosed = (id: string): void => {
    this.closed.push(id);
    this.#check();
  };
  get seqs(): number[] {
    return this.seen.flatMap((event) => ('seq' in event ? [event.seq] : []));
  }
  async until(condition: () => boolean): Promise<void> {
    if (!condition()) await new Promise<void>((resolve) => this.#waiting.push({ condition, resolve }));
  }
  #check(): void {
    for (const each of this.#waiting.filter(({ condition }) => condition())) each.resolve();
    this.#waiting = this.#waiting.filter(({ condition }) => !condition());
  }
}

describe('the control socket of a run', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  let broker: QuestionBroker;
  let server: ControlServer;
  let stops: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'clusterlift-control-'));
    env = { XDG_RUNTIME_DIR: folder };
    stops = [];
    broker = new QuestionBroker({ sink: (event) => { server.sink(event); }, maxWait: () => 60_000 }); // prettier-ignore
    server = await ControlServer.open({ broker, env, stop: (by) => stops.push(by) });
    await server.announce(folder);
  });

  afterEach(async () => {
    broker.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function scene(): Scene {
    const plan = planOf(['n1', 'n2']);
    const before = new Scene(plan);
    server.adopt(plan, folder, before.entries);
    const running = new Scene(plan, server.sink);
    running.entries.push(...before.entries);
    return running;
  }

  it('lies where only we can go, says so in a file only we can read, and both are gone at the end', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    assert.equal(lstatSync(join(folder, 'control.json')).mode & 0o777, 0o600);
    assert.equal(lstatSync(dirname(control.address)).mode & 0o777, 0o700);
    assert.equal(dirname(control.address), join(folder, 'clusterlift'));
    assert.equal(control.pid, process.pid);
    await server.close();
    assert.ok(!existsSync(control.address));
    assert.equal(await readControlFile(folder), undefined);
  });

  it('replays the journal from any line, then tells what happens', async () => {
    const run = scene();
    const [early, late] = [new Follower(), new Follower()];
    const first = await RunClient.connect(folder);
    assert.deepEqual(await first.follow(1, early), {
      plan: JSON.parse(JSON.stringify(run.plan)) as unknown,
      folder,
      seq: 1,
    });
    run.begin('n1', 'stage').progress('n1', 'stage', 1, 10).progress('n1', 'stage', 5, 10).done('n1', 'stage');
    await early.until(() => early.seqs.length >= run.entries.length - 1);
    const second = await RunClient.connect(folder);
    await second.follow(3, late);
    run.begin('n2', 'stage');
    await late.until(() => late.seqs.includes(run.entries.length));
    await early.until(() => early.seqs.includes(run.entries.length));
    assert.deepEqual(
      early.seqs,
      run.entries.map((each) => each.seq),
    );
    assert.deepEqual(
      late.seqs,
      run.entries.map((each) => each.seq).filter((seq) => seq >= 3),
    );
    assert.deepEqual(
      early.seen.filter((event) => event.type === 'progress').map((event) => event.done),
      [5],
    );
    first.close();
    second.close();
    assert.deepEqual(await first.end, { kind: 'closed' });
  });

  it('tells a follower of the plan when there is one, and how it ended', async () => {
    const follower = new Follower();
    const client = await RunClient.connect(folder);
    let planned: string | undefined;
    const known = await client.follow(1, {
      events: follower.events,
      planned: (plan, at) => (planned = `${plan.run} ${at}`),
    });
    assert.equal(known.plan, null);
    const run = scene().begin('n1', 'stage');
    await follower.until(() => follower.seqs.length >= 2);
    assert.equal(planned, `${run.plan.run} ${folder}`);
    run.finish('succeeded', 0);
    server.finish({ outcome: 'succeeded', status: 0, nodes: {}, error: null });
    await server.close();
    assert.equal(follower.seen.at(-1)?.type, 'run.finished');
    assert.deepEqual(await client.end, {
      kind: 'ended',
      end: { outcome: 'succeeded', status: 0, nodes: {}, error: null },
    });
  });

  it('takes a stop from any client and says who it was', async () => {
    const client = await RunClient.connect(folder);
    await client.stop('ann@desk');
    assert.deepEqual(stops, ['ann@desk']);
    assert.deepEqual(await client.status(), { run: null, pid: process.pid, followers: 0, waitingFor: null });
    client.close();
  });

  it('lets two windows race for a question: one wins, the other is closed', async () => {
    scene();
    const [a, b] = [new Follower(), new Follower()];
    const [one, two] = [await RunClient.connect(folder), await RunClient.connect(folder)];
    await one.follow(1, a);
    await two.follow(1, b);
    const answer = broker.ask(PASSWORD);
    await Promise.all([a.until(() => a.questions.length > 0), b.until(() => b.questions.length > 0)]);
    const id = a.questions[0]?.id ?? '';
    assert.deepEqual(a.questions, [{ id, question: PASSWORD }]);
    const [won, lost] = await Promise.all([one.answer(id, 'from one'), two.answer(id, 'from two')]);
    assert.deepEqual([won, lost].toSorted(), [false, true]);
    assert.equal(await answer, won ? 'from one' : 'from two');
    const loser = won ? b : a;
    await loser.until(() => loser.closed.includes(id));
    assert.ok(![...a.seen, ...b.seen].some((event) => JSON.stringify(event).includes('from ')));
    one.close();
    two.close();
  });

  it('keeps a question waiting for the next window when the only one goes away', async () => {
    scene();
    const [a, b] = [new Follower(), new Follower()];
    const one = await RunClient.connect(folder);
    await one.follow(1, a);
    const answer = broker.ask(PASSWORD);
    await a.until(() => a.questions.length > 0);
    one.close();
    const two = await RunClient.connect(folder);
    await two.follow(1, b);
    await b.until(() => b.questions.length > 0);
    assert.equal((await two.status()).waitingFor, 'Password for ann@h (node n1)');
    assert.ok(await two.answer(b.questions[0]?.id ?? '', undefined));
    assert.equal(await answer, undefined);
    two.close();
  });

  it('hears nothing from who does not prove the token, and hangs up', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    const stranger = raw(control.address);
    await assert.rejects(stranger.rpc.sendRequest(StopRequest, { by: 'mallory' }), /token was not proven/);
    await stranger.closed;
    const guesser = raw(control.address);
    const mine = { version: '1.0', nonce: 'a'.repeat(64) };
    const theirs = await guesser.rpc.sendRequest(HelloRequest, mine);
    assert.ok(!JSON.stringify(theirs).includes(control.token));
    // Neither a guess nor the server's own proof played back is one.
    await assert.rejects(guesser.rpc.sendRequest(ProveRequest, { proof: theirs.proof }), /token was not proven/);
    await guesser.closed;
    await writeControlFile(folder, { ...control, token: newToken() });
    await assert.rejects(RunClient.connect(folder), { code: 'control-refused' });
    assert.deepEqual(stops, []);
    await writeControlFile(folder, control);
  });

  it('hears only stop from a client of another major version', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    const old = raw(control.address);
    const mine = { version: '2.3', nonce: 'b'.repeat(64) };
    const theirs = await old.rpc.sendRequest(HelloRequest, mine);
    assert.deepEqual(
      await old.rpc.sendRequest(ProveRequest, { proof: proofOf('client', control.token, mine, theirs) }),
      { limited: true },
    );
    await assert.rejects(old.rpc.sendRequest(FollowRequest, { fromSeq: 1 }), /only stop is possible/);
    await old.rpc.sendRequest(StopRequest, { by: 'ann' });
    assert.deepEqual(stops, ['ann']);
    old.rpc.dispose();
    old.socket.destroy();
  });

  it('is not believed by a client unless it proves the token first', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    const address = join(folder, 'fake.sock');
    const heard: string[] = [];
    const fake = createServer((socket) => {
      const rpc = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
      socket.on('close', () => {
        rpc.dispose();
      });
      rpc.onRequest(HelloRequest, () => ({ version: '1.0', nonce: 'c'.repeat(64), proof: 'd'.repeat(64) }));
      rpc.onRequest((method) => heard.push(method));
      rpc.listen();
    });
    await new Promise<void>((resolve) => fake.listen(address, resolve));
    await writeControlFile(folder, { ...control, address });
    await assert.rejects(RunClient.connect(folder), { code: 'control-refused', message: /does not know the token/ });
    assert.deepEqual(heard, []);
    await new Promise((resolve) => fake.close(resolve));
    await writeControlFile(folder, control);
  });

  it('survives noise, torn frames and a follower that never reads', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    const run = scene();
    for (const noise of [
      'GET / HTTP/1.1\r\n\r\n',
      'Content-Length: -5\r\n\r\n{}',
      'Content-Length: 10\r\n\r\n{"jsonrpc"',
      '\0\0\0',
    ]) {
      const socket = createConnection(control.address);
      socket.on('error', () => undefined);
      socket.write(noise);
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.destroy();
    }
    const deaf = raw(control.address);
    const mine = { version: '1.0', nonce: 'e'.repeat(64) };
    const theirs = await deaf.rpc.sendRequest(HelloRequest, mine);
    await deaf.rpc.sendRequest(ProveRequest, { proof: proofOf('client', control.token, mine, theirs) });
    await deaf.rpc.sendRequest(FollowRequest, { fromSeq: 1 });
    deaf.socket.pause();
    const follower = new Follower();
    const client = await RunClient.connect(folder);
    await client.follow(1, follower);
    for (let index = 0; index < 300; index++)
      server.sink({ type: 'output', node: 'n1', step: 'upgrade', text: 'x'.repeat(50_000) });
    run.begin('n1', 'upgrade').done('n1', 'upgrade');
    await follower.until(() => follower.seqs.includes(run.entries.length));
    client.close();
    deaf.socket.destroy();
  });

  it('is not connected to when its process is dead', async () => {
    const control = await readControlFile(folder);
    assert.ok(control);
    await writeControlFile(folder, { ...control, pidStart: '1' });
    await assert.rejects(RunClient.connect(folder), { code: 'run-not-live' });
    await writeControlFile(folder, { ...control, address: join(folder, 'gone.sock') });
    await assert.rejects(RunClient.connect(folder), { code: 'run-not-live' });
    await writeControlFile(folder, control);
  });
});

describe('the place of the control socket', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clusterlift-place-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('is never a directory that is a link or that others may enter', async () => {
    mkdirSync(join(root, 'elsewhere'), { mode: 0o700 });
    symlinkSync(join(root, 'elsewhere'), join(root, 'clusterlift'));
    assert.notEqual(dirname(dirname(await newAddress({ XDG_RUNTIME_DIR: root }))), root);
    rmSync(join(root, 'clusterlift'));
    mkdirSync(join(root, 'clusterlift'));
    chmodSync(join(root, 'clusterlift'), 0o755);
    assert.notEqual(dirname(dirname(await newAddress({ XDG_RUNTIME_DIR: root }))), root);
  });

  it('has a path that every system takes, or is somewhere else', async () => {
    const long = join(root, 'x'.repeat(90));
    mkdirSync(long, { mode: 0o700 });
    assert.ok(Buffer.byteLength(await newAddress({ XDG_RUNTIME_DIR: long })) <= 103);
    assert.match(await newAddress({}, 'win32'), /^\\\\\.\\pipe\\clusterlift-[0-9a-f]{24}$/);
  });

  it('is not read from a file that others could have written', async () => {
    const file = join(root, 'control.json');
    const good = { schema: 1, protocol: '1.0', address: '/x.sock', token: newToken(), ...self() } as const;
    await writeControlFile(root, good);
    assert.deepEqual(await readControlFile(root), good);
    chmodSync(file, 0o644);
    await assert.rejects(readControlFile(root), { code: 'control-file' });
    const text = readFileSync(file, 'utf8');
    for (const bad of [
      '',
      '{',
      'null',
      '[]',
      text.replace('"schema":1', '"schema":9'),
      text.replace(good.token, 'short'),
      text.replace(/"pid":\d+/, '"pid":-1'),
    ]) {
      writeFileSync(file, bad);
      chmodSync(file, 0o600);
      await assert.rejects(readControlFile(root), { code: 'control-file' }, bad);
    }
    rmSync(file);
    symlinkSync('/etc/hostname', file);
    await assert.rejects(readControlFile(root), { code: 'control-file' });
  });
});

function raw(address: string) {
  const socket = createConnection(address);
  socket.on('error', () => undefined);
  const rpc = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
  const closed = new Promise<void>((resolve) =>
    socket.on('close', () => {
      rpc.dispose();
      resolve();
    }),
  );
  rpc.listen();
  return { socket, rpc, closed };
}
