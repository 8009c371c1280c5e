import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sleep } from '../../src/base/async';
import { type Output, output } from './tools';

const INIT = resolve(__dirname, 'systemd-init.sh');
const SYSTEMD = '/lib/systemd/systemd';
/** The hierarchy that systemd keeps for itself (cgroup v1 and hybrid), or the only one (v2). */
const HIERARCHY = existsSync('/sys/fs/cgroup/systemd') ? '/sys/fs/cgroup/systemd' : '/sys/fs/cgroup';

/** Why systemd cannot run as a guest here; undefined: it can. */
export function whyNoSystemd(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a systemd of its own needs root on Linux';
  if (!existsSync(SYSTEMD)) return 'a systemd of its own needs the package systemd';
  return spawnSync('unshare', ['--help']).status === 0 ? undefined : 'a systemd of its own needs unshare';
}

/** A machine without network whose PID 1 is a real systemd, on a copy of this file system. */
export class SystemdMachine {
  private constructor(
    private readonly child: ChildProcess,
    private readonly pid: number,
    private readonly dir: string,
    private readonly cgroup: string,
  ) {}

  /** Boots it; throws when it does not come up within 30 s. */
  static async start(): Promise<SystemdMachine> {
    const dir = await mkdtemp(join(tmpdir(), 'clusterlift-systemd-'));
    const cgroup = join(HIERARCHY, `clusterlift-test-${String(process.pid)}`);
    await mkdir(cgroup, { recursive: true });
    await mkdir(join(dir, 'machine'));
    const namespaces = ['--mount', '--pid', '--fork', '--uts', '--ipc', '--cgroup', '--net', '--kill-child'];
    const enter = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"';
    const child = spawn(
      '/bin/sh',
      ['-c', enter, 'sh', cgroup, 'unshare', ...namespaces, '/bin/sh', INIT, join(dir, 'machine'), cgroup],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    );
    let failure = '';
    child.stderr.on('data', (chunk: Buffer) => (failure += chunk.toString()));
    for (let tries = 0; tries < 300; tries++) {
      const pid = childOf(child.pid ?? 0);
      if (pid !== undefined) {
        const machine = new SystemdMachine(child, pid, dir, cgroup);
        if ((await machine.run('systemctl', ['is-active', 'lab.target'])).stdout === 'active\n') return machine;
      }
      if (child.exitCode !== null) break;
      await sleep(100);
    }
    child.kill('SIGKILL');
    throw new Error(`systemd did not come up: ${failure}`);
  }

  /** The words that run a command inside. */
  get entry(): string[] {
    return ['nsenter', '-t', String(this.pid), '-m', '-p', '-u', '-i', '-C', '-n', '-r', '-w', '--'];
  }

  run(program: string, args: readonly string[]): Promise<Output> {
    const [nsenter = '', ...rest] = this.entry;
    return output(nsenter, [...rest, program, ...args], { timeout: 60_000 });
  }

  /** A directory with a `sh` that runs inside: put it first in PATH to make the machine a local node. */
  async shim(): Promise<string> {
    const bin = join(this.dir, 'bin');
    await mkdir(bin, { recursive: true });
    const text = `#!/bin/sh\nexec /usr/bin/${this.entry.join(' ')} /bin/sh "$@"\n`;
    await writeFile(join(bin, 'sh'), text, { mode: 0o755 });
    return bin;
  }

  async stop(): Promise<void> {
    const ended = this.child.exitCode === null && this.child.signalCode === null ? once(this.child, 'exit') : undefined;
    process.kill(this.pid, 'SIGKILL');
    await ended;
    for (let tries = 0; tries < 50 && existsSync(this.cgroup); tries++) {
      await removeCgroup(this.cgroup).catch(() => sleep(100));
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** The process that unshare forked: PID 1 of the machine, once it is systemd. */
function childOf(parent: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(ppid) === parent && stat.includes('(systemd)')) return Number(name);
    } catch {
      // it ended meanwhile
    }
  }
  return undefined;
}

async function removeCgroup(dir: string): Promise<void> {
  for (const each of await readdir(dir, { withFileTypes: true })) {
    if (each.isDirectory()) await removeCgroup(join(dir, each.name));
  }
  await rmdir(dir);
}
