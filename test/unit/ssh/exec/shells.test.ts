import { strict as assert } from 'node:assert';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import fc from 'fast-check';
import { sleep } from '../../../../src/base/async';
import type { ExecRequest, ExecResult } from '../../../../src/ssh/connection';
import { bootstrapArgv } from '../../../../src/ssh/exec/command';
import type { Pipe } from '../../../../src/ssh/exec/session';
import { NoRoom, Shells, type Opener } from '../../../../src/ssh/exec/shells';
import { deferred } from '../../../../src/ssh/deferred';

const SHELLS: readonly (readonly string[])[] = [['dash'], ['bash', '--posix'], ['bash'], ['busybox', 'sh']];
const installed = SHELLS.filter(([program = '']) => spawnSync(program, ['-c', 'true']).error === undefined);

/** Starts the bootstrap with a shell of this machine, and counts. */
class Local {
  readonly children: ChildProcess[] = [];
  /** Of them, most may run at a time. */
  most = 10;

  constructor(private readonly shell: readonly string[]) {}

  readonly open: Opener = () => {
    if (this.children.filter((each) => each.exitCode === null).length >= this.most)
      return Promise.reject(new NoRoom('full', { cause: new Error('open failed') }));
    const argv = bootstrapArgv({ kind: 'none' }).slice(3); // without env LC_ALL=C sh
    const [program = '', ...options] = this.shell;
    const child = spawn(program, [...options, ...argv], { stdio: 'pipe', env: { ...process.env, LC_ALL: 'C' } });
    this.children.push(child);
    const ended = deferred<Awaited<Pipe['ended']>>();
    child.once('close', (code, signal) => {
      ended.resolve({ code, signal: signal ?? undefined });
    });
    const abandon = (): void => {
      child.stdin.destroy();
      child.stdout.destroy();
      child.stderr.destroy();
    };
    return Promise.resolve({
      ...child,
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      ended: ended.promise,
      abandon,
    });
  };

  async over(at: number): Promise<void> {
    while (this.children[at]?.exitCode === null) await sleep(10);
  }
}

