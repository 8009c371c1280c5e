import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './nodes';
import { output } from './tools';

/** Collects the arguments of all processes of the nodes, and of all that have the lab's home, while something runs. */
export class ArgvSampler {
  readonly seen = new Set<string>();
  readonly #lab: Lab;
  readonly #timer: NodeJS.Timeout;

  /** @param every milliseconds */
  constructor(lab: Lab, every = 25) {
    this.#lab = lab;
    this.#timer = setInterval(() => {
      this.#sample();
    }, every);
  }

  /** Gives what was seen, one process a line, arguments separated by spaces. */
  stop(): string[] {
    clearInterval(this.#timer);
    this.#sample();
    return [...this.seen];
  }

  #sample(): void {
    for (const node of this.#lab.nodes) for (const { argv } of node.processes()) this.seen.add(argv.join(' '));
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${this.#lab.home}\0`)) continue;
        this.seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
      } catch {
        // it ended meanwhile
      }
    }
  }
}

/** Every file that was written on a node or in the operator's home since the lab began and holds this text. */
export async function filesWith(lab: Lab, secret: string): Promise<string[]> {
  const places = [lab.home, ...lab.nodes.map((node) => join(node.root, '../upper'))];
  const { code, stdout, stderr } = await output('grep', ['-rlaF', '--devices=skip', '-e', secret, ...places]);
  if (code === 2 && stdout === '') throw new Error(stderr);
  return stdout.split('\n').filter((line) => line !== '');
}
