import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { sleep, within } from '../../src/base/async';
import { hostKey } from './userland';
import { type Output, answers, isAlive, output, quote, succeed } from './tools';

export interface NodePlace {
  readonly name: string;
  readonly host: string;
  /** Where its overlay, boot id and console log lie on this machine. */
  readonly dir: string;
  readonly namespace: string;
  /** This machine's end of its cable. */
  readonly link: string;
  readonly bridge: string;
  readonly gateway: string;
  readonly prefix: number;
  readonly keyFile: string;
  /** Reached only through the other nodes: it does not know the way to this machine. */
  readonly jumpOnly: boolean;
}

export interface NodeProcess {
  /** As this machine counts. */
  readonly pid: number;
  readonly argv: readonly string[];
}

/** Relative to the root; bound over the kernel's. */
const BOOT_ID = 'etc/lab-boot-id';

/** One real machine as far as SSH, shell, files and network can tell. */
export class LabNode {
  readonly name: string;
  readonly host: string;
  readonly port = 22;
  /** Opens root and every user of this node that has not `key: false`. */
  readonly keyFile: string;
  /** What a reboot that the node asks for does: how long until it is back (ms), or `undefined` for never. */
  backAfter: number | undefined = 300;
  /** How often it booted, the first time included. */
  boots = 0;

  readonly #place: NodePlace;
  #life: ChildProcess | undefined;
  #pid = 0;
  #over = false;
  #cut = false;
  #moving: Promise<void> = Promise.resolve();

  constructor(place: NodePlace) {
    this.#place = place;
    this.name = place.name;
    this.host = place.host;
    this.keyFile = place.keyFile;
  }

  get running(): boolean {
    return this.#life !== undefined;
  }

  get root(): string {
    return join(this.#place.dir, 'root');
  }

  /** Runs a shell command as root on the node itself, without SSH: to look, not to test. Works on a crashed node, too. */
  run(command: string, options: { input?: string | Uint8Array; timeout?: number } = {}): Promise<Output> {
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C' };
    const shell = ['/bin/sh', '-c', command];
    return this.running
      ? output('nsenter', ['-t', String(this.#pid), '-m', '-u', '-n', '-p', '--', ...shell], { ...options, env })
      : output('chroot', [this.root, ...shell], { ...options, env });
  }

  /** As `run`, but a non-zero exit is an error; gives stdout. */
  async must(command: string, input?: string | Uint8Array): Promise<string> {
    const result = await this.run(command, input === undefined ? {} : { input });
    if (result.code !== 0) throw new Error(`${this.name}: ${command}: exit ${String(result.code)}\n${result.stderr}`);
    return result.stdout;
  }

  /** Writes a file as root, with its parent directories. */
  async writeFile(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    const file = quote(path);
    await this.must(`mkdir -p "$(dirname ${file})" && cat > ${file} && chmod ${mode.toString(8)} ${file}`, content);
  }

  readFile(path: string): Promise<string> {
    return this.must(`cat ${quote(path)}`);
  }

  async exists(path: string): Promise<boolean> {
    return (await this.run(`test -e ${quote(path)} || test -L ${quote(path)}`)).code === 0;
  }

  /** Power on. Resolves when sshd listens. */
  boot(): Promise<void> {
    return this.#next(() => this.#boot());
  }

  /** Power loss: everything dies at once and nobody is told; connections hang. `boot` starts it again. */
  crash(): Promise<void> {
    return this.#next(async () => {
      // Without cable and namespace no socket can say goodbye, neither now nor after the next boot.
      await this.#ip('link', 'delete', this.#place.link);
      this.#cut = false;
      await this.#kill();
      await this.#ip('netns', 'delete', this.#place.namespace);
    });
  }

  /** An orderly reboot: connections are closed, all processes end, a new boot id. Resolves when it is back, or off for ever. */
  reboot(backAfter: number | undefined = this.backAfter): Promise<void> {
    if (backAfter === undefined) return this.#off();
    return this.#next(async () => {
      await this.#kill();
      await sleep(backAfter);
      await this.#boot();
    });
  }