for (const shell of installed) {
  describe(`the shells of a connection, under ${shell.join(' ')}`, () => {
    let local: Local;
    let shells: Shells;
    beforeEach(() => {
      local = new Local(shell);
      shells = new Shells('n1', local.open);
    });
    afterEach(() => {
      shells.close();
      for (const child of local.children) child.kill('SIGKILL');
    });

    const run = (script: string, more: Partial<ExecRequest> = {}): Promise<ExecResult> =>
      shells.run(
        { script, timeout: 20_000, ...more },
        { elevation: { kind: 'none' }, password: undefined, onReady: () => undefined },
      );
    const result = (stdout: string, code = 0, stderr = ''): ExecResult => ({ code, signal: undefined, stdout, stderr });

    it('serve one request after the other in the same process', async () => {
      assert.deepEqual(await run('printf out; printf err >&2; exit 7'), result('out', 7, 'err'));
      assert.deepEqual(await run('echo second'), result('second\n'));
      assert.equal((await run('echo $PPID')).stdout, (await run('echo $PPID')).stdout);
      assert.equal(local.children.length, 1);
    });

    it('keep nothing of a request for the next one', async () => {
      await run('left=1; cd /; umask 0; set -f; trap "echo trapped" EXIT; f() { echo f; }; exec 3<&1; set -- a b');
      const probe = 'echo "${left-no} $# $-"; pwd; umask; f 2>/dev/null || echo none';
      const clean = await new Shells('n2', local.open).run(
        { script: probe, timeout: 20_000 },
        { elevation: { kind: 'none' }, password: undefined, onReady: () => undefined },
      );
      assert.deepEqual(await run(probe), clean);
      assert.equal((await run('exit 3; echo never')).code, 3);
      assert.equal((await run('set -eu; echo "$missing"')).stdout, '');
      assert.equal((await run('echo alive')).stdout, 'alive\n');
      assert.equal(local.children.length, 2);
    });

    it('survive a syntax error, which is the failure of one request only', async () => {
      assert.notEqual((await run('if then fi (')).code, 0);
      assert.deepEqual(await run('echo fine'), result('fine\n'));
    });

    it('give a request an ended stdin, never the next request', async () => {
      const [first, second] = await Promise.all([run('cat; echo over'), run('read -r x; echo "[$x]"')]);
      assert.deepEqual([first.stdout, second.stdout], ['over\n', '[]\n']);
    });

    it('send a script once, with other arguments each time', async () => {
      const script = `for each in "$@"; do printf '[%s]' "$each"; done # ${'x'.repeat(5000)}`;
      let bytes = 0;
      const counted = new Shells('n1', async (...args) => {
        const pipe = await local.open(...args);
        const write = pipe.stdin.write.bind(pipe.stdin) as (chunk: Buffer) => boolean;
        pipe.stdin.write = ((chunk: Buffer) => {
          bytes += chunk.length;
          return write(chunk);
        }) as typeof pipe.stdin.write;
        return pipe;
      });
      const way = { elevation: { kind: 'none' }, password: undefined, onReady: () => undefined } as const;
      await counted.run({ script, args: ['a'], timeout: 20_000 }, way);
      const before = bytes;
      assert.equal((await counted.run({ script, args: ["it's", ''], timeout: 20_000 }, way)).stdout, "[it's][]");
      assert.ok(bytes - before < 600, `${bytes - before} bytes were sent again`);
      counted.close();
    });

    it('pass any argument and any output unchanged', async () => {
      const word = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '').toWellFormed());
      const lines = fc.string({
        unit: fc.constantFrom('\n', 'c', 'clusterlift-', 'end', '\\', "'", '"', '$x', '`', ' '),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(fc.oneof(word, lines), { maxLength: 4 }), async (args) => {
          const { stdout, stderr } = await run('for a in "$@"; do printf "%s|" "$a"; done; printf "%s" "$*" >&2', {
            args,
          });
          assert.equal(stdout, args.map((each) => `${each}|`).join(''));
          assert.equal(stderr, args.join(' '));
        }),
        { numRuns: 25 },
      );
      assert.equal(local.children.length, 1);
    });

    it('end a request at its own mark only, also when its output comes byte by byte', async () => {
      const chunks: Buffer[] = [];
      const onStdout = (chunk: Buffer): void => void chunks.push(chunk);
      const script =
        'for part in cluster lift-end- 0123 " 0" cluster; do printf "%s" "$part"; sleep 0.02; done; exit 5';
      const { code } = await run(script, { onStdout });
      assert.deepEqual([code, Buffer.concat(chunks).toString()], [5, 'clusterlift-end-0123 0cluster']);
      const size = 3_000_000;
      let seen = 0;
      await run(`head -c ${size} /dev/zero`, { onStdout: (chunk) => void (seen += chunk.length) });
      assert.equal(seen, size);
    });

    it('leave a request with stdin a shell of its own', async () => {
      assert.equal((await run('cat', { stdin: 'data' })).stdout, 'data');
      await run('true');
      assert.equal((await run('cat', { stdin: 'more' })).stdout, 'more');
      assert.equal(local.children.length, 3);
    });

    it('give up a shell whose request takes too long, and go on with another one', async () => {
      await assert.rejects(run('sleep 5', { timeout: 200 }), { code: 'node-timeout' });
      assert.deepEqual(await run('echo on'), result('on\n'));
      assert.equal(local.children.length, 2);
    });

    it('start again when a shell ended while it was idle: nothing had begun', async () => {
      await run('true');
      local.children[0]?.kill('SIGKILL');
      assert.deepEqual(await run('echo again'), result('again\n'));
      local.children[1]?.kill('SIGKILL');
      await sleep(100);
      assert.deepEqual(await run('echo again'), result('again\n'));
    });

    it('tell when a shell ends in the middle of a request', async () => {
      assert.deepEqual(await run('kill -KILL $$; sleep 1'), { code: null, signal: 'SIGKILL', stdout: '', stderr: '' });
      assert.deepEqual(await run('echo on'), result('on\n'));
    });

    it('end idle ones where the server allows no more', async () => {
      await run('true');
      local.most = 1;
      assert.equal((await run('cat', { stdin: 'own' })).stdout, 'own');
      const many = await Promise.all([1, 2, 3].map((n) => run('echo "$1"', { args: [String(n)] })));
      assert.deepEqual(
        many.map(({ stdout }) => stdout),
        ['1\n', '2\n', '3\n'],
      );
    });

    it('do not run a request that is cut off', async () => {
      await run('true');
      const [child] = local.children;
      child?.stdin?.end('mark\necho ran >&2\n');
      let said = '';
      child?.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await local.over(0);
      assert.equal(said, '');
    });

    it('refuse a NUL before anything is opened', async () => {
      await assert.rejects(run('true', { args: ['a\0b'] }), { code: 'argument-nul' });
      assert.equal(local.children.length, 0);
    });
  });
}
