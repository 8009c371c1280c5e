import { readFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { wallClock } from './clock';

/**
 * Who a process is, so that a number used again by another process is not taken for it:
 * pid, its start time, and the boot it belongs to.
 */
export interface ProcessIdentity {
  readonly host: string;
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks since boot (`/proc/PID/stat` field 22, proc(5)); empty where there is no /proc. */
  readonly pidStart: string;
}

/** Identity of this process. */
export function self(): ProcessIdentity {
  return { host: hostname(), bootId: bootId(), pid: process.pid, pidStart: startOf(process.pid) };
}

/**
 * Does that process live? Only sure about processes of this machine; `unknown` for any other.
 */
export function liveness(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  if (identity.host !== hostname()) return 'unknown';
  if (identity.bootId !== bootId()) return 'dead';
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'dead';
  }
  const start = startOf(identity.pid);
  if (start === '' && identity.pidStart !== '') return 'dead';
  return start === identity.pidStart ? 'alive' : 'dead';
}

/** Linux's boot id; elsewhere the time of boot, rounded to a minute. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `booted-${String(Math.round((wallClock() / 1000 - uptime()) / 60))}`;
  }
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended: it only waits to be collected.
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