  /** An orderly end: connections are closed, nothing comes back. */
  #off(): Promise<void> {
    return this.#next(() => this.#kill());
  }

  /** Resolves when no boot, crash or reboot is under way. */
  settled(): Promise<void> {
    return this.#moving;
  }

  /** For the end of the lab: synchronous, so that it also works at process exit. */
  killNow(): void {
    this.#over = true;
    const life = this.#life;
    this.#life = undefined;
    life?.removeAllListeners();
    life?.kill('SIGKILL');
  }

  /** Pulls the cable. Nothing is closed; packets just no longer arrive. */
  cutLink(): Promise<void> {
    this.#cut = true;
    return this.#ip('link', 'set', this.#place.link, 'down');
  }

  restoreLink(): Promise<void> {
    this.#cut = false;
    return this.#ip('link', 'set', this.#place.link, 'up');
  }

  /** Limits what the node receives (kbit/s), and what it sends; without a rate, no limit. */
  async slow(rateKbit?: number): Promise<void> {
    for (const [prefix, device] of [
      [[], this.#place.link],
      [['-n', this.#place.namespace], 'eth0'],
    ] as const) {
      const args =
        rateKbit === undefined
          ? ['qdisc', 'del', 'dev', device, 'root']
          : [
              'qdisc',
              'replace',
              'dev',
              device,
              'root',
              'tbf',
              'rate',
              `${String(rateKbit)}kbit`,
              'burst',
              '32kb',
              'latency',
              '200ms',
            ];
      await output('tc', [...prefix, ...args]);
    }
  }

  /** sshd and its sessions stand still: connections are open, nothing answers. */
  suspendSshd(): void {
    for (const pid of this.#sshd()) process.kill(pid, 'SIGSTOP');
  }

  resumeSshd(): void {
    for (const pid of this.#sshd()) process.kill(pid, 'SIGCONT');
  }

  /** Ends sshd and all its sessions; jobs that left their session go on. */
  async stopSshd(): Promise<void> {
    for (let left = this.#sshd(); left.length > 0; left = this.#sshd()) {
      for (const pid of left) process.kill(pid, 'SIGKILL');
      await sleep(10);
    }
  }

  async startSshd(): Promise<void> {
    await this.must('/usr/sbin/sshd -f /etc/ssh/sshd_lab_config -E /var/log/sshd.log');
  }

  /** Every SSH session of the node ends; jobs that left their session go on. */
  async restartSshd(): Promise<void> {
    await this.stopSshd();
    await this.startSshd();
  }

  /** New host keys, as after a reinstallation; in use at once. */
  async rekeyHost(): Promise<void> {
    await Promise.all(['ed25519', 'ecdsa'].map((type) => hostKey(this.root, type)));
    if (this.running) await this.restartSshd();
  }

  /** Lines for known_hosts. */
  async hostKeys(): Promise<string[]> {
    const files = ['ed25519', 'ecdsa'].map((type) => join(this.root, `etc/ssh/ssh_host_${type}_key.pub`));
    const keys = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    return keys.map((key) => `${this.host} ${key.trim().split(' ').slice(0, 2).join(' ')}`);
  }

  /** The node's `date` is off by so many seconds (file times are not). */
  async setClockSkew(seconds: number): Promise<void> {
    const script = [
      '#!/bin/sh',
      `skew=${String(seconds)}`,
      'now=$(/usr/lib/lab-date +%s)',
      'exec /usr/lib/lab-date -d "@$((now + skew))" "$@"',
      '',
    ].join('\n');
    // The original may be busybox, which must be called by the name of its applet.
    await this.must(
      `if [ ! -e /usr/lib/lab-date ]; then
      if [ -L /usr/bin/date ]; then printf '#!/bin/sh\\nexec busybox date "$@"\\n' > /usr/lib/lab-date; chmod 755 /usr/lib/lab-date
      else cp /usr/bin/date /usr/lib/lab-date; fi; fi; rm -f /usr/bin/date; cat > /usr/bin/date; chmod 755 /usr/bin/date`,
      script,
    );
  }

  /** All processes of the node with their arguments, as anybody on the node could see them. */
  processes(): NodeProcess[] {
    if (!this.running) return [];
    const space = readlinkSync(`/proc/${String(this.#pid)}/ns/pid`);
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        if (readlinkSync(`/proc/${name}/ns/pid`) !== space) return [];
        return [{ pid: Number(name), argv: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1) }];
      } catch {
        return []; // it ended meanwhile
      }
    });
  }

  #sshd(): number[] {
    return this.processes().flatMap(({ pid }) => {
      try {
        return basename(readlinkSync(`/proc/${String(pid)}/exe`)).startsWith('sshd') ? [pid] : [];
      } catch {
        return [];
      }
    });
  }

  /** Until sshd answers over the network, or the node is gone. */
  async #reached(): Promise<void> {
    while (this.running && !(await answers(this.host, this.port, 1000))) await sleep(20);
  }

  async #gone(pid: number): Promise<void> {
    while (isAlive(pid)) await sleep(2);
  }

  /** One after the other: a boot never overtakes the crash before it. */
  #next(work: () => Promise<void>): Promise<void> {
    const done = this.#moving.then(work, work);
    this.#moving = done.catch(() => undefined);
    return done;
  }

  async #boot(): Promise<void> {
    if (this.#over) return;
    if (this.running) throw new Error(`${this.name} is running already`);
    const place = this.#place;
    await this.#connect();
    await writeFile(join(this.root, BOOT_ID), `${randomUUID()}\n`);
    const life = spawn(
      'setpriv',
      // The node dies with this process, however that ends.
      ['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${place.namespace}`]
        .concat(['unshare', '--mount', '--uts', '--pid', '--ipc', '--fork', '--kill-child'])
        .concat(['sh', join(__dirname, 'init.sh'), this.root, BOOT_ID, this.name]),
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } },
    );
    this.#life = life;
    let said = '';
    const ready = new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said = (said + chunk.toString()).slice(-4000);
        if (said.includes('lab:ready')) resolve();
        // The command itself returns first, as with systemd.
        if (chunk.includes('lab:reboot')) void sleep(100).then(() => this.reboot());
        if (chunk.includes('lab:poweroff')) void sleep(100).then(() => this.#off());
      };
      life.stdout.on('data', hear);
      life.stderr.on('data', hear);
      life.once('close', () => {
        if (this.#life === life) this.#life = undefined;
        reject(new Error(`${this.name} did not boot:\n${said}`));
      });
    });
    await within(60_000, ready, () => new Error(`${this.name} did not boot in time:\n${said}`));
    this.#pid = Number(readFileSync(`/proc/${String(life.pid)}/task/${String(life.pid)}/children`, 'utf8').trim());
    // A new cable carries nothing for a moment.
    if (!place.jumpOnly && !this.#cut)
      await within(60_000, this.#reached(), () => new Error(`${this.name} does not answer`));
    this.boots += 1;
  }

  async #kill(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    const closed = once(life, 'close');
    life.kill('SIGKILL');
    await closed;
    // PID 1 closes its files before the kernel has ended the rest of its namespace.
    await within(60_000, this.#gone(this.#pid), () => new Error(`${this.name} has processes that cannot be killed`));
    this.#life = undefined;
  }

  /** The cable: a veth pair from the bridge into the node's own network namespace. */
  async #connect(): Promise<void> {
    const { namespace, link, bridge, host, prefix, gateway, jumpOnly } = this.#place;
    const exists = (await output('ip', ['netns', 'pids', namespace])).code === 0;
    if (exists) return;
    await this.#ip('netns', 'add', namespace);
    // The same one after each boot, so that nobody waits for a neighbour entry to age.
    const mac = `02:00:${host
      .split('.')
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join(':')}`;
    await succeed(
      'ip',
      ['-batch', '-'],
      `link add ${link} type veth peer name eth0 address ${mac} netns ${namespace}\nlink set ${link} master ${bridge} up\n`,
    );
    const routes = jumpOnly ? `route add blackhole ${gateway}/32\n` : '';
    await succeed(
      'ip',
      ['-n', namespace, '-batch', '-'],
      `addr add ${host}/${String(prefix)} dev eth0\nlink set eth0 up\nlink set lo up\n${routes}`,
    );
  }

  async #ip(...args: string[]): Promise<void> {
    await succeed('ip', args);
  }
}
