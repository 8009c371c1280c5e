import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Server } from 'ssh2';
import { sleep } from '../../../src/base/async';
import type { NodeConnection } from '../../../src/ssh/connection';
import type { Connector } from '../../../src/ssh/reach/connector';
import { Sshd, Wire, mustNotAsk, whyNoSshd } from './sshd';

describe('commands over SSH', function () {
  let sshd: Sshd;
  let connector: Connector;
  let connection: NodeConnection;
  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
  });
  after(async () => {
    await sshd.stop();
  });
  beforeEach(() => {
    connector = sshd.connector({ asker: mustNotAsk });
    connection = connector.connect(sshd.node());
  });
  afterEach(async () => {
    await connector.closeAll();
  });

  it('returns outputs, exit status and signal', async () => {
    const failed = await connection.exec({
      script: 'printf %s "$2"; echo err >&2; exit 3',
      args: ['a', "it's"],
      timeout: 10_000,
    });
    assert.deepEqual(failed, { code: 3, signal: undefined, stdout: "it's", stderr: 'err\n' });
    const killed = await connection.exec({ script: 'kill -TERM $$', timeout: 10_000 });
    assert.deepEqual([killed.code, killed.signal], [null, 'SIGTERM']);
  });

  it('passes stdin in both directions unchanged, also megabytes, also with a slow reader', async () => {
    async function* megabytes(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 64; n++) yield await Promise.resolve(Buffer.alloc(65_536, n));
    }
    let bytes = 0;
    await connection.exec({
      script: 'cat',
      stdin: megabytes(),
      timeout: 60_000,
      onStdout: async (chunk) => {
        assert.equal(chunk[0], Math.floor(bytes / 65_536));
        bytes += chunk.length;
        await sleep(1);
      },
    });
    assert.equal(bytes, 64 * 65_536);
  });

  it('reads a stderr of megabytes, which would block the process if nobody read it', async () => {
    const result = await connection.exec({
      script: 'head -c 3000000 /dev/zero | tr "\\0" x >&2; echo done',
      timeout: 60_000,
    });
    assert.equal(result.stdout, 'done\n');
    assert.equal(result.stderr.length, 3_000_000);
  });

  it('runs 30 commands at once over one connection and never opens more than four channels', async () => {
    await sshd.forgetLog();
    const running = Array.from({ length: 30 }, (_, index) =>
      connection.exec({ script: 'sleep 0.05; echo "$1"', args: [String(index)], timeout: 30_000 }),
    );
    const results = await Promise.all(running);
    assert.deepEqual(
      results.map((each) => each.stdout.trim()),
      running.map((_, index) => String(index)),
    );
    const log = await sshd.log();
    assert.equal(log.match(/Accepted publickey/g)?.length, 1);
    assert.doesNotMatch(log, /no more sessions/);
  });

  it('gives up after the time-out, and the next command works', async () => {
    await assert.rejects(connection.exec({ script: 'sleep 60', timeout: 200 }), {
      code: 'node-timeout',
      node: 'node1',
    });
    assert.equal((await connection.exec({ script: 'echo ok', timeout: 10_000 })).stdout, 'ok\n');
  });

  it('lets go of a command that was aborted', async () => {
    const begun = new AbortController();
    const onStdout = (): void => {
      begun.abort();
    };
    const request = { script: 'echo begun; sleep 60', timeout: 60_000 };
    await assert.rejects(connection.exec({ ...request, signal: begun.signal, onStdout }), { code: 'cancelled' });
    // Also while it still connects, waits in line, or before anything.
    const early = new AbortController();
    const fresh = sshd.connector({ asker: mustNotAsk });
    const runs = Array.from({ length: 6 }, () => fresh.connect(sshd.node()).exec({ ...request, signal: early.signal }));
    setImmediate(() => {
      early.abort();
    });
    for (const run of runs) await assert.rejects(run, { code: 'cancelled' });
    await assert.rejects(connection.exec({ ...request, signal: AbortSignal.abort() }), { code: 'cancelled' });
    await fresh.closeAll();
  });

  it('shows nothing of script, arguments and stdin in the argv of any process', async () => {
    const run = connection.exec({
      script:
        'script_planted=1; read -r line; ps -eo args; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr "\\0" " "',
      args: ['argument_planted'],
      stdin: 'stdin_planted\n',
      timeout: 30_000,
    });
    assert.doesNotMatch((await run).stdout, /planted/);
  });

  it('is not confused by noise of login files on either output', async () => {
    const noisy = await Sshd.start({
      config: ['ForceCommand echo welcome; echo news >&2; eval "$SSH_ORIGINAL_COMMAND"'],
    });
    try {
      const quiet = noisy.connector();
      const result = await quiet.connect(noisy.node()).exec({ script: 'echo out; echo err >&2', timeout: 10_000 });
      assert.deepEqual([result.stdout, result.stderr], ['out\n', 'err\n']);
      await quiet.closeAll();
    } finally {
      await noisy.stop();
    }
  });

  it('tells when a forced command keeps our shell from starting', async () => {
    const forced = await Sshd.start({ config: ['ForceCommand echo only git here'] });
    const quiet = forced.connector();
    try {
      await assert.rejects(quiet.connect(forced.node()).exec({ script: 'true', timeout: 10_000 }), {
        code: 'script-not-started',
        log: ['only git here'],
      });
    } finally {
      await quiet.closeAll();
      await forced.stop();
    }
  });

  it('sees an exit status that comes together with the channel', async () => {
    const hostKey = await readFile(join(sshd.dir, 'host_ed25519'));
    const hasty = new Server({ hostKeys: [hostKey] }, (client) => {
      client.on('error', () => undefined);
      client.on('authentication', (context) => {
        context.accept();
      });
      client.on('session', (accept) => {
        accept().on('exec', (acceptExec) => {
          // One write to the wire: opened, exit status, end.
          const stream = acceptExec();
          stream.exit(7);
          stream.end();
        });
      });
    });
    hasty.listen(0, '127.0.0.1');
    await once(hasty, 'listening');
    const { port } = hasty.address() as AddressInfo;
    await sshd.trust(['ed25519'], `[127.0.0.1]:${String(port)}`);
    try {
      const node = connector.connect(sshd.node({ name: 'hasty', port }));
      await assert.rejects(node.exec({ script: 'true', timeout: 10_000 }), {
        code: 'script-not-started',
        message: /exit status 7/,
      });
    } finally {
      await connector.closeAll();
      hasty.close();
      await sshd.trust();
    }
  });

  it('makes do with the sessions that a miserly server allows', async () => {
    const miser = await Sshd.start({ config: ['MaxSessions 2'] });
    const quiet = miser.connector();
    try {
      const node = quiet.connect(miser.node());
      const results = await Promise.all(
        Array.from({ length: 8 }, () => node.exec({ script: 'sleep 0.05; echo ok', timeout: 30_000 })),
      );
      assert.ok(results.every((each) => each.stdout === 'ok\n'));
    } finally {
      await quiet.closeAll();
      await miser.stop();
    }
  });

  it('follows what a job left behind: a background child with redirected output does not hold the channel', async () => {
    const result = await connection.exec({
      script: 'setsid sleep 45 </dev/null >/dev/null 2>&1 & echo started',
      timeout: 40_000,
    });
    assert.equal(result.stdout, 'started\n');
  });

  describe('when the link is lost', () => {
    let wire: Wire;
    beforeEach(async () => {
      wire = await Wire.to(sshd.port);
      await sshd.trust(undefined, `[127.0.0.1]:${String(wire.port)}`);
      connection = connector.connect(sshd.node({ name: 'wired', port: wire.port }));
    });
    afterEach(async () => {
      await wire.close();
      await sshd.trust();
    });

    it('ends every running command with an unknown outcome, and connects again for the next', async () => {
      let begun = 0;
      const running = [1, 2, 3, 4, 5, 6].map((index) =>
        connection.exec({
          script: 'echo "$1"; [ "$1" -gt 4 ] || sleep 60',
          args: [String(index)],
          timeout: 120_000,
          onStdout: () => {
            begun++;
            if (begun === 4) wire.cut();
          },
        }),
      );
      const results = await Promise.allSettled(running);
      const told = results.map((each) =>
        each.status === 'rejected' ? (each.reason as { code: string }).code : each.value.code,
      );
      // The two in line had not begun: they run on the new link.
      assert.deepEqual(told, ['link-lost', 'link-lost', 'link-lost', 'link-lost', 0, 0]);
    });

    it('works again after the loss', async () => {
      await connection.exec({ script: 'true', timeout: 10_000 });
      wire.cut();
      await sleep(50);
      assert.equal((await connection.exec({ script: 'echo again', timeout: 10_000 })).stdout, 'again\n');
      assert.equal(wire.connections, 2);
    });

    it('notices a link that is silently dead', async () => {
      const keen = sshd.connector({ times: { keepalive: 1000, keepaliveCount: 2 } });
      const node = keen.connect(sshd.node({ name: 'frozen', port: wire.port }));
      await node.exec({ script: 'true', timeout: 10_000 });
      const freeze = (): void => {
        wire.freeze();
      };
      const run = node.exec({ script: 'echo begun; sleep 60', timeout: 120_000, onStdout: freeze });
      await assert.rejects(run, { code: 'link-lost', exit: 4, node: 'frozen' });
      await keen.closeAll();
    });

    it('tells a session that was killed on the node from a command that ended', async () => {
      // The shell's parent is the sshd process of this session.
      const run = connection.exec({ script: 'kill -9 "$(ps -o ppid= -p $$ | tr -d " ")"; sleep 60', timeout: 20_000 });
      await assert.rejects(run, { code: 'link-lost' });
    });
  });

  it('keeps the connection over many rekeys without asking about the host key again', async () => {
    const keen = await Sshd.start({ config: ['RekeyLimit 1M'] });
    const asking = keen.connector({ asker: mustNotAsk });
    try {
      const file = await readFile('/usr/sbin/sshd');
      const source = Buffer.concat(Array.from({ length: 8 }, () => file));
      let bytes = 0;
      await asking.connect(keen.node()).exec({
        script: 'cat',
        stdin: source,
        onStdout: (chunk) => {
          bytes += chunk.length;
        },
        timeout: 60_000,
      });
      assert.equal(bytes, source.length);
    } finally {
      await asking.closeAll();
      await keen.stop();
    }
  });
});
