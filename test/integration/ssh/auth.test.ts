import { strict as assert } from 'node:assert';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Server } from 'ssh2';
import { sleep } from '../../../src/base/async';
import type { NodeModel } from '../../../src/cluster/model';
import type { ConnectorOptions } from '../../../src/ssh/reach/connector';
import { Secrets } from '../../../src/ssh/secrets';
import { Script, nodeModel } from '../../unit/ssh/helpers';
import { Sshd, keygen, mustNotAsk, whyNoSshd } from './sshd';

describe('authentication', function () {
  let sshd: Sshd;
  let config = '';
  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
    config = join(sshd.dir, 'home', '.ssh', 'config');
  });
  after(() => sshd.stop());
  beforeEach(() => rm(config, { force: true }));

  async function visit(changes: Partial<ConnectorOptions> = {}, node: Partial<NodeModel> = {}): Promise<string> {
    const connector = sshd.connector({ asker: mustNotAsk, ...changes });
    try {
      return (await connector.connect(sshd.node(node)).exec({ script: 'echo in', timeout: 10_000 })).stdout.trim();
    } finally {
      await connector.closeAll();
    }
  }

  const types: readonly (readonly [string, ...string[]])[] = [
    ['ed25519'],
    ['ecdsa'],
    ['rsa', '-b', '2048'],
    ['rsa', '-b', '2048', '-m', 'PEM'],
  ];
  for (const [type, ...more] of types) {
    it(`works with a ${type} key with a passphrase${more.includes('PEM') ? ' in the old format' : ''}, from the environment`, async () => {
      const file = join(sshd.dir, `key-${[type, ...more].join('')}`);
      keygen(file, type, 'open sesame', ...more);
      await sshd.authorize(`${file}.pub`);
      const secrets = Secrets.take({ CLUSTERLIFT_KEY_PASSPHRASE: 'open sesame' });
      assert.equal(await visit({ secrets }, { identityFile: file }), 'in');
    });
  }

  it('asks for a passphrase up to three times, and only if the server wants the key', async () => {
    const file = join(sshd.dir, 'asked');
    keygen(file, 'ed25519', 'right one');
    await sshd.authorize(`${file}.pub`);
    const script = new Script('wrong', 'right one');
    assert.equal(await visit({ asker: script }, { identityFile: file }), 'in');
    assert.deepEqual(
      script.asked.map((each) => each.kind === 'passphrase' && [each.file, each.retry]),
      [
        [file, false],
        [file, true],
      ],
    );
    const stubborn = new Script('a', 'b', 'c', 'd');
    await assert.rejects(visit({ asker: stubborn }, { identityFile: file }), /its passphrase was wrong/);
    assert.equal(stubborn.asked.length, 3);
    const unwanted = join(sshd.dir, 'unwanted');
    keygen(unwanted, 'ed25519', 'secret');
    await assert.rejects(visit({}, { identityFile: unwanted }), { code: 'auth-failed' });
  });

  it('does not need the .pub file of an encrypted key', async () => {
    const file = join(sshd.dir, 'alone');
    keygen(file, 'ed25519', 'alone secret');
    await sshd.authorize(`${file}.pub`);
    await rm(`${file}.pub`);
    assert.equal(await visit({ asker: new Script('alone secret') }, { identityFile: file }), 'in');
  });

  it('asks once for a passphrase that several nodes need at the same time', async () => {
    const file = join(sshd.dir, 'shared');
    keygen(file, 'ed25519', 'shared secret');
    await sshd.authorize(`${file}.pub`);
    const script = new Script('shared secret');
    const connector = sshd.connector({ asker: script });
    await sshd.trust();
    const results = await Promise.all(
      ['a', 'b', 'c'].map((name, index) => {
        // Different users of a wire would be different servers; here the links differ by record name only.
        const node = sshd.node({ name, identityFile: file, host: index === 0 ? '127.0.0.1' : `127.0.0.1` });
        return connector.connect(node).exec({ script: 'echo in', timeout: 10_000 });
      }),
    );
    assert.ok(results.every((each) => each.stdout === 'in\n'));
    assert.equal(script.asked.length, 1);
    await connector.closeAll();
  });

  it('finds the usual keys in ~/.ssh, and those of ssh_config', async () => {
    const usual = join(sshd.dir, 'home', '.ssh', 'id_ed25519');
    keygen(usual, 'ed25519');
    await sshd.authorize(`${usual}.pub`);
    assert.equal(await visit({}, { identityFile: undefined }), 'in');
    await rename(usual, join(sshd.dir, 'home', '.ssh', 'special'));
    await assert.rejects(visit({}, { identityFile: undefined }), { code: 'auth-failed' });
    const text = `Host lab\n HostName 127.0.0.1\n User root\n Port ${String(sshd.port)}\n IdentityFile ~/.ssh/special\n`;
    await writeFile(config, text, { mode: 0o600 });
    assert.equal(await visit({}, { host: 'lab', port: undefined, user: undefined, identityFile: undefined }), 'in');
    await chmod(config, 0o666);
    assert.throws(() => sshd.connector().connect(sshd.node({ host: 'lab' })), { code: 'ssh-config-permissions' });
  });

  it('tells what was tried and what the server wants', async () => {
    const file = join(sshd.dir, 'foreign');
    keygen(file, 'ed25519');
    await assert.rejects(
      visit({}, { identityFile: file }),
      (error: Error & { code?: string; exit?: number; hint?: string }) => {
        assert.equal(error.code, 'auth-failed');
        assert.equal(error.exit, 3);
        assert.match(error.message, /node1 did not let root in: it accepts publickey; tried: .*foreign/);
        assert.match(error.hint ?? '', /ssh -p \d+ root@127.0.0.1/);
        return true;
      },
    );
    await assert.rejects(visit({}, { identityFile: `${file}.none` }), /no such file/);
  });

  describe('with an agent', () => {
    let agent: ChildProcess;
    let socket = '';
    before(async () => {
      socket = join(sshd.dir, 'agent');
      agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
      for (let tries = 0; tries < 100 && !(await readable(socket)); tries++) await sleep(20);
      for (const name of ['decoy', 'wanted', 'rsa']) {
        const file = join(sshd.dir, name);
        keygen(file, name === 'rsa' ? 'rsa' : 'ed25519');
        execFileSync('ssh-add', ['-q', file], { env: { SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
      }
      await sshd.authorize(join(sshd.dir, 'wanted.pub'));
    });
    after(async () => {
      agent.kill();
      await once(agent, 'exit');
    });

    it('uses its keys by SSH_AUTH_SOCK and by IdentityAgent', async () => {
      const env = sshd.env({ SSH_AUTH_SOCK: socket });
      assert.equal(await visit({ env }, { identityFile: undefined }), 'in');
      await writeFile(config, `IdentityAgent ${socket}\n`, { mode: 0o600 });
      assert.equal(await visit({}, { identityFile: undefined }), 'in');
    });

    it('uses RSA keys with SHA-2', async () => {
      const only = await Sshd.start();
      await only.authorize(join(sshd.dir, 'rsa.pub'));
      const connector = only.connector({ env: only.env({ SSH_AUTH_SOCK: socket }) });
      const result = await connector
        .connect(only.node({ identityFile: undefined }))
        .exec({ script: 'echo in', timeout: 10_000 });
      assert.equal(result.stdout, 'in\n');
      await connector.closeAll();
      await only.stop();
    });

    it('offers only the named keys under IdentitiesOnly, and the agent signs for a file that only has its .pub', async () => {
      const env = sshd.env({ SSH_AUTH_SOCK: socket });
      await writeFile(config, `IdentitiesOnly yes\nIdentityFile ${join(sshd.dir, 'decoy.pub')}\n`, { mode: 0o600 });
      await assert.rejects(visit({ env }, { identityFile: undefined }), { code: 'auth-failed' });
      await writeFile(config, `IdentitiesOnly yes\nIdentityFile ${join(sshd.dir, 'wanted.pub')}\n`, { mode: 0o600 });
      assert.equal(await visit({ env }, { identityFile: undefined }), 'in');
    });

    it('tries the named key first, so that many keys in the agent do not use up the tries', async () => {
      const strict = await Sshd.start({ config: ['MaxAuthTries 2'] });
      const env = strict.env({ SSH_AUTH_SOCK: socket });
      const connector = strict.connector({ env });
      assert.equal(
        (await connector.connect(strict.node()).exec({ script: 'echo in', timeout: 10_000 })).stdout,
        'in\n',
      );
      await connector.closeAll();
      const other = strict.connector({ env });
      const refused = other.connect(strict.node({ identityFile: undefined })).exec({ script: 'true', timeout: 10_000 });
      await assert.rejects(refused, { code: 'auth-failed' });
      await other.closeAll();
      await strict.stop();
    });

    it('goes on without an agent that does not answer', async () => {
      const env = sshd.env({ SSH_AUTH_SOCK: join(sshd.dir, 'nobody') });
      assert.equal(await visit({ env }), 'in');
      await assert.rejects(visit({ env }, { identityFile: undefined }), /agent \(/);
    });
  });

  describe('when the server asks questions', () => {
    interface Account {
      readonly methods: readonly string[];
      readonly prompts?: readonly { prompt: string; echo: boolean }[];
      readonly answers?: readonly string[];
      readonly password?: string;
      /** Answers that it ends the connection at, instead of judging them. */
      readonly hangUps?: number;
    }
    const cleanup: (() => void)[] = [];
    afterEach(() => {
      for (const each of cleanup.splice(0)) each();
    });

    /** A server whose accounts want exactly what the test says: OTP needs no PAM module here. */
    async function serve(account: Account): Promise<{ port: number; log: string[] }> {
      const log: string[] = [];
      let { hangUps = 0 } = account;
      const hostKey = await readFile(join(sshd.dir, 'host_ed25519'));
      const server = new Server({ hostKeys: [hostKey] }, (client) => {
        let left = [...account.methods];
        client.on('error', () => undefined);
        client.on('authentication', (context) => {
          log.push(context.method);
          const good = (): void => {
            left = left.filter((each) => each !== context.method);
            if (left.length === 0) context.accept();
            else context.reject(left as never, true);
          };
          const bad = (): void => {
            context.reject(left as never);
          };
          if (!left.includes(context.method)) bad();
          else if (context.method === 'password') {
            log.push(context.password);
            if (context.password === account.password) good();
            else bad();
          } else if (context.method === 'keyboard-interactive') {
            context.prompt([...(account.prompts ?? [])], (answers) => {
              log.push(...answers);
              if (hangUps-- > 0) client.end();
              else if (answers.join() === account.answers?.join()) good();
              else bad();
            });
          } else bad();
        });
        client.on('session', (accept) => {
          const session = accept();
          session.on('exec', (acceptExec) => {
            const stream = acceptExec();
            const child = spawn('sh', ['-c', 'IFS= read -r l; eval "$(printf %b "$l")"'], { stdio: 'pipe' });
            stream.pipe(child.stdin);
            child.stdout.pipe(stream, { end: false });
            child.stderr.pipe(stream.stderr, { end: false });
            child.on('close', (code) => {
              stream.exit(code ?? 1);
              stream.end();
            });
          });
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      cleanup.push(() => server.close());
      const { port } = server.address() as AddressInfo;
      await sshd.trust(['ed25519'], `[127.0.0.1]:${String(port)}`);
      return { port, log };
    }

    async function visitAt(port: number, changes: Partial<ConnectorOptions>): Promise<string> {
      const connector = sshd.connector({ asker: mustNotAsk, ...changes });
      try {
        const node = nodeModel({ port, user: 'somebody' });
        return (await connector.connect(node).exec({ script: 'echo in', timeout: 10_000 })).stdout.trim();
      } finally {
        await connector.closeAll();
      }
    }

    it('answers a one-time code by asking, and the password prompt with the password, once', async () => {
      const { port, log } = await serve({
        methods: ['keyboard-interactive'],
        prompts: [
          { prompt: 'Password: ', echo: false },
          { prompt: 'Verification code: ', echo: true },
        ],
        answers: ['pass word', '123456'],
      });
      const script = new Script('123456');
      const secrets = Secrets.take({ CLUSTERLIFT_SSH_PASSWORD: 'pass word' });
      assert.equal(await visitAt(port, { asker: script, secrets }), 'in');
      assert.deepEqual(script.asked, [{ kind: 'otp', node: 'node1', prompt: 'Verification code:', echo: true }]);
      assert.deepEqual(log, ['none', 'keyboard-interactive', 'pass word', '123456']);
    });

    it('says why a code is asked for again: it was wrong, or the server hung up before it had it', async () => {
      const account = {
        methods: ['keyboard-interactive'],
        prompts: [{ prompt: 'Code: ', echo: false }],
        answers: ['2'],
      } as const;
      const whys = async (server: { port: number }, script: Script): Promise<unknown[]> => {
        assert.equal(await visitAt(server.port, { asker: script }), 'in');
        return script.asked.map((question) => question.kind === 'otp' && question.again);
      };
      assert.deepEqual(await whys(await serve(account), new Script('1', '2')), [undefined, 'refused']);
      assert.deepEqual(await whys(await serve({ ...account, hangUps: 1 }), new Script('1', '2')), [
        undefined,
        'hung-up',
      ]);
    });

    it('goes through password and then a one-time code when both are demanded', async () => {
      const { port } = await serve({
        methods: ['password', 'keyboard-interactive'],
        password: 'first',
        prompts: [{ prompt: 'OTP', echo: false }],
        answers: ['42'],
      });
      assert.equal(await visitAt(port, { asker: new Script('first', '42') }), 'in');
    });

    it('asks again for a wrong password, three times at most', async () => {
      const { port, log } = await serve({ methods: ['password'], password: 'right' });
      assert.equal(await visitAt(port, { asker: new Script('wrong', 'right') }), 'in');
      assert.deepEqual(log, ['none', 'password', 'wrong', 'password', 'right']);
      const script = new Script('a', 'b', 'c', 'd');
      await assert.rejects(visitAt(port, { asker: script }), { code: 'auth-failed' });
      assert.equal(script.asked.length, 3);
    });

    it('sends a wrong password from the environment once only when nobody is there', async () => {
      const { port, log } = await serve({ methods: ['password'], password: 'right' });
      const secrets = Secrets.take({ CLUSTERLIFT_SSH_PASSWORD: 'wrong' });
      await assert.rejects(visitAt(port, { asker: new Script(), secrets }), { code: 'auth-failed' });
      assert.deepEqual(log, ['none', 'password', 'wrong']);
    });

    it('says so when nobody is there to answer', async () => {
      const { port } = await serve({
        methods: ['keyboard-interactive'],
        prompts: [{ prompt: 'Token', echo: false }],
        answers: ['1'],
      });
      await assert.rejects(visitAt(port, { asker: new Script() }), /nobody answered/);
      const other = await serve({ methods: ['password'], password: 'x' });
      await assert.rejects(visitAt(other.port, { asker: new Script() }), /nobody gave one/);
    });

    it('uses a password that one node accepted for the next, and asks for another only where it is wrong', async () => {
      const first = await serve({ methods: ['password'], password: 'shared' });
      const second = await serve({ methods: ['password'], password: 'shared' });
      const third = await serve({ methods: ['password'], password: 'different' });
      const lines = [first, second, third].map(({ port }) => port);
      const key = await sshd.hostKey('ed25519');
      await writeFile(sshd.knownHosts, lines.map((port) => `[127.0.0.1]:${String(port)} ${key}\n`).join(''));
      const script = new Script('shared', 'different');
      const connector = sshd.connector({ asker: script });
      const run = (port: number): Promise<unknown> =>
        connector
          .connect(nodeModel({ name: `at${String(port)}`, port, user: 'somebody' }))
          .exec({ script: 'true', timeout: 10_000 });
      // All at once: the others wait for the first answer rather than ask as well.
      await Promise.all([run(first.port), run(second.port)]);
      assert.equal(script.asked.length, 1);
      await run(third.port);
      assert.equal(script.asked.length, 2);
      await connector.closeAll();
    });
  });

  describe('when nobody can be reached', () => {
    it('tells a closed port, an unknown name and something that is not SSH apart', async () => {
      await assert.rejects(visit({}, { port: 1 }), {
        code: 'host-unreachable',
        exit: 3,
        message: /nothing listens there/,
      });
      await assert.rejects(visit({}, { host: 'no-such-host.invalid' }), { code: 'host-unreachable' });
      const server = createServer((socket) => socket.end('220 smtp.example.org ESMTP\r\n'));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await assert.rejects(visit({}, { port }), { code: 'host-unreachable' });
      server.close();
    });

    it('gives up on a server that says nothing', async () => {
      const server = createServer(() => undefined);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await assert.rejects(visit({ times: { ready: 300 } }, { port }), {
        code: 'host-unreachable',
        message: /handshake/,
      });
      server.close();
    });

    it('says what either side offers when there is nothing in common', async () => {
      const modern = await Sshd.start({ config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] });
      const connector = modern.connector();
      await assert.rejects(connector.connect(modern.node()).exec({ script: 'true', timeout: 10_000 }), {
        code: 'no-common-algorithm',
        exit: 3,
        message: /it offers sntrup761x25519-sha512@openssh.com.*; we support curve25519-sha256/,
      });
      await connector.closeAll();
      await modern.stop();
    });
  });
});

async function readable(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  );
}
