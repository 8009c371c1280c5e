import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import type { NodeModel } from '../../../src/cluster/model';
import type { Asker } from '../../../src/ssh/connection';
import { Connector, type ConnectorOptions } from '../../../src/ssh/reach/connector';
import { Secrets } from '../../../src/ssh/secrets';
import { nobody, nodeModel } from '../../unit/ssh/helpers';

/** Why no server of our own can be started here. */
export function whyNoSshd(): string | undefined {
  if (process.getuid?.() !== 0) return 'a real sshd with logins needs root';
  return existsSync('/usr/sbin/sshd') ? undefined : 'openssh-server is not installed';
}

export interface SshdOptions {
  /** Lines for sshd_config; they beat our own. */
  readonly config?: readonly string[];
  readonly sftp?: boolean;
  /** Host key types that it has. */
  readonly hostKeys?: readonly string[];
}

/** A real OpenSSH server on the loopback with files of its own; root gets in with `key`. */
export class Sshd {
  private constructor(
    readonly dir: string,
    readonly port: number,
    private readonly options: SshdOptions,
    private child: ChildProcess,
  ) {}

  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const dir = await mkdtemp(join(tmpdir(), 'clusterlift-sshd-'));
    await mkdir('/run/sshd', { recursive: true });
    await mkdir(join(dir, 'home', '.ssh'), { recursive: true });
    for (const type of options.hostKeys ?? ['ed25519', 'ecdsa']) keygen(join(dir, `host_${type}`), type);
    keygen(join(dir, 'key'), 'ed25519');
    await copyFile(join(dir, 'key.pub'), join(dir, 'authorized_keys'));
    const port = await freePort();
    const sshd = new Sshd(dir, port, options, await launch(dir, port, options));
    await sshd.trust();
    return sshd;
  }

  get keyFile(): string {
    return join(this.dir, 'key');
  }

  get knownHosts(): string {
    return join(this.dir, 'home', '.ssh', 'known_hosts');
  }

  /** The own store of accepted keys. */
  get store(): string {
    return join(this.dir, 'home', '.local', 'state', 'clusterlift', 'known_hosts');
  }

  /** What the server wrote; `LogLevel VERBOSE`. */
  log(): Promise<string> {
    return readFile(join(this.dir, 'log'), 'utf8');
  }

  async forgetLog(): Promise<void> {
    await writeFile(join(this.dir, 'log'), '');
  }

  /** Puts the host keys of these types on record, under this name. */
  async trust(
    types = this.options.hostKeys ?? ['ed25519', 'ecdsa'],
    name = `[127.0.0.1]:${String(this.port)}`,
  ): Promise<void> {
    const lines = await Promise.all(types.map(async (type) => `${name} ${await this.hostKey(type)}\n`));
    await writeFile(this.knownHosts, lines.join(''));
  }

  async hostKey(type: string): Promise<string> {
    return (await readFile(join(this.dir, `host_${type}.pub`), 'utf8')).split(' ').slice(0, 2).join(' ');
  }

  async authorize(publicKeyFile: string, prefix = ''): Promise<void> {
    await appendFile(join(this.dir, 'authorized_keys'), prefix + (await readFile(publicKeyFile, 'utf8')));
  }

  env(extra: Record<string, string> = {}): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', HOME: join(this.dir, 'home'), ...extra };
  }

  node(changes: Partial<NodeModel> = {}): NodeModel {
    return nodeModel({ port: this.port, user: 'root', identityFile: this.keyFile, ...changes });
  }

  connector(changes: Partial<ConnectorOptions> = {}): Connector {
    return new Connector({
      cluster: 'test',
      file: '/clusters.json',
      nodes: [],
      asker: nobody,
      secrets: new Secrets(),
      acceptNewHostKeys: false,
      env: this.env(),
      sshConfigs: [join(this.dir, 'home', '.ssh', 'config')],
      ...changes,
    });
  }

  /** Restarts it: all sessions of the old one live on, as with a real restart. */
  async restart(): Promise<void> {
    this.child.kill();
    await once(this.child, 'exit');
    this.child = await launch(this.dir, this.port, this.options);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill();
      await once(this.child, 'exit');
    }
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

export function keygen(file: string, type: string, passphrase = '', ...more: string[]): void {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'test', '-f', file, ...more]);
}

async function launch(dir: string, port: number, options: SshdOptions): Promise<ChildProcess> {
  const config = [
    ...(options.config ?? []),
    'ListenAddress 127.0.0.1',
    `Port ${String(port)}`,
    ...(options.hostKeys ?? ['ed25519', 'ecdsa']).map((type) => `HostKey ${join(dir, `host_${type}`)}`),
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'LogLevel VERBOSE',
    'MaxStartups 100',
    ...(options.sftp === false ? [] : ['Subsystem sftp internal-sftp']),
  ];
  const file = join(dir, 'sshd_config');
  await writeFile(file, `${config.join('\n')}\n`);
  await chmod(file, 0o600);
  const check = spawnSync('/usr/sbin/sshd', ['-t', '-f', file]);
  if (check.status !== 0) throw new Error(check.stderr.toString());
  const child = spawn('/usr/sbin/sshd', ['-D', '-f', file, '-E', join(dir, 'log')], { stdio: 'ignore' });
  await listening(port);
  return child;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await sleep(25);
    } finally {
      socket.destroy();
    }
  }
  throw new Error('sshd does not listen');
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A wire between us and a server that can be cut, or stand still. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  /** Connections made so far. */
  connections = 0;

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    readonly port: number,
  ) {}

  static async to(port: number): Promise<Wire> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new Wire(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => {
      wire.connections++;
      const far = connect(port, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        wire.sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          wire.sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    return wire;
  }

  /** Cuts all connections at once; new ones work. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Nothing gets through any more, and nobody is told. */
  freeze(): void {
    for (const socket of this.sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Refuses to be asked: fails the test. */
export const mustNotAsk: Asker = {
  ask: (question) => Promise.reject(new Error(`unexpected question: ${question.kind}`)),
};
