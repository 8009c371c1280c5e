import { randomBytes } from 'node:crypto';
import { within } from '../../base/async';
import type { ExecRequest, ExecResult } from '../connection';
import { noChannel } from '../errors';
import { payload, refuseNul, type Elevation } from './command';
import { requestLines, SERVING } from './serve';
import { converse, NotStarted, type Pipe } from './session';
import { Slots } from '../slots';

/** sshd allows 10 sessions a connection (MaxSessions); SFTP and a terminal want one, too. */
const SHELLS = 4;
/** Milliseconds for an idle shell to end. */
const END_DEADLINE = 5_000;

/** No further channel can be opened while the others are in use; `cause` says what the server answered. */
export class NoRoom extends Error {}

/** Starts the bootstrap on the node. @throws NoRoom */
export type Opener = (elevation: Elevation, signal: AbortSignal | undefined) => Promise<Pipe>;

/** How a shell becomes root. */
export interface Way {
  readonly elevation: Elevation;
  readonly password: { readonly prompt: string; readonly value: string } | undefined;
  /** The script has begun. */
  readonly onReady: () => void;
}

/** A bootstrap on the node that serves requests. */
interface Shell {
  readonly pipe: Pipe;
  /** Root's, by whatever way, or the login user's. */
  readonly isRoot: boolean;
  /** Texts that it has, with their names there. */
  readonly known: Map<string, string>;
  over: boolean;
}

/**
 * The shells of one connection. A request without stdin takes an idle one, or leaves a new one to the next request: the
 * login shell of the user, sudo and their files run once. A request with stdin has a shell of its own; so scripts of
 * packages always have.
 */
export class Shells {
  private readonly slots = new Slots(SHELLS);
  private idle: Shell[] = [];

  constructor(
    private readonly node: string,
    private readonly open: Opener,
  ) {}

  /** @throws NotStarted, ClusterliftError as `converse`; `no-session` when not even one can be opened */
  async run(request: ExecRequest, way: Way): Promise<ExecResult> {
    refuseNul(request.script, ...(request.args ?? []));
    for (;;) {
      const release = await this.slots.acquire(request.signal);
      try {
        return await this.serve(request, way);
      } catch (error) {
        if (!(error instanceof NoRoom)) throw error;
        if (await this.endIdle()) continue;
        if (this.slots.active <= 1) throw noChannel(this.node, error.cause);
        this.slots.shrink();
      } finally {
        release();
      }
    }
  }

  /** Ends the idle shells. */
  close(): void {
    for (const { pipe } of this.idle.splice(0)) pipe.stdin.end();
  }

  private async serve(request: ExecRequest, way: Way): Promise<ExecResult> {
    if (request.stdin !== undefined) return this.alone(request, way);
    const isRoot = way.elevation.kind !== 'none';
    const shell = this.take(isRoot);
    if (shell) {
      try {
        return await this.served(shell, request, undefined, way.onReady);
      } catch (error) {
        // It had ended; nothing began. (A server may end sessions that are idle for long.)
        if (!(error instanceof NotStarted)) throw error;
      }
    }
    const pipe = await this.start(way, request.signal);
    const fresh: Shell = { pipe, isRoot, known: new Map(), over: false };
    const ended = (): void => {
      fresh.over = true;
      this.idle = this.idle.filter((each) => each !== fresh);
    };
    pipe.ended.then(ended, ended);
    return this.served(fresh, request, way.password, way.onReady);
  }

  /** A request in a shell that serves; it is idle afterwards, unless it ended. */
  private async served(
    shell: Shell,
    request: ExecRequest,
    password: Way['password'],
    onReady: () => void,
  ): Promise<ExecResult> {
    const { script, args = [] } = request;
    const [mark, endMark] = [newMark(''), newMark('end-')];
    const loop = shell.known.size === 0 ? payload(SERVING, [], newMark('loop-')) : Buffer.alloc(0);
    const lines = requestLines({ script, args, mark, endMark }, shell.known);
    const opening = Buffer.concat([loop, lines]);
    shell.pipe.rest?.(false);
    const result = await converse(shell.pipe, request, { node: this.node, mark, endMark, opening, password, onReady });
    if (!shell.over) this.idle.push(shell);
    shell.pipe.rest?.(true);
    return result;
  }

  /** A request whose shell ends with it. */
  private async alone(request: ExecRequest, way: Way): Promise<ExecResult> {
    const { script, args = [] } = request;
    const { password, onReady } = way;
    const mark = newMark('');
    const opening = payload(script, args, mark);
    const pipe = await this.start(way, request.signal);
    return converse(pipe, request, { node: this.node, mark, opening, password, onReady });
  }

  private async start(way: Way, signal: AbortSignal | undefined): Promise<Pipe> {
    while (this.slots.active + this.idle.length > SHELLS && (await this.endIdle()));
    const pipe = await this.open(way.elevation, signal);
    // A node that ends the process early breaks our pipe; the ending says what happened.
    for (const stream of [pipe.stdin, pipe.stdout, pipe.stderr]) stream.on('error', () => undefined);
    if (signal?.aborted === true) pipe.abandon();
    return pipe;
  }

  private take(isRoot: boolean): Shell | undefined {
    const at = this.idle.findLastIndex((each) => each.isRoot === isRoot);
    return at < 0 ? undefined : this.idle.splice(at, 1)[0];
  }

  /** Makes room for another one. @returns false when none is idle */
  private async endIdle(): Promise<boolean> {
    const shell = this.idle.shift();
    if (!shell) return false;
    shell.pipe.stdin.end();
    await within(END_DEADLINE, shell.pipe.ended, () => new Error('silent')).catch(() => {
      shell.pipe.abandon();
    });
    return true;
  }
}

function newMark(kind: string): string {
  return `clusterlift-${kind}${randomBytes(12).toString('hex')}`;
}
