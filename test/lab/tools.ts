import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { buffer, text } from 'node:stream/consumers';
import { once } from 'node:events';
import { connect } from 'node:net';

export interface Output {
  /** Null when it was ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; a non-zero exit is a result. After `timeout` (ms, a minute) it and its children are killed. */
export async function output(
  program: string,
  args: readonly string[],
  options: { input?: string | Uint8Array; env?: NodeJS.ProcessEnv; cwd?: string; timeout?: number } = {},
): Promise<Output> {
  const child = spawn(program, args, {
    stdio: 'pipe',
    detached: true, // a process group of its own: grandchildren hold the pipes, too
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  const timer = setTimeout(() => {
    killGroup(child.pid);
  }, options.timeout ?? 120_000);
  child.stdin.on('error', () => undefined); // it may end before it has read everything
  child.stdin.end(options.input);
  try {
    const closed = once(child, 'close');
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr), closed]);
    return { code: child.exitCode, stdout: stdout.toString('utf8'), stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Kills a process group that may have ended. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** As `output`, but anything except exit 0 is an error that shows what the program said. */
export async function succeed(program: string, args: readonly string[], input?: string): Promise<string> {
  const result = await output(program, args, input === undefined ? {} : { input });
  if (result.code !== 0) {
    throw new Error(`${program} ${args.join(' ')}: exit ${String(result.code)}\n${result.stderr}${result.stdout}`);
  }
  return result.stdout;
}

/** For clean-up, also at process exit: synchronous, never throws, says whether it worked. */
export function tryNow(program: string, args: readonly string[], input = ''): boolean {
  return spawnSync(program, args, { input, timeout: 60_000, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

/** Start time of a process in clock ticks (proc(5), field 22): with the pid it names one process for ever. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Runs, or at least is more than a zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** One word for sh. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Does a server speak first at this address within so many milliseconds? */
export function answers(host: string, port: number, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    const timer = setTimeout(() => {
      end(false);
    }, ms);
    socket.once('data', () => {
      end(true);
    });
    socket.on('error', () => {
      end(false);
    });
    socket.once('close', () => {
      clearTimeout(timer);
    });
  });
}
