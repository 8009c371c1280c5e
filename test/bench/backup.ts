import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lab, type LabNode } from '../lab/nodes';
import { installRestic, resticProgram } from '../lab/restic';
import { inTurns, measure, ROUNDS, type Measured } from './measure';
import { idlePackage, upgrade } from './overhead';
import { type Figure, megabytes, seconds, times } from './report';
import { CLI } from './start';

const BYTES = 256 * 1024 * 1024;
const LARGE = 1024 ** 3;
const MEMORY_GOAL = 150e6;
const DATA = '/opt/bench';
const PASSWORD = 'bench';

/** Archive and restic backups and restores, against `tar | ssh` and restic alone. */
export async function backup(): Promise<Figure[]> {
  const lab = await Lab.start({ nodes: [{ name: 'app' }, { name: 'server' }] });
  try {
    const bench = await BackupBench.prepare(lab);
    const figures = [...(await bench.archives()), ...(resticProgram() === undefined ? [] : await bench.restic())];
    return [...figures, await bench.memory()];
  } finally {
    await lab.stop();
  }
}

class BackupBench {
  private constructor(
    private readonly lab: Lab,
    private readonly app: LabNode,
    private readonly server: LabNode,
  ) {}

  static async prepare(lab: Lab): Promise<BackupBench> {
    const [app, server] = [lab.node('app'), lab.node('server')];
    const content = lab.clustersJson({ backup: { paths: [DATA] } });
    const [cluster] = Object.values(content.clusters);
    if (cluster) cluster.nodes = cluster.nodes.filter((node) => node['name'] === 'app');
    content.backupLocations = { store: `sftp://root@${server.host}/srv/points`, vault: 'restic:/srv/vault' };
    await lab.writeClustersJson(content);
    // The backup server is no node of the cluster: it knows the person's own key.
    await copyFile(lab.keyFile, join(lab.home, '.ssh/id_ed25519'));
    const bench = new BackupBench(lab, app, server);
    await server.must('mkdir -p /srv/points /srv/plain');
    await bench.fill(BYTES);
    await upgrade(lab, (await idlePackage()).path);
    return bench;
  }

  async archives(): Promise<Figure[]> {
    let point = '';
    const took = await inTurns(ROUNDS, {
      create: async () => (await this.clusterlift('backup', 'create', 'store')).ms,
      tarOut: () => this.pipe(this.app, `tar -C / --posix -cf - .${DATA}`, this.server, 'cat > /srv/plain/all.tar'),
      restore: async () => {
        point = await this.newest('store');
        return (await this.clusterlift('backup', 'restore', point)).ms;
      },
      tarIn: () => {
        const unpack = `mkdir /opt/beside && tar -C /opt/beside -xpf - && rm -rf ${DATA} && mv /opt/beside${DATA} ${DATA} && rm -rf /opt/beside`;
        return this.pipe(this.server, 'cat /srv/plain/all.tar', this.app, unpack);
      },
    });
    const { create = 0, tarOut = 0, restore = 0, tarIn = 0 } = took;
    return [
      this.figure('archive backup, verified', create, 'tar | ssh', tarOut),
      this.figure('archive restore, checked', restore, 'ssh | tar, mv', tarIn),
    ];
  }

  async restic(): Promise<Figure[]> {
    await installRestic(this.app);
    const alone = (args: string): string => `RESTIC_PASSWORD=${PASSWORD} restic -q -r /srv/alone ${args}`;
    await this.app.must(alone('init'));
    const took = await inTurns(ROUNDS, {
      create: async () => {
        await this.app.must(`rm -rf /srv/vault; RESTIC_PASSWORD=${PASSWORD} restic -q -r /srv/vault init`);
        return (await this.clusterlift('backup', 'create', 'vault')).ms;
      },
      alone: async () => {
        await this.app.must(`rm -rf /srv/alone; ${alone('init')}`);
        return this.onNode(`${alone(`backup ${DATA}`)} && ${alone('check --read-data-subset=5%')}`);
      },
      restore: async () => (await this.clusterlift('backup', 'restore', await this.newest('vault'))).ms,
      aloneBack: () => this.onNode(alone(`restore latest:${DATA} --target ${DATA} --delete`)),
    });
    const { create = 0, restore = 0, aloneBack = 0 } = took;
    return [
      this.figure('restic backup, verified', create, 'restic backup, check', took['alone'] ?? 0),
      this.figure('restic restore, checked', restore, 'restic restore', aloneBack),
    ];
  }

  /** Peak memory of the command line while 1 GiB goes through it. */
  async memory(): Promise<Figure> {
    await this.fill(LARGE);
    const { peak = 0 } = await this.clusterlift('backup', 'create', 'store');
    return {
      what: `${megabytes(LARGE)} through the sftp store: peak memory`,
      ours: megabytes(peak),
      peer: `the data: ${megabytes(LARGE)}`,
      ratio: times(peak, LARGE),
      goal: { text: `under ${megabytes(MEMORY_GOAL)}`, met: peak > 0 && peak < MEMORY_GOAL },
    };
  }

  private figure(what: string, ours: number, peer: string, ms: number): Figure {
    return {
      what: `${what}, ${megabytes(BYTES)}`,
      ours: seconds(ours),
      peer: `${peer}: ${seconds(ms)}`,
      ratio: times(ours, ms),
    };
  }

  /** Bytes that do not compress, in files of 16 MiB. */
  private async fill(bytes: number): Promise<void> {
    const files = bytes / (16 * 1024 * 1024);
    await this.app.must(
      `rm -rf ${DATA}; mkdir -p ${DATA}; for i in $(seq ${String(files)}); do head -c 16777216 /dev/urandom > ${DATA}/$i; done`,
    );
  }

  private clusterlift(...words: string[]): Promise<Measured> {
    const env = this.lab.env({ CLUSTERLIFT_RESTIC_PASSWORD: PASSWORD });
    return measure(process.execPath, [CLI, ...words, '--yes', '--json'], { env, cwd: this.lab.home });
  }

  private async newest(location: string): Promise<string> {
    const { stdout } = await this.clusterlift('backup', 'list', location);
    const last = stdout.trim().split('\n').at(-1) ?? '{}';
    const { id } = JSON.parse(last) as { id?: string };
    if (id === undefined) throw new Error(`no point in ${location}: ${last}`);
    return id;
  }

  private async onNode(script: string): Promise<number> {
    return (await measure('ssh', [...this.ssh(this.app), script], { env: this.lab.env() })).ms;
  }

  /** One command's output into another's input, both over ssh, through this machine. */
  private async pipe(from: LabNode, read: string, to: LabNode, write: string): Promise<number> {
    const quoted = (words: readonly string[]): string =>
      words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const line = `ssh ${quoted([...this.ssh(from), read])} | ssh ${quoted([...this.ssh(to), write])}`;
    return (await measure('sh', ['-c', line], { env: this.lab.env() })).ms;
  }

  private ssh(node: LabNode): string[] {
    const known = `UserKnownHostsFile=${join(this.lab.home, '.ssh/known_hosts')}`;
    return ['-F', 'none', '-i', this.lab.keyFile, '-o', known, `root@${node.host}`];
  }
}
