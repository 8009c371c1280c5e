import { spawn, type ChildProcess } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import type { NodeModel } from '../../cluster/model';
import type { Realm } from './auth';
import { Runner } from '../exec/become';
import { bootstrapArgv, type Elevation } from '../exec/command';
import type { AppendRequest, Asker, ExecRequest, ExecResult, NodeConnection } from '../connection';
import type { Secrets } from '../secrets';
import type { Ending, Pipe } from '../exec/session';
import { appendOffset, noSuchFile } from '../errors';
import { deferred } from '../deferred';

/** What a child of ours gets of our environment, besides `XDG_…`: what a login on a node would give it, not our own affairs. */
const INHERITED = new Set(['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TMPDIR', 'TZ', 'USER']);

export interface LocalOptions {
  readonly node: Pick<NodeModel, 'name' | 'become'>;
  readonly asker: Asker;
  readonly secrets: Secrets;
  /** Absent: a password is never kept. */
  readonly realm?: Realm;
}

/** This machine as a node (`"connection": "local"`): the same bootstrap in a child process, no SSH. */
export class LocalConnection implements NodeConnection {
  readonly node: string;
  private readonly runner: Runner;

  constructor({ node, asker, secrets, realm }: LocalOptions) {
    this.node = node.name;
    const user = process.getuid?.() === 0 ? 'root' : userInfo().username;
    const target = realm && { ...realm, host: 'localhost', port: 0, user };
    const identity = {
      node: node.name,
      user,
      become: node.become,
      purpose: `become local ${user}`,
      target: () => target,
    };
    this.runner = new Runner(identity, asker, secrets, (elevation) => start(node.name, elevation));
  }

  exec(request: ExecRequest): Promise<ExecResult> {
    return this.runner.run(request);
  }

  async openReader(path: string, signal?: AbortSignal): Promise<RandomReader> {
    signal?.throwIfAborted();
    const file = await open(atHome(path), 'r').catch((error: unknown) => {
      throw noSuchFile(this.node, path, error);
    });
    const { size } = await file.stat();
    return {
      size,
      read: async (offset, length) => {
        const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
        let filled = 0;
        while (filled < buffer.length) {
          const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return buffer.subarray(0, filled);
      },
      close: () => file.close(),
    };
  }

  async append(request: AppendRequest): Promise<void> {
    const path = atHome(request.path);
    const { size } = request.offset === 0 ? await stat(path).catch(() => ({ size: 0 })) : await this.sizeOf(path);
    if (size !== request.offset) throw appendOffset(this.node, request.path, request.offset, size);
    const file = await open(path, 'a', 0o600).catch((error: unknown) => {
      throw noSuchFile(this.node, path, error);
    });
    try {
      let written = 0;
      for await (const chunk of request.source) {
        request.signal?.throwIfAborted();
        await file.writeFile(chunk).catch((error: unknown) => {
          throw cannotWrite(this.node, request.path, error);
        });
        written += chunk.length;
        request.onProgress?.(written);
      }
    } finally {
      await file.close();
    }
  }

  close(): Promise<void> {
    this.runner.close();
    return Promise.resolve();
  }

  private async sizeOf(path: string): Promise<{ size: number }> {
    return stat(path).catch((error: unknown) => {
      throw noSuchFile(this.node, path, error);
    });
  }
}

function atHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

function cannotWrite(node: string, path: string, cause: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'append-failed',
    message: `${path} on ${node} cannot be written: ${messageOf(cause)}`,
    hint: 'Look at the free space and the permissions there.',
    exit: ExitStatus.failed,
    node,
    cause,
  });
}

// In a session of its own, so that Ctrl-C in our terminal does not reach it: as on any other node.
function start(node: string, elevation: Elevation): Promise<Pipe> {
  const [program = 'env', ...args] = bootstrapArgv(elevation);
  const child = spawn(program, args, { stdio: 'pipe', detached: true, cwd: homedir(), env: environment() });
  const ended = deferred<Ending>();
  child.once('error', (error) => {
    ended.reject(noShell(node, error));
  });
  child.once('close', (code, signal) => {
    ended.resolve({ code, signal: signal ?? undefined });
  });
  return Promise.resolve({
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: ended.promise,
    abandon: () => {
      release(child);
    },
    rest: (rests) => {
      // Pipes are sockets, which the types do not say.
      for (const each of [child, child.stdin, child.stdout, child.stderr] as unknown as NodeJS.RefCounted[])
        if (rests) each.unref();
        else each.ref();
    },
  });
}

function noShell(node: string, cause: Error): ClusterliftError {
  return new ClusterliftError({
    code: 'local-shell',
    message: `${node} is this machine, and it has no POSIX shell to run commands with: ${cause.message}`,
    hint: 'Reach the node by SSH, or run Clusterlift on the node itself.',
    exit: ExitStatus.refused,
    node,
    cause,
  });
}

function release(child: ChildProcess): void {
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

function environment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (INHERITED.has(entry[0]) || entry[0].startsWith('XDG_')),
  );
  return Object.fromEntries(entries);
}
