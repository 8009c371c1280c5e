// `npm run bench [-- start overhead …]`: speed and memory as ratios to named peers, measured in turns in one run.
// Nothing here fails a build: the figures are read by people, on whatever machine they have.
import { existsSync } from 'node:fs';
import { hasTool } from '../lab/images';
import { whyNoLab } from '../lab/nodes';
import { backup } from './backup';
import { machine } from './measure';
import { memory } from './memory';
import { overhead } from './overhead';
import { relay } from './relay';
import { type Figure, table } from './report';
import { staging } from './staging';
import { CLI, start } from './start';
import { tree } from './tree';

interface Bench {
  readonly run: () => Promise<Figure[]>;
  readonly lab: boolean;
  /** Programs of the peers. */
  readonly tools: readonly string[];
}

const BENCHES: Readonly<Record<string, Bench>> = {
  start: { run: start, lab: false, tools: [] },
  overhead: { run: overhead, lab: true, tools: ['ansible-playbook', 'clush', 'bsdtar'] },
  staging: { run: staging, lab: true, tools: ['scp', 'ssh'] },
  relay: { run: relay, lab: true, tools: ['scp'] },
  memory: { run: memory, lab: true, tools: [] },
  tree: { run: tree, lab: false, tools: [] },
  backup: { run: backup, lab: true, tools: ['ssh', 'tar'] },
};

async function whyNot(bench: Bench): Promise<string | undefined> {
  const reason = bench.lab ? whyNoLab() : undefined;
  if (reason !== undefined) return reason;
  for (const tool of bench.tools) if (!(await hasTool(tool))) return `${tool} is not installed`;
  return undefined;
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0) {
    process.stderr.write(`There is no bench ${unknown.join(', ')}; there are: ${Object.keys(BENCHES).join(', ')}\n`);
    return 2;
  }
  if (!existsSync(CLI)) {
    process.stderr.write(`${CLI} is missing: npm run build\n`);
    return 2;
  }
  process.stdout.write(`${machine()}\n`);
  const figures: Figure[] = [];
  let failed = false;
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const reason = await whyNot(bench);
    if (reason !== undefined) {
      process.stdout.write(`SKIPPED ${name}: ${reason}\n`);
      continue;
    }
    process.stderr.write(`${name} …\n`);
    try {
      figures.push(...(await bench.run()));
    } catch (error) {
      failed = true;
      process.stdout.write(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  if (figures.length > 0) process.stdout.write(`\n${table(figures)}\n`);
  return failed ? 1 : 0;
}

main(process.argv.slice(2)).then(
  (status) => (process.exitCode = status),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
