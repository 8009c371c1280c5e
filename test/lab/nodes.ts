import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LabNode } from './node';
import { type Slot, claimSlot, namespaceOf, releaseSlot, sweep } from './slots';
import { output, succeed } from './tools';
import { type Tools, type UserSpec, furnish, hideHost } from './userland';

export interface NodeSpec {
  /** Default: `n1`, `n2`, … */
  readonly name?: string;
  readonly users?: readonly UserSpec[];
  /** Lines for sshd_config; they beat the lab's own. */
  readonly sshdConfig?: readonly string[];
  readonly tools?: Tools;
  /** Commands that the node does not have. */
  readonly without?: readonly string[];
  /** The state directory of root is a file system of its own with so little space. */
  readonly stateDirTmpfsMb?: number;
  /** Opens root and all users, besides the lab's own key. */
  readonly authorizedKey?: string;
  /** Reached only through the other nodes. */
  readonly jumpOnly?: boolean;
}

export interface LabOptions {
  readonly nodes: readonly NodeSpec[];
}

/** A cluster as `clusters.json` writes it; tests change what they like. */
export type ClusterJson = Record<string, unknown> & { nodes: Record<string, unknown>[] };
export interface ClustersJson {
  clusters: Record<string, ClusterJson>;
  backupLocations: Record<string, string>;
}

const REPOSITORY = resolve(__dirname, '../..');
const PREFIX = 24;

/** Why real nodes cannot be made on this machine; undefined: they can. */
export function whyNoLab(): string | undefined {
  if (process.platform !== 'linux') return 'real nodes need Linux';
  if (process.getuid?.() !== 0) return 'real nodes need root';
  for (const tool of ['/usr/sbin/sshd', 'ip', 'unshare', 'nsenter', 'setpriv', 'setfattr', 'busybox', 'ssh-keygen']) {
    if (spawnSync('sh', ['-c', 'command -v "$1"', 'sh', tool]).status !== 0) return `real nodes need ${tool}`;
  }
  return undefined;
}

