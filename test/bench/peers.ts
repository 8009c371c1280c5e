import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lab } from '../lab/nodes';
import { measure } from './measure';

/** One thing that a peer has to do on every node: a shell command, or sending the image. */
export type PeerStep = { readonly name: string } & ({ readonly shell: string } | { readonly copy: string });

/** Where the peers put the image. */
const PEER_DIR = '/var/tmp/bench';

/** What an upgrade of ours does on each node, as a person would write it down for another tool. */
export function sameSteps(image: string, sha256: string): PeerStep[] {
  const at = `cd ${PEER_DIR}`;
  return [
    {
      name: 'facts',
      shell: 'uname -m; cat /etc/os-release; df -Pk /var/tmp; date +%s; cat /proc/sys/kernel/random/boot_id',
    },
    { name: 'lock', shell: `mkdir ${PEER_DIR} ${PEER_DIR}/lock` },
    { name: 'stage', copy: image },
    { name: 'verify', shell: `${at} && echo "${sha256}  image.iso" | sha256sum -c` },
    { name: 'unpack', shell: `${at} && mkdir files && bsdtar -xf image.iso -C files` },
    ...['version', 'check', 'stop', 'upgrade', 'start', 'version', 'health', 'health'].map((name) => ({
      name,
      shell: `${at}/files && sh bin/${name}`,
    })),
    { name: 'unlock', shell: `rmdir ${PEER_DIR}/lock` },
  ];
}

/** Undoes a round. */
export const RESET = `rm -rf ${PEER_DIR} /etc/bench-release /var/lib/clusterlift`;

/** The peers, at their best: as many forks as nodes, one SSH connection a node that all steps share. */
export class Peers {
  private constructor(
    private readonly lab: Lab,
    private readonly dir: string,
    private readonly steps: readonly PeerStep[],
  ) {}

  static async prepare(lab: Lab, steps: readonly PeerStep[]): Promise<Peers> {
    // A short path: control sockets have at most 104 bytes.
    const dir = await mkdtemp(join(tmpdir(), 'bench-'));
    const hosts = lab.nodes.map(({ name, host }) => `${name} ansible_host=${host}`);
    await writeFile(join(dir, 'hosts'), `[all]\n${hosts.join('\n')}\n`);
    const tasks = steps.map((step) =>
      'shell' in step
        ? { name: step.name, 'ansible.builtin.shell': step.shell, changed_when: false }
        : { name: step.name, 'ansible.builtin.copy': { src: step.copy, dest: `${PEER_DIR}/image.iso` } },
    );
    // JSON is YAML.
    await writeFile(join(dir, 'play.yml'), JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]));
    return new Peers(lab, dir, steps);
  }

  async ansible(): Promise<number> {
    const { keyFile, home } = this.lab;
    const env = this.lab.env({
      ANSIBLE_FORKS: String(this.lab.nodes.length),
      ANSIBLE_PIPELINING: 'True',
      ANSIBLE_LOCAL_TEMP: join(this.dir, 'tmp'),
      ANSIBLE_SSH_CONTROL_PATH_DIR: join(this.dir, 'cp'),
      ANSIBLE_SSH_ARGS: `-F none -o UserKnownHostsFile=${home}/.ssh/known_hosts -o ControlMaster=auto -o ControlPersist=5`,
      ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
    });
    const args = ['-i', join(this.dir, 'hosts'), '-u', 'root', '--private-key', keyFile, join(this.dir, 'play.yml')];
    return (await measure('ansible-playbook', args, { env, cwd: this.dir })).ms;
  }

  async clush(): Promise<number> {
    let ms = 0;
    for (const step of this.steps) {
      const what = 'shell' in step ? [step.shell] : ['--copy', step.copy, '--dest', `${PEER_DIR}/image.iso`];
      ms += (await measure('clush', [...this.clushArgs(), ...what], { env: this.lab.env() })).ms;
    }
    return ms;
  }

  /** The floor: all of it as one script, without an answer in between. */
  async clushAtOnce(): Promise<number> {
    const image = this.steps.findIndex((step) => 'copy' in step);
    const join_ = (steps: readonly PeerStep[]): string =>
      `set -e\n${steps.map((step) => ('shell' in step ? `(${step.shell})` : '')).join('\n')}`;
    let ms = 0;
    const copy = this.steps[image];
    for (const what of [
      [join_(this.steps.slice(0, image))],
      ['--copy', copy !== undefined && 'copy' in copy ? copy.copy : '', '--dest', `${PEER_DIR}/image.iso`],
      [join_(this.steps.slice(image + 1))],
    ]) {
      ms += (await measure('clush', [...this.clushArgs(), ...what], { env: this.lab.env() })).ms;
    }
    return ms;
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }

  private clushArgs(): string[] {
    const { keyFile, home, nodes } = this.lab;
    const options = [
      `-F none -i ${keyFile}`,
      `-o UserKnownHostsFile=${home}/.ssh/known_hosts`,
      `-o ControlMaster=auto -o ControlPersist=5 -o ControlPath=${this.dir}/%%C`, // clush takes one % away
    ];
    const hosts = nodes.map(({ host }) => host).join(',');
    return ['-q', '-S', '-f', String(nodes.length), '-l', 'root', '-o', options.join(' '), '-w', hosts];
  }
}
