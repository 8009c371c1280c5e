import { freemem } from 'node:os';
import { open, rm, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lab } from '../lab/nodes';
import { measure } from './measure';
import { idlePackage } from './overhead';
import { type Figure, megabytes } from './report';
import { CLI } from './start';

const BYTES = 4 * 1024 ** 3;
const GOAL = 200e6;
/** The node of the lab keeps its files in memory. */
const NEEDED = 1.5 * BYTES;

/** Peak memory of the command line while it stages 4 GB. */
export async function memory(): Promise<Figure[]> {
  if (freemem() < NEEDED) throw new Error(`needs ${megabytes(NEEDED)} of free memory for the node's disk`);
  const lab = await Lab.start({ nodes: [{}] });
  try {
    await lab.writeClustersJson();
    const image = join(lab.dir, 'large.iso');
    // What follows the image proper is a hole: it costs no disk here, and is read and sent all the same.
    await copyFile((await idlePackage()).path, image);
    const file = await open(image, 'r+');
    await file.truncate(BYTES);
    await file.close();
    const args = [CLI, 'upgrade', image, '--yes', '--json'];
    const { peak } = await measure(process.execPath, args, { env: lab.env(), cwd: lab.home });
    await rm(image);
    if (peak === undefined) throw new Error('this system does not tell the memory of a process');
    return [
      {
        what: 'staging a 4 GiB image: peak memory',
        ours: megabytes(peak),
        peer: `the image: ${megabytes(BYTES)}`,
        ratio: `${(peak / BYTES).toFixed(2)}×`,
        goal: { text: `under ${megabytes(GOAL)}`, met: peak < GOAL },
      },
    ];
  } finally {
    await lab.stop();
  }
}
