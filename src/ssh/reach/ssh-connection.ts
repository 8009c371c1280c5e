import type { RandomReader } from '../../base/reader';
import type { NodeModel } from '../../cluster/model';
import { appendByExec } from '../exec/append';
import { Runner } from '../exec/become';
import { bootstrapCommand, type Elevation } from '../exec/command';
import type { AppendRequest, Asker, ExecRequest, ExecResult, NodeConnection, Peer } from '../connection';
import type { Realm } from './auth';
import { fingerprint } from './known-hosts';
import type { Link } from './link';
import { SshPeer } from './peer';
import { openExecReader, openSftpReader } from './remote-reader';
import type { Secrets } from '../secrets';
import type { Pipe } from '../exec/session';
import { NoRoom } from '../exec/shells';
import { ChannelRefused, NotConnected, type TerminalSize } from './transport';

export interface SshOptions {
  readonly node: NodeModel;
  readonly link: Link;
  readonly asker: Asker;
  readonly secrets: Secrets;
  /** The nodes of one cluster share their become passwords. */
  readonly realm: Realm;
}

/** A terminal on a node. */
export interface Terminal {
  readonly stream: NodeJS.ReadWriteStream;
  resize(size: TerminalSize): void;
  /** The exit status; null: a signal, or the link went away. */
  readonly closed: Promise<number | null>;
  close(): void;
}

/** A node reached by SSH. */
export class SshConnection implements NodeConnection {
  readonly node: string;
  readonly peer: Peer;
  private readonly runner: Runner;
  private readonly link: Link;

  constructor({ node, link, asker, secrets, realm }: SshOptions) {
    this.node = node.name;
    this.link = link;
    const { user, host, port } = link.target;
    const identity = {
      node: node.name,
      user,
      become: node.become,
      purpose: JSON.stringify(['become', realm.file, realm.cluster, user]),
      target: () => ({ ...realm, host, port, user, hostKey: link.hostKey && fingerprint(link.hostKey) }),
    };
    this.runner = new Runner(identity, asker, secrets, (elevation, signal) => this.open(elevation, signal));
    this.peer = new SshPeer({ node: node.name, link, asker, secrets });
  }

  exec(request: ExecRequest): Promise<ExecResult> {
    return this.runner.run(request);
  }

  async openReader(path: string, signal?: AbortSignal): Promise<RandomReader> {
    const transport = await this.link.connect(signal);
    try {
      return await openSftpReader(transport, this.node, path);
    } catch (error) {
      if (!(error instanceof ChannelRefused)) throw error;
      return openExecReader((request) => this.exec(request), this.node, path);
    }
  }

  append(request: AppendRequest): Promise<void> {
    return appendByExec((each) => this.exec(each), this.node, request);
  }

  get oldAlgorithms(): readonly string[] {
    return this.link.oldAlgorithms;
  }

  get hostKey(): string | undefined {
    return this.link.hostKey?.toString('base64');
  }

  /** An interactive shell of the login user. */
  async shell(size: TerminalSize, term = 'xterm-256color', signal?: AbortSignal): Promise<Terminal> {
    const transport = await this.link.connect(signal);
    const channel = await transport.shell(size, term);
    // A terminal has one stream, but what nobody reads would hold the shell up.
    channel.stderr.resume();
    return {
      stream: channel,
      resize: ({ columns, rows }) => {
        channel.setWindow(rows, columns, 0, 0);
      },
      closed: new Promise((resolve) => {
        channel.once('close', (code?: number | null) => {
          resolve(code ?? null);
        });
        transport.onLost(() => {
          resolve(null);
        });
      }),
      close: () => {
        channel.close();
      },
    };
  }

  close(): Promise<void> {
    this.link.close();
    return Promise.resolve();
  }

  private async open(elevation: Elevation, signal: AbortSignal | undefined): Promise<Pipe> {
    try {
      return await this.start(bootstrapCommand(elevation), signal);
    } catch (error) {
      throw error instanceof ChannelRefused ? new NoRoom(error.message, { cause: error }) : error;
    }
  }

  // A link that turns out dead before anything was sent is replaced once; nothing can have happened yet.
  private async start(command: string, signal: AbortSignal | undefined): Promise<Pipe> {
    const transport = await this.link.connect(signal);
    try {
      return await transport.exec(command);
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
      return (await this.link.connect(signal)).exec(command);
    }
  }
}