/** Some real Debian machines with real OpenSSH servers on a network of their own, made in well under a second each. */
export class Lab {
  readonly nodes: readonly LabNode[];
  /** This machine, as the nodes see it. */
  readonly address: string;
  /** Private key that opens every node. */
  readonly keyFile: string;
  /** The home of whoever upgrades this cluster; the real one stays untouched. */
  readonly home: string;
  /** For files of the test; gone with the lab. */
  readonly dir: string;
  readonly #slot: Slot;
  readonly #atExit = (): void => {
    this.#release();
  };
  #stopped = false;

  private constructor(slot: Slot, nodes: readonly LabNode[]) {
    this.#slot = slot;
    this.nodes = nodes;
    this.address = `${slot.subnet}.1`;
    this.keyFile = join(slot.dir, 'key');
    this.home = join(slot.dir, 'home');
    this.dir = join(slot.dir, 'files');
    process.once('exit', this.#atExit);
  }

  /** Makes and boots the nodes; throws when this machine cannot (`whyNoLab`). */
  static async start(options: LabOptions): Promise<Lab> {
    const reason = whyNoLab();
    if (reason !== undefined) throw new Error(reason);
    sweep();
    const slot = claimSlot();
    const specs = options.nodes.map((spec, index) => ({ ...spec, name: spec.name ?? `n${String(index + 1)}` }));
    const nodes = specs.map(
      (spec, index) =>
        new LabNode({
          name: spec.name,
          host: hostOf(slot, index),
          dir: join(slot.dir, spec.name),
          namespace: namespaceOf(slot, index + 1),
          link: namespaceOf(slot, index + 1),
          bridge: slot.bridge,
          gateway: `${slot.subnet}.1`,
          prefix: PREFIX,
          keyFile: join(slot.dir, 'key'),
          jumpOnly: spec.jumpOnly ?? false,
        }),
    );
    const lab = new Lab(slot, nodes);
    try {
      await lab.#prepare();
      await Promise.all(specs.map((spec) => lab.#install(spec, lab.node(spec.name), specs)));
      await lab.trustHostKeys();
    } catch (error) {
      await lab.stop();
      throw error;
    }
    return lab;
  }

  /** The node of that name. */
  node(name: string): LabNode {
    const found = this.nodes.find((each) => each.name === name);
    if (found === undefined) throw new Error(`the lab has no node ${name}`);
    return found;
  }

  /** Shapes what this machine sends into the lab, all nodes together, like a slow uplink; the nodes among themselves stay fast. */
  async uplink(rateMbit?: number, latencyMs = 100): Promise<void> {
    const device = ['dev', this.#slot.bridge, 'root'];
    const limit = ['tbf', 'rate', `${String(rateMbit)}mbit`, 'burst', '256kb', 'latency', `${String(latencyMs)}ms`];
    await output(
      'tc',
      rateMbit === undefined ? ['qdisc', 'del', ...device] : ['qdisc', 'replace', ...device, ...limit],
    );
  }

  /** Bytes that this machine has sent into the lab, all nodes together. */
  async sentBytes(): Promise<number> {
    return Number(await readFile(`/sys/class/net/${this.#slot.bridge}/statistics/tx_bytes`, 'utf8'));
  }

  /** A `clusters.json` for these nodes: cluster `lab`, user root with the lab's key, unless `overrides` says otherwise. */
  clustersJson(overrides: Partial<ClusterJson> = {}): ClustersJson {
    const nodes = this.nodes.map((node) => ({ name: node.name, host: node.host, identityFile: node.keyFile }));
    return { clusters: { lab: { user: 'root', nodes, ...overrides } }, backupLocations: {} };
  }

  /** Writes it where the command line finds it without `--config`; gives its path. */
  async writeClustersJson(content: ClustersJson = this.clustersJson()): Promise<string> {
    const dir = join(this.home, '.config/clusterlift');
    await mkdir(dir, { recursive: true });
    const file = join(dir, 'clusters.json');
    await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
    return file;
  }

  /** The environment of a person at this machine: a home of their own whose known_hosts knows the nodes. */
  env(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const at = (path: string): string => join(this.home, path);
    return {
      PATH: `${join(REPOSITORY, 'node_modules/.bin')}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: this.home,
      XDG_CONFIG_HOME: at('.config'),
      XDG_STATE_HOME: at('.local/state'),
      XDG_CACHE_HOME: at('.cache'),
      XDG_DATA_HOME: at('.local/share'),
      XDG_RUNTIME_DIR: at('.run'),
      TMPDIR: at('tmp'),
      LANG: 'C.UTF-8',
      ...extra,
    };
  }

  /** Writes known_hosts anew from the keys that the nodes have now. */
  async trustHostKeys(): Promise<void> {
    const keys = await Promise.all(this.nodes.map((node) => node.hostKeys()));
    await writeFile(join(this.home, '.ssh/known_hosts'), `${keys.flat().join('\n')}\n`);
  }

  /** Ends every process, removes every mount, namespace and interface. Bears repetition. */
  async stop(): Promise<void> {
    process.off('exit', this.#atExit);
    if (this.#stopped) return;
    for (const node of this.nodes) node.killNow();
    await Promise.all(this.nodes.map((node) => node.settled()));
    this.#release();
  }

  #release(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const node of this.nodes) node.killNow();
    releaseSlot(this.#slot);
  }

  /** The network, a file system for everything, the key, the home. */
  async #prepare(): Promise<void> {
    const { bridge, dir, subnet } = this.#slot;
    await succeed('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', dir]);
    await succeed(
      'ip',
      ['-batch', '-'],
      `link add ${bridge} type bridge\naddr add ${subnet}.1/${String(PREFIX)} dev ${bridge}\nlink set ${bridge} up\n`,
    );
    for (const path of ['', '.ssh', '.run']) mkdirSync(join(this.home, path), { mode: 0o700 });
    for (const path of ['.config', '.local/state', '.cache', 'tmp'])
      mkdirSync(join(this.home, path), { recursive: true });
    mkdirSync(this.dir);
    await succeed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', this.keyFile]);
  }

  async #install(spec: NodeSpec & { name: string }, node: LabNode, all: readonly { name: string }[]): Promise<void> {
    const dir = join(this.#slot.dir, spec.name);
    const upper = join(dir, 'upper');
    for (const path of [upper, join(dir, 'work'), node.root]) await mkdir(path, { recursive: true });
    await hideHost(upper);
    const layers = `lowerdir=/,upperdir=${upper},workdir=${join(dir, 'work')}`;
    await succeed('mount', ['-t', 'overlay', '-o', layers, 'overlay', node.root]);
    await furnish({
      host: spec.name,
      root: node.root,
      users: spec.users ?? [],
      sshdConfig: spec.sshdConfig ?? [],
      tools: spec.tools ?? 'full',
      without: spec.without ?? [],
      authorizedKeys: [
        await readFile(`${this.keyFile}.pub`, 'utf8'),
        ...(spec.authorizedKey ? [spec.authorizedKey] : []),
      ],
      hosts: all.map(({ name }, index) => `${hostOf(this.#slot, index)} ${name}`),
    });
    if (spec.stateDirTmpfsMb !== undefined) {
      const state = join(node.root, 'var/lib/clusterlift');
      await mkdir(state, { mode: 0o700 });
      await succeed('mount', ['-t', 'tmpfs', '-o', `mode=700,size=${String(spec.stateDirTmpfsMb)}m`, 'tmpfs', state]);
    }
    await node.boot();
  }
}

function hostOf(slot: Slot, index: number): string {
  return `${slot.subnet}.${String(11 + index)}`;
}

export { LabNode } from './node';
export type { NodeProcess } from './node';
export type { Tools, UserSpec } from './userland';
export { sweep } from './slots';
