import { join } from 'node:path';
import { Lab } from '../lab/nodes';
import { inTurns, measure, ROUNDS } from './measure';
import { idlePackage } from './overhead';
import { RESET } from './peers';
import { type Figure, megabytes, seconds, times } from './report';
import { CLI } from './start';

const BYTES = 64 * 1024 * 1024;
const NODES = 3;
const UPLINK = 100;
const GOAL = 1.3;

/** The same image to three nodes over a slow uplink: node to node, against each from here and against scp to one node. */
export async function relay(): Promise<Figure[]> {
  const image = await idlePackage(BYTES);
  const lab = await Lab.start({ nodes: Array.from({ length: NODES }, () => ({})) });
  try {
    await lab.writeClustersJson();
    await lab.uplink(UPLINK);
    const [node] = lab.nodes;
    if (node === undefined) throw new Error('a lab without a node');
    const options = ['-F', 'none', '-i', lab.keyFile, '-o', `UserKnownHostsFile=${join(lab.home, '.ssh/known_hosts')}`];
    const target = '/var/tmp/bench.iso';
    const fresh = async (once: () => Promise<number>): Promise<number> => {
      await Promise.all(lab.nodes.map((each) => each.must(`${RESET} ${target}`)));
      return once();
    };
    const one = 'scp to one node';
    const took = await inTurns(ROUNDS, {
      ours: () => fresh(() => stagingTime(lab, image.path, 'relay')),
      '--distribution direct': () => fresh(() => stagingTime(lab, image.path, 'direct')),
      [one]: () =>
        fresh(async () => (await measure('scp', ['-q', ...options, image.path, `root@${node.host}:${target}`])).ms),
    });
    const { ours = 0, ...others } = took;
    return Object.entries(others).map(([name, ms]) => ({
      what: `relay of ${megabytes(BYTES)} to ${String(NODES)} nodes, ${String(UPLINK)} Mbit/s uplink, verified`,
      ours: seconds(ours),
      peer: `${name}: ${seconds(ms)}`,
      ratio: times(ours, ms),
      ...(name === one && { goal: { text: `at most ${String(GOAL)}×`, met: ours <= GOAL * ms } }),
    }));
  } finally {
    await lab.stop();
  }
}

/** From the first node that begins to get the image to the last one that has it, by the run's own journal. */
async function stagingTime(lab: Lab, image: string, distribution: string): Promise<number> {
  const args = [CLI, 'upgrade', image, '--distribution', distribution, '--yes', '--json'];
  const { stdout } = await measure(process.execPath, args, { env: lab.env(), cwd: lab.home });
  const moments = stdout
    .split('\n')
    .filter((each) => each.startsWith('{'))
    .map((each) => JSON.parse(each) as { type?: string; step?: string; time?: string })
    .filter(({ type, step }) => step === 'stage' && (type === 'step.started' || type === 'step.finished'))
    .map(({ time }) => Date.parse(time ?? ''));
  return Math.max(...moments) - Math.min(...moments);
}
