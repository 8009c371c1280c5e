import { strict as assert } from 'node:assert';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type AnyAuthMethod, type ParsedKey, Server, type SigningRequestOptions, utils } from 'ssh2';
import { Authenticator } from '../../../src/ssh/reach/auth';
import type { NodeConnection } from '../../../src/ssh/connection';
import { KeyFiles } from '../../../src/ssh/reach/keys';
import { PausableDeadline } from '../../../src/ssh/reach/pausable-deadline';
import { Secrets } from '../../../src/ssh/secrets';
import { resolveTarget } from '../../../src/ssh/reach/target';
import { nobody } from '../../unit/ssh/helpers';
import { Sshd, keygen, whyNoSshd } from './sshd';

describe('old SSH algorithms on a real server', function () {
  before(function () {
    if (whyNoSshd() !== undefined) this.skip();
  });

  /** Runs `work` with a server of this configuration, and with this text as the user's own ssh_config. */
  async function withServer<T>(
    options: Parameters<typeof Sshd.start>[0],
    own: string,
    work: (connection: NodeConnection, sshd: Sshd) => Promise<T>,
  ): Promise<T> {
    const sshd = await Sshd.start(options);
    const file = join(sshd.dir, 'home', '.ssh', 'config');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, own, { mode: 0o600 });
    const connector = sshd.connector();
    try {
      return await work(connector.connect(sshd.node()), sshd);
    } finally {
      await connector.closeAll();
      await sshd.stop();
    }
  }
  const visit = async (connection: NodeConnection): Promise<readonly string[]> => {
    await connection.exec({ script: 'true', timeout: 60_000 });
    return connection.oldAlgorithms ?? [];
  };

  const OLD: [string, string, string][] = [
    ['MACs', 'hmac-sha1', 'Ciphers aes128-ctr'],
    ['Ciphers', 'aes128-cbc', ''],
    ['KexAlgorithms', 'diffie-hellman-group14-sha1', ''],
  ];
  for (const [option, name, more] of OLD) {
    it(`${name} alone is refused by default, and used with a warning where the own ssh_config names it`, async () => {
      const config = [`${option} ${name}`, more];
      await withServer({ config }, '', (node) => assert.rejects(visit(node), { code: 'no-common-algorithm', exit: 3 }));
      await withServer({ config }, `${option} +${name}\n`, async (node) => {
        assert.deepEqual(await visit(node), [`${name} (node1)`]);
      });
    });
  }

  it('a host key that signs with SHA-1 only is refused by default, and used where ssh_config says so', async () => {
    const options = { hostKeys: ['rsa'], config: ['HostKeyAlgorithms ssh-rsa'] };
    await withServer(options, '', (node) => assert.rejects(visit(node), { code: 'no-common-algorithm' }));
    await withServer(options, 'HostKeyAlgorithms +ssh-rsa\n', async (node) => {
      assert.deepEqual(await visit(node), ['ssh-rsa (node1)']);
    });
  });

  it('an RSA host key of 1024 bits is refused although it is on record', async () => {
    const sshd = await Sshd.start({ hostKeys: ['rsa'] });
    try {
      await rm(join(sshd.dir, 'host_rsa'));
      keygen(join(sshd.dir, 'host_rsa'), 'rsa', '', '-b', '1024');
      await sshd.restart();
      await sshd.trust();
      const connector = sshd.connector();
      await assert.rejects(visit(connector.connect(sshd.node())), { code: 'host-key-weak', exit: 3 });
      await connector.closeAll();
      const file = join(sshd.dir, 'home', '.ssh', 'config');
      await writeFile(file, 'RequiredRSASize 1024\n', { mode: 0o600 });
      const allowed = sshd.connector();
      assert.deepEqual(await visit(allowed.connect(sshd.node())), []);
      await allowed.closeAll();
    } finally {
      await sshd.stop();
    }
  });

  it('our own RSA key of 1024 bits is left out, and the error says so', async () => {
    const sshd = await Sshd.start();
    try {
      const key = join(sshd.dir, 'short');
      keygen(key, 'rsa', '', '-b', '1024');
      await sshd.authorize(`${key}.pub`);
      const connector = sshd.connector();
      await assert.rejects(
        connector.connect(sshd.node({ identityFile: key })).exec({ script: 'true', timeout: 60_000 }),
        (error: Error & { code?: string }) =>
          error.code === 'auth-failed' && error.message.includes('an RSA key of fewer than 2048 bits'),
      );
      await connector.closeAll();
    } finally {
      await sshd.stop();
    }
  });

  it('our RSA key signs with SHA-2', async () => {
    await withServer({}, '', async (_, sshd) => {
      const file = join(sshd.dir, 'own');
      keygen(file, 'rsa', '', '-b', '2048');
      await sshd.authorize(`${file}.pub`);
      const connector = sshd.connector();
      assert.deepEqual(await visit(connector.connect(sshd.node({ identityFile: file }))), []);
      await connector.closeAll();
      assert.match(await sshd.log(), /Accepted publickey for root .* RSA/);
    });
  });

  it('our RSA key signs with SHA-1 only where the own ssh_config says so', async () => {
    // A server that announces no signature algorithms (RFC 8308) makes ssh2 ask for SHA-1; no sshd of today is one.
    const tries = async (own: string): Promise<{ error: unknown; old: readonly string[] }> =>
      withServer({}, own, async (_, sshd) => {
        const file = join(sshd.dir, 'own');
        keygen(file, 'rsa', '', '-b', '2048');
        const request = { node: 'n', host: 'n', port: undefined, user: 'root', identityFile: file };
        const target = resolveTarget(request, {
          env: sshd.env(),
          configs: [join(sshd.dir, 'home', '.ssh', 'config')],
        });
        const secrets = new Secrets();
        const realm = { file: '/clusters.json', cluster: 'test' };
        const account = { given: undefined, purpose: 'test', realm };
        const context = { target, account, env: sshd.env(), secrets, keys: new KeyFiles(secrets) };
        const authenticator = new Authenticator(context);
        const deadline = new PausableDeadline(60_000, () => undefined);
        const next = authenticator.handler(nobody, deadline, undefined, (error) => assert.fail(error));
        const method = async (left: string[]): Promise<AnyAuthMethod | false> =>
          new Promise((resolve) => {
            next(left, false, resolve);
          });
        await method(['publickey']);
        const offer = await method(['publickey']);
        deadline.end();
        assert.ok(offer !== false && offer.type === 'agent' && typeof offer.agent !== 'string');
        const { agent } = offer;
        const [key] = await new Promise<readonly ParsedKey[]>((resolve) => {
          agent.getIdentities((_error, keys) => {
            resolve(keys as ParsedKey[]);
          });
        });
        assert.ok(key);
        const error = await new Promise((resolve) => {
          agent.sign(key, Buffer.from('data'), { hash: 'sha1' } as SigningRequestOptions, (problem) => {
            resolve(problem);
          });
        });
        return { error, old: authenticator.oldAlgorithms };
      });
    const refused = await tries('');
    assert.match(String(refused.error), /takes only SHA-1 signatures/);
    assert.deepEqual(refused.old, []);
    assert.deepEqual(await tries('PubkeyAcceptedAlgorithms +ssh-rsa\n'), { error: undefined, old: ['ssh-rsa'] });
  });

  it('a server that compresses only is refused', async () => {
    const { private: hostKey, public: shown } = utils.generateKeyPairSync('ed25519');
    const server = new Server(
      { hostKeys: [hostKey], algorithms: { compress: ['zlib@openssh.com', 'zlib'] } },
      (client) => client.on('error', () => undefined),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const sshd = await Sshd.start();
    try {
      await writeFile(sshd.knownHosts, `[127.0.0.1]:${String(port)} ${shown}\n`);
      const connector = sshd.connector();
      await assert.rejects(visit(connector.connect(sshd.node({ port }))), { code: 'no-common-algorithm' });
      await connector.closeAll();
    } finally {
      server.close();
      await sshd.stop();
    }
  });

  it('a private key that others can read, a pipe, a device and a huge file are left out, each with its reason', async () => {
    const sshd = await Sshd.start();
    try {
      const file = (name: string): string => join(sshd.dir, name);
      keygen(file('open'), 'ed25519');
      await sshd.authorize(file('open.pub'));
      await chmod(file('open'), 0o644);
      execFileSync('mkfifo', [file('pipe')]);
      await writeFile(file('huge'), Buffer.alloc((1 << 20) + 1), { mode: 0o600 });
      const reasons: [string, RegExp][] = [
        [file('open'), /others can read it: `chmod go-rwx /],
        [file('pipe'), /not a regular file/],
        ['/dev/zero', /not a regular file/],
        [file('huge'), /larger than 1 MiB/],
      ];
      for (const [identityFile, reason] of reasons) {
        const connector = sshd.connector();
        await assert.rejects(
          connector.connect(sshd.node({ identityFile })).exec({ script: 'true', timeout: 60_000 }),
          (error: Error & { code?: string }) => error.code === 'auth-failed' && reason.test(error.message),
          identityFile,
        );
        await connector.closeAll();
      }
    } finally {
      await sshd.stop();
    }
  });
});
