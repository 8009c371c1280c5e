import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, ExecOptions, SFTPWrapper } from 'ssh2';
import { within } from '../../base/async';
import { type Deferred, deferred } from '../deferred';
import type { KeyOffer } from './keys';
import type { Ending, Pipe } from '../exec/session';
import { linkLost } from '../errors';

/** The server opens no further channel (MaxSessions, or forwarding is forbidden); the link itself is fine. */
export class ChannelRefused extends Error {}

/** The link was gone before anything was sent: it is safe to try again on a new one. */
export class NotConnected extends Error {}

/** Milliseconds for the server to open a channel. */
const CHANNEL_DEADLINE = 60_000;

/** A callback in the way of Node. */
interface Done<T> {
  (error: undefined, value: T): void;
  (error: Error | undefined, value?: T): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** How we got in: what another machine needs to do the same. */
export interface Handshake {
  /** Blob of the host key that was verified. */
  readonly hostKey: Buffer;
  /** The key that alone let us in. */
  readonly key: KeyOffer | undefined;
  /** Algorithms that this connection uses only because the user's ssh_config allows them for this host. */
  readonly oldAlgorithms: readonly string[];
}

/** One living SSH connection. Whatever is under way when it dies rejects with `link-lost`; nothing waits for ever. */
export class Transport {
  private readonly watchers = new Set<(cause: Error) => void>();
  private over = false;
  private sftpSession: Promise<SFTPWrapper> | undefined;

  /** @param client after its `ready` */
  constructor(
    private readonly node: string,
    private readonly client: Client,
    readonly handshake: Handshake,
  ) {
    client.on('error', (error: Error & { level?: string }) => {
      if (error.level !== 'agent') this.lose(error);
    });
    const closed = (): void => {
      this.lose(new Error('the connection was closed'));
    };
    client.on('end', closed).on('close', closed);
  }

  /**
   * Calls back once, with the reason, when the link is gone; not if it is gone already.
   * (No promise: a link lives for gigabytes of calls, and each would stay hooked to it, with its data.)
   * @returns what takes the watcher off again
   */
  onLost(watcher: (cause: Error) => void): () => void {
    this.watchers.add(watcher);
    return () => {
      this.watchers.delete(watcher);
    };
  }

  get alive(): boolean {
    return !this.over;
  }

  /** Says goodbye. */
  end(): void {
    this.client.end();
    this.lose(new Error('we closed the connection'));
  }

  /**
   * @param agentForward the command finds the agent that the connection was made with
   * @throws NotConnected, ChannelRefused, ClusterliftError `link-lost`
   */
  exec(command: string, agentForward = false): Promise<Pipe> {
    // The types of ssh2 do not know the option.
    return this.request<Pipe>('a command', (done) =>
      this.client.exec(command, { agentForward } as ExecOptions, (error, channel) => {
        // Listens at once: the exit status may come in the same packet as the channel.
        if (error) done(error, undefined);
        else done(undefined, this.pipe(channel));
      }),
    );
  }

  /**
   * A stream to another server, as seen from this one.
   * @param ms for the TCP connection there
   */
  forward(host: string, port: number, ms: number): Promise<Duplex> {
    const send = (done: (error: Error | undefined, channel: Duplex) => void): unknown =>
      this.client.forwardOut('127.0.0.1', 0, host, port, done);
    return within(
      ms,
      this.request<Duplex>(`connecting to ${host}`, send),
      () => new ChannelRefused('it does not answer'),
    );
  }

  shell(size: TerminalSize, term: string): Promise<ClientChannel> {
    const pty = { term, cols: size.columns, rows: size.rows };
    return this.request<ClientChannel>('opening a terminal', (done) => this.client.shell(pty, done));
  }

  /** One for all readers of this link. */
  sftp(): Promise<SFTPWrapper> {
    this.sftpSession ??= this.request<SFTPWrapper>('opening SFTP', (done) => this.client.sftp(done)).then((sftp) => {
      const forget = (): void => {
        this.sftpSession = undefined;
      };
      sftp.on('close', forget);
      sftp.on('error', forget);
      return sftp;
    });
    this.sftpSession.catch(() => {
      this.sftpSession = undefined;
    });
    return this.sftpSession;
  }

  /** Races work that ssh2 may never call back against the end of the link. */
  guard<T>(what: string, work: (settle: Deferred<T>) => void): Promise<T> {
    const result = deferred<T>();
    const off = this.onLost((cause) => {
      result.reject(linkLost(this.node, what, cause));
    });
    result.promise.then(off, off);
    if (this.over) result.reject(linkLost(this.node, what));
    else work(result);
    return result.promise;
  }

  private request<T>(what: string, send: (done: Done<T>) => unknown): Promise<T> {
    if (this.over) return Promise.reject(new NotConnected());
    const work = this.guard<T>(what, (result) => {
      try {
        send((error, value?: T) => {
          if (error) result.reject(new ChannelRefused(error.message, { cause: error }));
          else result.resolve(value as T);
        });
      } catch (error) {
        // ssh2 throws `Not connected` before it has sent anything.
        result.reject(new NotConnected());
        this.lose(error instanceof Error ? error : new Error(String(error)));
      }
    });
    // A server that keeps the link alive but never opens the channel.
    return within(CHANNEL_DEADLINE, work, () => linkLost(this.node, what, new Error('no answer')));
  }

  private lose(cause: Error): void {
    if (this.over) return;
    this.over = true;
    for (const watcher of this.watchers) watcher(cause);
    this.watchers.clear();
    this.client.destroy();
  }

  private pipe(channel: ClientChannel): Pipe {
    const ended = deferred<Ending>();
    let exit: Ending | undefined;
    channel.on('exit', (code: number | null, signal?: string) => {
      exit = { code, signal };
    });
    channel.on('close', () => {
      if (this.over) return; // the watcher below tells why
      if (exit) ended.resolve(exit);
      else ended.reject(linkLost(this.node, 'a command', new Error('its session ended without an exit status')));
    });
    channel.on('error', () => undefined);
    const off = this.onLost((cause) => {
      ended.reject(linkLost(this.node, 'a command', cause));
    });
    ended.promise.then(off, off);
    return {
      stdin: channel,
      stdout: channel,
      stderr: channel.stderr,
      ended: ended.promise,
      abandon: () => {
        channel.close();
        channel.resume();
        channel.stderr.resume();
        ended.reject(linkLost(this.node, 'a command'));
      },
    };
  }
}
