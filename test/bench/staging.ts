import { join } from 'node:path';
import { Lab } from '../lab/nodes';
import { inTurns, measure, ROUNDS } from './measure';
import { idlePackage } from './overhead';
import { RESET } from './peers';
import { type Figure, megabytes, seconds, times } from './report';
import { CLI } from './start';

const BYTES = 256 * 1024 * 1024;
const GOAL = 1.5;

/** 256 MiB to one node: our staging, the check on the node included, against scp. */
export async function staging(): Promise<Figure[]> {
  const image = await idlePackage(BYTES);
  const lab = await Lab.start({ nodes: [{}] });
  try {
    await lab.writeClustersJson();
    const [node] = lab.nodes;
    if (node === undefined) throw new Error('a lab without a node');
    const options = ['-F', 'none', '-i', lab.keyFile, '-o', `UserKnownHostsFile=${join(lab.home, '.ssh/known_hosts')}`];
    const target = '/var/tmp/bench.iso';
    const scp = async (): Promise<number> => {
      const { ms } = await measure('scp', ['-q', ...options, image.path, `root@${node.host}:${target}`]);
      return ms;
    };
    const checked = async (): Promise<number> => {
      const ms = await scp();
      return ms + (await measure('ssh', [...options, `root@${node.host}`, `sha256sum ${target}`])).ms;
    };
    const fresh = async (once: () => Promise<number>): Promise<number> => {
      await node.must(`${RESET} ${target}`);
      return once();
    };
    const took = await inTurns(ROUNDS, {
      ours: () => fresh(() => stageTime(lab, image.path)),
      scp: () => fresh(scp),
      'scp, then sha256sum': () => fresh(checked),
    });
    const { ours = 0, ...others } = took;
    return Object.entries(others).map(([name, ms]) => ({
      what: `staging ${megabytes(BYTES)} to one node, verified`,
      ours: seconds(ours),
      peer: `${name}: ${seconds(ms)}`,
      ratio: times(ours, ms),
      ...(name === 'scp' && { goal: { text: `at most ${String(GOAL)}×`, met: ours <= GOAL * ms } }),
    }));
  } finally {
    await lab.stop();
  }
}

/** How long the step took that brings the image to the node, by the run's own journal. */
async function stageTime(lab: Lab, image: string): Promise<number> {
  const args = [CLI, 'upgrade', image, '--yes', '--json'];
  const { stdout } = await measure(process.execPath, args, { env: lab.env(), cwd: lab.home });
  for (const line of stdout.split('\n').filter((each) => each.startsWith('{'))) {
    const event = JSON.parse(line) as { type?: string; step?: string; ms?: number };
    if (event.type === 'step.finished' && event.step === 'stage' && event.ms !== undefined) return event.ms;
  }
  throw new Error(`the run told of no step "stage":\n${stdout.slice(-2_000)}`);
}
