import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { takeLock } from '../../../../src/engine/node/lock';
import {
  followJob,
  jobStatus,
  parseAge,
  parseStatus,
  parseRequests,
  runJob,
  startJob,
  type JobEnd,
  type JobSpec,
  type JobStatus,
} from '../../../../src/ssh/exec/jobs';
import { underBothShells, type Place } from '../../engine/node/shells';

underBothShells('A job', (place) => {
  beforeEach(() => lock(place(), 'r1'));

  it('runs once with its arguments, variables and directory, whatever they hold, and gives back its log', async () => {
    const { node, stateDir, root } = place();
    const hostile = `a 'b' "c" \\n $(touch ${root}/pwned) \`id\` ü\n%s\t*\n`;
    const text = `printf '%s|' "$@" "$HOSTILE" "$PWD" "$(umask)" "$LC_ALL" "$PATH"; exit 7`;
    const spec = job(place(), { kind: 'text', text, args: [hostile, ''] }, { cwd: root, env: { HOSTILE: hostile } });
    let log = '';
    const end = await runJob(node, spec, { onOutput: (chunk) => void (log += chunk) });
    assert.deepEqual(end, { state: 'done', rc: 7, requests: noRequests });
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    assert.deepEqual(log.split('|'), [hostile, '', hostile, root, '0022', 'C', path, '']);
    assert.equal(existsSync(join(root, 'pwned')), false);
    assert.equal(await readFile(join(stateDir, 'jobs', spec.id, 'rc'), 'utf8'), '7\n');
  });

  it('runs exactly once, however often it is started, at once or later', async () => {
    const { node, root } = place();
    const spec = job(place(), counting(root, 'sleep 0.2'));
    const ends = await Promise.all([1, 2, 3, 4].map(() => runJob(node, spec)));
    ends.push(await runJob(node, spec));
    assert.deepEqual(new Set(ends.map((end) => end.state === 'done' && end.rc)), new Set([0]));
    assert.equal(count(root), 1);
  });

  it('that removes its own directory is of unknown outcome, and is not started again', async () => {
    const { node, root, stateDir } = place();
    for (const [name, when] of [
      ['at-once', ':'],
      ['later', 'sleep 0.5'],
    ] as const) {
      const text = `echo x >>"$1/${name}"; ${when}; rm -rf "\${CLUSTERLIFT_OUTPUT%/*}"; sleep 0.3`;
      const spec = job(place(), { kind: 'text', text, args: [root] }, { id: `r1.n1.${name}.1` });
      assert.deepEqual(await runJob(node, spec), { state: 'unknown', reason: 'dead' });
      assert.equal(await readFile(join(root, name), 'utf8'), 'x\n');
      assert.equal(existsSync(join(stateDir, 'jobs', spec.id)), false);
    }
  });

  it('tells its age by the clock of the node, also to a later follower', async () => {
    const { node, stateDir } = place();
    const spec = job(place(), { kind: 'text', text: 'sleep 6' });
    await startJob(node, spec);
    const begun = join(stateDir, 'jobs', spec.id, 'started/uptime');
    const uptime = Number(await readFile(begun, 'utf8'));
    assert.ok(Math.abs(uptime - Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0])) < 60);
    // As if it had begun an hour ago; a clock that was set meanwhile would change nothing.
    await writeFile(begun, `${String(Math.max(uptime - 3600, 0))}\n`);
    const ages: number[] = [];
    await followJob(node, spec, { execSeconds: 1, onAge: (age) => ages.push(age) });
    assert.ok(ages.length > 0);
    for (const age of ages) assert.ok(age >= Math.min(uptime, 3600) * 1000 && age < 3_700_000, String(age));
    assert.equal(parseAge('CLUSTERLIFT-JOB running \n'), undefined);
    assert.equal(parseAge('CLUSTERLIFT-JOB running 12\n'), 12_000);
  });

  it('gives a repeated follower the log from its offset only', async () => {
    const { node } = place();
    const spec = job(place(), { kind: 'text', text: 'echo one; echo two' });
    await runJob(node, spec);
    let log = '';
    const offsets: number[] = [];
    await followJob(node, spec, {
      offset: 4,
      onOutput: (chunk) => void (log += chunk),
      onOffset: (at) => offsets.push(at),
    });
    assert.equal(log, 'two\n');
    assert.equal(offsets.at(-1), 8);
  });

  it('passes on any bytes of a log, and shows them while it runs', async () => {
    const { node, root } = place();
    await writeFile(join(root, 'noise'), Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 256)));
    const text = `cat '${root.replaceAll("'", "'\\''")}/noise'; until [ -e go ]; do sleep 0.05; done; printf end`;
    let bytes = 0;
    const end = await runJob(node, job(place(), { kind: 'text', text }, { cwd: root }), {
      onOffset: (at) => {
        bytes = at;
        if (at >= 300_000) void writeFile(join(root, 'go'), '');
      },
    });
    assert.equal(end.state, 'done');
    assert.equal(bytes, 300_003);
  });

  it('is followed over many execs', async () => {
    const { node } = place();
    let log = '';
    const spec = job(place(), { kind: 'text', text: 'for i in 1 2 3; do echo $i; sleep 0.5; done' });
    const end = await runJob(node, spec, { execSeconds: 0, pollMs: 20, onOutput: (chunk) => void (log += chunk) });
    assert.equal(end.state, 'done');
    assert.equal(log, '1\n2\n3\n');
  });

  it('runs a file of the package, with and without the executable bit', async () => {
    const { node, root } = place();
    await mkdir(join(root, 'bin'));
    await writeFile(join(root, 'bin/it'), '#!/bin/sh\nexit 3\n');
    const file = { kind: 'file', path: 'bin/it' } as const;
    assert.equal(rcOf(await runJob(node, job(place(), file, { id: 'r1.n1.a.1', cwd: root }))), 3);
    await chmod(join(root, 'bin/it'), 0o755);
    assert.equal(rcOf(await runJob(node, job(place(), file, { id: 'r1.n1.a.2', cwd: root }))), 3);
    const missing = job(place(), { kind: 'file', path: 'bin/none' }, { id: 'r1.n1.a.3', cwd: root });
    assert.notEqual(rcOf(await runJob(node, missing)), 0);
  });

  it('goes on without whoever started it, and tells its end to the next one', async () => {
    const { node, root } = place();
    const spec = job(place(), counting(root, 'sleep 0.4; echo late'));
    assert.equal((await startJob(node, spec)).state, 'running');
    let log = '';
    const end = await followJob(node, spec, { onOutput: (chunk) => void (log += chunk) });
    assert.equal(rcOf(end), 0);
    assert.equal(log, 'late\n');
    assert.equal(count(root), 1);
  });

  it('ends for its follower although a program that it left behind still writes into its log', async () => {
    const { node } = place();
    const end = await runJob(node, job(place(), { kind: 'text', text: '(sleep 3; echo x) & echo started' }));
    assert.equal(rcOf(end), 0);
  });

  it('does not start for a run that lost the lock', async () => {
    const { node, root } = place();
    const spec = job(place(), counting(root), { fence: { run: 'r1', epoch: 9 } });
    await assert.rejects(runJob(node, spec), (e) => hasCode(e, 'fenced'));
    assert.equal(count(root), 0);
  });

  it('does not run its script when the lock is taken over between upload and claim', async () => {
    const { node, root, stateDir } = place();
    const spec = job(place(), counting(root));
    await startJob(node, spec);
    await followJob(node, spec);
    const dir = join(stateDir, 'jobs', spec.id);
    for (const each of ['started', 'rc', 'child', 'output']) await rm(join(dir, each), { recursive: true });
    await mkdir(join(stateDir, 'lock/e2'));
    await writeFile(join(stateDir, 'lock/e2/run'), 'r2\n');
    await node.exec({
      script: `exec sh "$1/wrapper" run "$2" "$3" r1 1 ''`,
      args: [dir, stateDir, spec.id],
      timeout: 9000,
    });
    assert.equal((await jobStatus(node, spec)).state, 'unclaimed', 'nothing ran: the holder may start it');
    assert.equal(count(root), 1, 'only the first time');
    await assert.rejects(runJob(node, spec), (e) => hasCode(e, 'fenced'));
    assert.equal(rcOf(await runJob(node, { ...spec, fence: { run: 'r2', epoch: 2 } })), 0);
    assert.equal(count(root), 2);
  });

  it('keeps what the script asks for, and tells it', async () => {
    const { node, stateDir } = place();
    const text = `printf '%s\\n' provision=required 'message=look \\033[31mhere' odd= 'reboot=required' > "$CLUSTERLIFT_OUTPUT"; exit 1`;
    const end = await runJob(node, job(place(), { kind: 'text', text }, { requests: { node: "n'1" } }));
    assert.deepEqual(end, {
      state: 'done',
      rc: 1,
      requests: { provision: true, reboot: true, messages: ['look \\033[31mhere'], ignored: ['odd='] },
    });
    const request = JSON.parse(await readFile(join(stateDir, 'requests/provision'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual({ ...request, time: 0 }, { run: 'r1', node: "n'1", job: 'r1.n1.upgrade.1', time: 0 });
    assert.ok(existsSync(join(stateDir, 'requests/reboot')));
  });

  it('writes the record before the script, and its result before it counts as ended', async () => {
    const { node, stateDir, root } = place();
    const record = { product: 'acme', json: JSON.stringify({ run: 'r1', to: '2\n"state":"done"' }) };
    const file = join(stateDir, 'installed/acme/record.json');
    const look = { kind: 'text', text: `cat '${file.replaceAll("'", "'\\''")}' > seen` } as const;
    await runJob(node, job(place(), look, { id: 'r1.n1.u.1', cwd: root, record }));
    const seen = JSON.parse(await readFile(join(root, 'seen'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual({ ...seen, time: 0 }, { state: 'begun', time: 0, run: 'r1', to: '2\n"state":"done"' });
    const result = JSON.parse(await readFile(file, 'utf8')) as { state: string; time: number };
    assert.equal(result.state, 'script-ok');
    assert.ok(result.time > 1_000_000_000);
    await runJob(node, job(place(), { kind: 'text', text: 'exit 4' }, { id: 'r1.n1.u.2', record }));
    assert.equal((JSON.parse(await readFile(file, 'utf8')) as { state: string }).state, 'failed');
  });

  it('gets secrets as variables, and leaves them in no file, no argv and no log', async () => {
    const { node, root, stateDir } = place();
    const secret = `p4ss 'w\\ord"\n$HOME-${String(process.pid)}`;
    const text = `[ "$TOKEN" = "$(cat expected)" ] && [ "$OTHER" = x ] && cat /proc/[0-9]*/cmdline > argv 2>/dev/null; [ "$TOKEN" = "$(cat expected)" ]`;
    await writeFile(join(root, 'expected'), secret);
    const spec = job(place(), { kind: 'text', text }, { cwd: root, secrets: { TOKEN: secret, OTHER: 'x' } });
    assert.equal(rcOf(await runJob(node, spec)), 0);
    const found = filesUnder(stateDir).filter((file) => readFileSync(file).includes('p4ss'));
    assert.deepEqual(found, []);
    assert.equal((await readFile(join(root, 'argv'))).includes(`-${String(process.pid)}`), false);
    assert.equal(rcOf(await runJob(node, spec)), 0, 'repeated, the secrets are not needed any more');
  });

  it('that was cut short on its way is not started', async () => {
    const { node, root } = place();
    const spec = job(place(), counting(root));
    const cut = Object.assign(Object.create(node) as typeof node, {
      exec: (request: Parameters<typeof node.exec>[0]) =>
        node.exec({ ...request, stdin: Buffer.from(request.stdin as Uint8Array).subarray(0, -5) }),
    });
    await assert.rejects(runJob(cut, spec), (e) => hasCode(e, 'job-invalid'));
    assert.equal((await jobStatus(node, spec)).state, 'absent');
    assert.equal(rcOf(await runJob(node, spec)), 0);
    assert.equal(count(root), 1);
  });

  it('counts as running while its script lives, though its wrapper was killed, and then as unknown', async () => {
    const { node, root, stateDir } = place();
    const spec = job(place(), counting(root, 'sleep 0.8'));
    await startJob(node, spec);
    await until(() => count(root) === 1);
    const [pid = ''] = (await readFile(join(stateDir, 'jobs', spec.id, 'started/pid'), 'utf8')).split(' ');
    process.kill(Number(pid), 'SIGKILL');
    assert.equal((await jobStatus(node, spec)).state, 'running');
    assert.deepEqual(await followJob(node, spec), { state: 'unknown', reason: 'dead' });
    assert.deepEqual(await runJob(node, spec), { state: 'unknown', reason: 'dead' }, 'and it is never run again');
    assert.equal(count(root), 1);
  });

  it('of another boot is unknown unless it had ended', async () => {
    const { node, stateDir } = place();
    const spec = job(place(), { kind: 'text', text: 'true' });
    await runJob(node, spec);
    const dir = join(stateDir, 'jobs', spec.id);
    await writeFile(join(dir, 'started/boot_id'), 'another\n');
    assert.equal((await jobStatus(node, spec)).state, 'done');
    await rm(join(dir, 'rc'));
    assert.deepEqual(await jobStatus(node, spec), { state: 'unknown', reason: 'other-boot' });
  });

  it('runs at most once, and is never lost, when launcher or wrapper are killed at any moment', async () => {
    const { node, root, stateDir } = place();
    for (let at = 0; at < 20; at++) {
      const id = `r1.n1.kill.${String(at)}`;
      const spec = job(place(), counting(root, '', id), { id });
      const delay = `0.0${String(at * 4).padStart(2, '0')}`;
      const victim = at % 2 === 0 ? '$$' : `$(cut -d' ' -f1 "$S/jobs/${id}/started/pid" 2>/dev/null)`;
      const prelude = `(sleep ${delay}; S='${stateDir.replaceAll("'", "'\\''")}'; kill -9 ${victim}) >/dev/null 2>&1 & `;
      const killing = Object.assign(Object.create(node) as typeof node, {
        exec: (request: Parameters<typeof node.exec>[0]) => node.exec({ ...request, script: prelude + request.script }),
      });
      await runJob(killing, spec).catch((error: unknown) => {
        assert.ok(hasCode(error, 'node-script-failed'), String(error));
      });
      const end = await runJob(node, spec);
      const runs = count(root, id);
      if (end.state === 'done') assert.equal(runs, 1, `${id}: ${JSON.stringify(end)}`);
      else assert.equal(end.state, 'unknown');
      assert.ok(runs <= 1, id);
    }
  });

  it('with names that are no names is refused before anything is sent', async () => {
    const { node } = place();
    const refused = (e: unknown): boolean => hasCode(e, 'job-invalid');
    const command = { kind: 'text', text: '' } as const;
    await assert.rejects(runJob(node, job(place(), command, { id: '../x' })), refused);
    await assert.rejects(runJob(node, job(place(), command, { env: { 'A;B': '' } })), refused);
    await assert.rejects(runJob(node, job(place(), command, { env: { A: 'a\0b' } })), refused);
    await assert.rejects(runJob(node, job(place(), command, { record: { product: 'a/b', json: '' } })), refused);
    await assert.rejects(jobStatus(node, { stateDir: undefined, id: 'a b' }), refused);
  });
});

describe('The state of a job', () => {
  it('is read from its line, and nothing after it can pose as another', () => {
    const status = parseStatus('n', 'noise\nCLUSTERLIFT-JOB ended 3\nCLUSTERLIFT-JOB ended 0\nreboot=required');
    assert.deepEqual(status, {
      state: 'done',
      rc: 3,
      requests: { ...noRequests, reboot: true, ignored: ['CLUSTERLIFT-JOB ended 0'] },
    } satisfies JobStatus);
    assert.throws(
      () => parseStatus('n', 'nothing'),
      (e) => hasCode(e, 'node-answer-broken'),
    );
    assert.throws(
      () => parseStatus('n', 'CLUSTERLIFT-JOB ended x'),
      (e) => hasCode(e, 'node-answer-broken'),
    );
  });

  it('bounds what a script asks for', () => {
    const requests = parseRequests('message=x\n'.repeat(60));
    assert.equal(requests.messages.length, 50);
    assert.deepEqual(requests.ignored, ['… 10 more lines']);
  });
});

const noRequests = { provision: false, reboot: false, messages: [], ignored: [] };

function job({ stateDir }: Place, command: JobSpec['command'], more: Partial<JobSpec> = {}): JobSpec {
  return { id: 'r1.n1.upgrade.1', stateDir, fence: { run: 'r1', epoch: 1 }, command, ...more };
}

async function lock({ node, stateDir }: Place, run: string): Promise<void> {
  await takeLock(node, { stateDir, run, me: self(), token: run, user: 'u', command: 'c' });
}

/** A script that leaves a line for each time it ran. */
function counting(root: string, more = '', name = 'count'): JobSpec['command'] {
  return { kind: 'text', text: `echo ran >> "$1"\n${more}`, args: [join(root, `${name}.ran`)] };
}

function count(root: string, name = 'count'): number {
  const file = join(root, `${name}.ran`);
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

function rcOf(end: JobEnd): number | undefined {
  return end.state === 'done' ? end.rc : undefined;
}

function filesUnder(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name));
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error('it never happened');
    await sleep(20);
  }
}
