import { strict as assert } from 'node:assert';
import { mutate, mutateManifest, readAsManifest, readAsPackage, readAsSums, seedImages } from './fuzz-package';
import { countFromEnv, Random, seedFromEnv } from './random';

const MEGABYTE = 1024 * 1024;
const DEEP = ['ok', 'package-damaged', 'package-truncated', 'package-unsupported', 'package-unsafe-path'];

/** Says how to repeat the one case that went wrong. */
async function repeatable(seed: number, what: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`FUZZ_SEED=${String(seed)} ${what}=1 repeats this: ${String(error)}`, { cause: error });
  }
}

function count(outcomes: Map<string, number>, outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

describe('damaged packages', function () {
  this.timeout(30 * 60_000);

  it('are refused with a reason or taken safely: no crash, no hang, no read outside, bounded memory', async () => {
    const images = await seedImages();
    for (const image of images) assert.notEqual(await readAsPackage(image, image.length), 'package-damaged');
    const [seed, rounds] = [seedFromEnv(), countFromEnv('FUZZ_IMAGES', 2000, 100_000)];
    const outcomes = new Map<string, number>();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < rounds; i++) {
      await repeatable(seed + i, 'FUZZ_IMAGES', async () => {
        const random = new Random(seed + i);
        const image = random.pick(images);
        const { size, undo } = mutate(image, random);
        try {
          count(outcomes, await readAsPackage(image, size));
        } finally {
          undo();
        }
      });
    }
    assert.ok(process.memoryUsage().rss - before < 400 * MEGABYTE, 'memory grows');
    // The cases must reach deep, or they prove nothing.
    if (rounds >= 1000) for (const code of DEEP) assert.ok(outcomes.has(code), code);
  });

  it('have damaged manifests that are refused with their place, or read the same twice', async () => {
    const [seed, rounds] = [seedFromEnv(), countFromEnv('FUZZ_MANIFESTS', 1000, 10_000)];
    const outcomes = new Map<string, number>();
    for (let i = 0; i < rounds; i++) {
      await repeatable(seed + i, 'FUZZ_MANIFESTS', () => {
        count(outcomes, readAsManifest(mutateManifest(new Random(seed + i))));
      });
    }
    if (rounds >= 500) assert.deepEqual([...outcomes.keys()].sort(), ['manifest-invalid', 'ok']);
  });

  it('have damaged lists of digests that are refused or read', async () => {
    const seed = seedFromEnv();
    for (let i = 0; i < 1000; i++) {
      await repeatable(seed + i, 'FUZZ_MANIFESTS', () => {
        readAsSums(new Random(seed + i));
      });
    }
  });
});
