import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hasCode } from '../../../src/base/errors';
import type { JournalEntry, LiveEvent } from '../../../src/engine/journal/events';
import { Runs } from '../../../src/engine/journal/runs';
import { RunClient, type RunFollower } from '../../../src/service/client';
import { QueryClient } from '../../../src/service/query-client';
import { spawnRun, type Launcher } from '../../../src/service/spawn';
import { digest } from './child-main';

const NOBODY: RunFollower = { events: () => undefined };
const SECRET = 'hunter2-planted-secret';

describe('the process of a run', () => {
  let home: string;
  let launcher: Launcher;
  const clients: RunClient[] = [];

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'clusterlift-process-'));
    const env = {
      ...process.env,
      XDG_RUNTIME_DIR: home,
      NODE_OPTIONS: '--no-warnings',
      VSCODE_IPC_HOOK: '/x',
      CLUSTERLIFT_SSH_PASSWORD: SECRET,
    };
    launcher = {
      execPath: process.execPath,
      script: join(__dirname, 'child.cjs'),
      stateHome: join(home, 'state'),
      env,
    };
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) {
      await client.stop('the test').catch(() => undefined);
      client.close();
    }
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });

  async function start(
    word: string,
    follower: Partial<RunFollower> = {},
  ): Promise<{ client: RunClient; seen: (JournalEntry | LiveEvent)[]; folder: () => Promise<string> }> {
    const seen: (JournalEntry | LiveEvent)[] = [];
    let folder: string | undefined;
    const request = { argv: [word, home], cwd: home, by: 'ann@desk', secrets: { 'ssh-password': SECRET } };
    const client = await spawnRun(launcher, request, {
      ...follower,
      planned: (_, at) => (folder = at),
      events: (events) => {
        seen.push(...events);
        follower.events?.(events);
      },
    });
    clients.push(client);
    return {
      client,
      seen,
      folder: async () => {
        await until(() => folder !== undefined);
        return folder ?? '';
      },
    };
  }

  it('works without whoever started it, and can be found, followed and stopped by its folder', async () => {
    const first = await start('work');
    const folder = await first.folder();
    first.client.close();
    const second = await RunClient.connect(folder);
    const seen: (JournalEntry | LiveEvent)[] = [];
    const progressed = new Promise<void>((resolve) => {
      void second.follow(1, {
        events: (events) => {
          seen.push(...events);
          if (events.some((event) => event.type === 'progress')) resolve();
        },
      });
    });
    await progressed;
    assert.equal((await second.status()).followers, 1);
    assert.equal((await new Runs(launcher.stateHome).read(basename(folder))).state, 'live');
    await second.stop('ann@laptop');
    assert.deepEqual(await second.end, {
      kind: 'ended',
      end: { outcome: 'succeeded', status: 0, nodes: {}, error: null },
    });
    assert.deepEqual(
      seen.flatMap((event) => ('seq' in event ? [event.type] : [])),
      ['run.started', 'stop.requested', 'run.finished'],
    );
    assert.ok(!existsSync(join(folder, 'control.json')));
    assert.deepEqual(readdirSync(join(home, 'clusterlift')), []);
    await until(() => readdirSync(join(launcher.stateHome, 'launch')).length === 0);
    assert.equal((await new Runs(launcher.stateHome).list())[0]?.state, 'finished');
  });

  it('gets its secrets over the socket only, and nothing of the editor in its environment', async () => {
    const { client, seen, folder } = await start('tell');
    await folder();
    assert.equal((await client.end).kind, 'ended');
    const told = seen.find((event) => event.type === 'warning');
    assert.ok(told?.type === 'warning');
    assert.deepEqual(JSON.parse(told.message), { names: [], asNode: '1', cwd: await folder(), secret: digest(SECRET) });
  });

  it('keeps secrets and answers out of argv, environment and files', async () => {
    let ask: ((id: string) => void) | undefined;
    const asked = new Promise<string>((resolve) => (ask = resolve));
    const { client, seen, folder } = await start('ask', { question: ({ id }) => ask?.(id) });
    const { pid } = client.control;
    for (const name of ['cmdline', 'environ']) {
      if (process.platform === 'linux')
        assert.ok(!readFileSync(`/proc/${String(pid)}/${name}`, 'latin1').includes(SECRET), name);
    }
    assert.ok(await client.answer(await asked, SECRET));
    await client.end;
    assert.ok(seen.some((event) => event.type === 'warning' && event.message === digest(SECRET)));
    for (const file of readdirSync(await folder()))
      assert.ok(!readFileSync(join(await folder(), file), 'utf8').includes(SECRET), file);
  });

  it('says why it was refused before there was a run', async () => {
    const { client } = await start('refuse');
    const end = await client.end;
    assert.ok(end.kind === 'ended');
    assert.deepEqual(end.end, {
      outcome: 'refused',
      status: 3,
      nodes: {},
      error: { code: 'no-package', message: 'no package', hint: 'Name one.', node: 'n1' },
    });
  });

  it('does not hide a fault of its own', async () => {
    const { client } = await start('crash');
    const end = await client.end;
    assert.ok(end.kind === 'ended' && end.end.error?.code === 'internal');
    assert.equal(end.end.status, 1);
  });

  it('is seen to be gone when it is killed, and its run as interrupted', async () => {
    const { client, folder } = await start('work');
    const at = await folder();
    process.kill(client.control.pid, 'SIGKILL');
    assert.deepEqual(await client.end, { kind: 'lost' });
    await assert.rejects(RunClient.connect(at), { code: 'run-not-live' });
    assert.equal((await new Runs(launcher.stateHome).list())[0]?.state, 'interrupted');
    await assert.rejects(client.status(), (error) => hasCode(error, 'run-lost') || hasCode(error, 'control-refused'));
  });

  it('lets go when it is told to end, and says so', async () => {
    const { client, folder } = await start('work');
    await folder();
    process.kill(client.control.pid, 'SIGHUP');
    process.kill(client.control.pid, 'SIGTERM');
    const end = await client.end;
    assert.ok(end.kind === 'ended');
    assert.deepEqual([end.end.outcome, end.end.status], ['interrupted', 130]);
  });

  it('takes one first message only', async () => {
    const { client, folder } = await start('work');
    const other = await RunClient.connect(await folder());
    await assert.rejects(
      other.begin({ argv: ['work', home], cwd: home, by: 'x', secrets: {} }, NOBODY),
      /knows already what to do/,
    );
    other.close();
    await client.stop('ann');
  });

  it('that cannot start is told at once, with the cause', async () => {
    const started = spawnRun(
      { ...launcher, script: join(home, 'missing.js') },
      { argv: [], cwd: home, by: 'x', secrets: {} },
      NOBODY,
    );
    await assert.rejects(started, { code: 'run-process', message: /it ended with 1/ });
    const noProgram = spawnRun(
      { ...launcher, execPath: join(home, 'node') },
      { argv: [], cwd: home, by: 'x', secrets: {} },
      NOBODY,
    );
    await assert.rejects(noProgram, { code: 'run-process', message: /ENOENT/ });
  });
});

