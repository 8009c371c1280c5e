import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

/** How one command went. */
export interface Measured {
  readonly ms: number;
  /** Highest resident memory, bytes; undefined where /proc does not tell. */
  readonly peak: number | undefined;
  readonly stdout: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds; then it is killed and the measurement fails. Default ten minutes. */
  readonly deadline?: number;
}

/** Runs a command once; anything but exit 0 is an error with what it said. */
export async function measure(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Measured> {
  const start = performance.now();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4_000)));
  let peak: number | undefined;
  const look = setInterval(() => (peak = highWater(child.pid) ?? peak), 50);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.deadline ?? 600_000);
  try {
    const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
    const ms = performance.now() - start;
    if (code !== 0) {
      throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}\n${stdout.slice(-4_000)}\n${stderr}`);
    }
    return { ms, peak, stdout };
  } finally {
    clearInterval(look);
    clearTimeout(timer);
  }
}

/** The kernel keeps the highest resident size of a process itself: a late look misses nothing but the last moments. */
function highWater(pid: number | undefined): number | undefined {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new Error('the median of nothing');
  return (low + high) / 2;
}

/** How often each figure is taken; `BENCH_ROUNDS` for a quick look. */
export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);

/** Runs all in turns, so that a busy moment of the machine meets each of them; gives each one's median (ms). */
export async function inTurns(
  rounds: number,
  contestants: Readonly<Record<string, () => Promise<number>>>,
): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, once] of Object.entries(contestants)) (times[name] ??= []).push(await once());
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

/** What the figures were made on: without it they say nothing. */
export function machine(): string {
  const [first] = cpus();
  return `${String(cpus().length)} × ${first?.model ?? 'unknown'}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? '?'}`;
}
