import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type AuthContext, type Connection, type ParsedKey, Server, type ServerChannel, utils } from 'ssh2';
import { serveFiles } from './inprocess-sftp';
import { killGroup } from './tools';

export interface InProcessNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Its HOME; the only directory that is its own. */
  readonly home: string;
}

/** A node and what serves it. */
interface Served extends InProcessNode {
  readonly server: Server;
  readonly connections: Set<Connection>;
  readonly children: Set<ChildProcess>;
}

/**
 * Nodes inside this process, for the demo and for machines without root: real SSH on 127.0.0.1, real `sh` children of
 * the user who runs this, each node with a HOME of its own. What they share with this machine: everything else, so give
 * each a `stateDir` below its home (`clustersJson` does). They neither reboot nor lose their link.
 */
export class InProcessNodes {
  readonly nodes: readonly InProcessNode[];
  /** Holds everything; removed by `stop`. */
  readonly dir: string;
  /** The home of whoever upgrades this cluster. */
  readonly home: string;
  readonly keyFile: string;
  readonly user = userInfo().username;
  readonly #served: readonly Served[];

  private constructor(dir: string, served: readonly Served[]) {
    this.dir = dir;
    this.home = join(dir, 'home');
    this.keyFile = join(dir, 'home/.ssh/id_ed25519');
    this.#served = served;
    this.nodes = served;
  }

  /** @param parent where to put the directory of everything; default: the directory for temporary files */
  static async start(names: readonly string[], parent: string = tmpdir()): Promise<InProcessNodes> {
    const dir = await mkdtemp(join(parent, 'clusterlift-nodes-'));
    const keys = newKey('demo');
    const ssh = join(dir, 'home/.ssh');
    mkdirSync(ssh, { recursive: true, mode: 0o700 });
    writeFileSync(join(ssh, 'id_ed25519'), keys.private, { mode: 0o600 });
    const known: string[] = [];
    const served: Served[] = [];
    for (const name of names) {
      const hostKey = newKey(name);
      const node = await serve(name, join(dir, 'nodes', name), hostKey.private, keys.public);
      served.push(node);
      known.push(`[${node.host}]:${String(node.port)} ${hostKey.public.split(' ').slice(0, 2).join(' ')}\n`);
    }
    writeFileSync(join(ssh, 'known_hosts'), known.join(''));
    return new InProcessNodes(dir, served);
  }

  /** The cluster `demo` as `clusters.json` writes it, its nodes with state directories of their own. */
  clustersJson(overrides: Record<string, unknown> = {}): Record<string, unknown> {
    const nodes = this.nodes.map(({ name, host, port, home }) => ({
      name,
      host,
      port,
      identityFile: this.keyFile,
      stateDir: join(home, 'state'),
    }));
    return { clusters: { demo: { user: this.user, nodes, ...overrides } } };
  }

  /** The environment of a person at this machine with a home of their own, whose known_hosts knows the nodes. */
  env(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const at = (path: string): string => join(this.home, path);
    return {
      PATH: process.env['PATH'],
      HOME: this.home,
      XDG_CONFIG_HOME: at('.config'),
      XDG_STATE_HOME: at('.local/state'),
      XDG_CACHE_HOME: at('.cache'),
      ...extra,
    };
  }

  /** Drops every connection of a node without a goodbye from SSH. */
  disconnect(name: string): void {
    for (const node of this.#served) {
      if (node.name === name) for (const each of node.connections) each.end();
    }
  }

  /** Ends the servers and every process that was started through them. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#served.map(async ({ server, connections, children, home }) => {
        const closed = once(server, 'close');
        server.close();
        for (const each of connections) each.end();
        for (const child of children) killGroup(child.pid);
        killByHome(home);
        await closed;
      }),
    );
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** ssh2 now and then makes an ed25519 key that it cannot read itself: such a one is made again. */
function newKey(comment: string): ReturnType<typeof utils.generateKeyPairSync> {
  for (let tries = 0; ; tries++) {
    const pair = utils.generateKeyPairSync('ed25519', { comment });
    const parsed = utils.parseKey(pair.private);
    if (!(parsed instanceof Error)) return pair;
    if (tries === 20) throw parsed;
  }
}

async function serve(name: string, home: string, hostKey: string, clientKey: string): Promise<Served> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const allowed = utils.parseKey(clientKey);
  if (allowed instanceof Error) throw allowed;
  const connections = new Set<Connection>();
  const children = new Set<ChildProcess>();
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connections.add(connection);
    connection
      .on('error', () => undefined)
      .on('close', () => connections.delete(connection))
      .on('authentication', (context) => {
        if (mayEnter(context, allowed)) context.accept();
        else context.reject(['publickey']);
      })
      .on('session', (accept) => {
        accept()
          .on('exec', (acceptExec, _reject, { command }) => {
            const channel = acceptExec();
            const child = spawn('/bin/sh', ['-c', command], {
              cwd: home,
              env: {
                HOME: home,
                USER: userInfo().username,
                SHELL: '/bin/sh',
                PATH: process.env['PATH'],
                LAB_NODE: home,
              },
              stdio: 'pipe',
              detached: true, // a session of its own, as sshd gives
            });
            children.add(child);
            child.once('exit', () => children.delete(child));
            connectPipes(channel, child);
          })
          .on('sftp', (acceptSftp) => {
            serveFiles(acceptSftp(), home);
          });
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return { name, host: '127.0.0.1', port, home, server, connections, children };
}

function mayEnter(context: AuthContext, allowed: ParsedKey): boolean {
  if (context.method !== 'publickey') return false;
  const { key, signature, blob, hashAlgo } = context;
  if (!key.data.equals(allowed.getPublicSSH())) return false;
  // Without a signature the client only asks whether the key would do.
  return signature === undefined || blob === undefined || allowed.verify(blob, signature, hashAlgo);
}

/** A command and its channel: what one says, the other hears; the exit status comes last. */
function connectPipes(channel: ServerChannel, child: ChildProcess): void {
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('the command has no pipes');
  stdin.on('error', () => undefined);
  channel.on('error', () => undefined);
  channel.pipe(stdin);
  stdout.pipe(channel, { end: false });
  stderr.pipe(channel.stderr, { end: false });
  child.once('close', (code, signal) => {
    if (signal === null) channel.exit(code ?? 1);
    else channel.exit(signal.replace(/^SIG/, ''));
    channel.end();
  });
  channel.once('close', () => {
    // As sshd does: the process lives on, its pipes do not.
    for (const each of [stdin, stdout, stderr]) each.destroy();
  });
}

/** Jobs that left their session are found by the environment they inherited; where there is no /proc they end by themselves. */
function killByHome(home: string): void {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name) || name === String(process.pid)) continue;
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
      if (environment.includes(`LAB_NODE=${home}`)) process.kill(Number(name), 'SIGKILL');
    } catch {
      // it has ended, or belongs to somebody else
    }
  }
}