describe('the service process', () => {
  let client: QueryClient;
  const request = (word: string) => ({ argv: [word], cwd: '/', by: 'ann', secrets: {} });
  const service = (env: NodeJS.ProcessEnv = {}): QueryClient =>
    new QueryClient(
      { execPath: process.execPath, script: join(__dirname, 'child.cjs'), env: { ...process.env, ...env } },
      { ask: (question) => Promise.resolve(question.kind === 'otp' ? '123456' : undefined) },
    );

  beforeEach(() => {
    client = service();
  });
  afterEach(() => {
    client.dispose();
  });

  it('starts on first need, answers many at once, and ends with its window', async () => {
    assert.equal(client.pid, undefined);
    const results = await Promise.all([client.query(request('status')), client.query(request('runs'))]);
    const { pid } = client;
    assert.ok(pid);
    assert.deepEqual(
      results.map((each) => each.rows),
      [[{ pid, answer: null }], [{ pid, answer: null }]],
    );
    client.dispose();
    await until(() => !alive(pid));
  });

  it('asks the window that looks', async () => {
    const { rows } = await client.query(request('ask'));
    assert.deepEqual(rows, [{ pid: client.pid, answer: '123456' }]);
  });

  it('lets a look be cancelled', async () => {
    await client.query(request('status'));
    const stop = new AbortController();
    const hanging = client.query(request('hang'), stop.signal);
    stop.abort();
    await assert.rejects(hanging, { code: 'cancelled' });
    assert.equal((await client.query(request('status'))).status, 0);
  });

  it('is started anew after it died, and says that it did', async () => {
    await assert.rejects(client.query(request('crash')), { code: 'service-lost', message: /it ended with 7/ });
    assert.equal((await client.query(request('status'))).status, 0);
  });

  it('ends when nobody wants anything for a while, and comes back', async () => {
    const idle = service({ TEST_IDLE: '400' });
    await idle.query(request('status'));
    const { pid } = idle;
    assert.ok(pid);
    await until(() => !alive(pid) && idle.pid === undefined);
    assert.equal((await idle.query(request('status'))).status, 0);
    idle.dispose();
  });
});

/** Nothing waits without a deadline. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 90_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `not in time: ${String(condition)}`);
    await wait(10);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
