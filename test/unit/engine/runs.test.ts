import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../../src/base/errors';
import { planDigest, Runs } from '../../../src/engine/runs';
import { planOf } from '../terminal/scenes';

describe('the folder of a run', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'runs-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  /** Files of that folder that this process has open. */
  async function open(): Promise<string[]> {
    const all = await readdir('/proc/self/fd');
    const paths = await Promise.all(all.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return paths.filter((path) => path.startsWith(home));
  }

  it("is nobody's, and no file of it is open, after it was given back or could not be taken", async function () {
    if (process.platform !== 'linux') this.skip();
    const runs = new Runs(home);
    const plan = planOf(['n1']);
    const owned = await runs.create(plan);
    const { run, action, cluster } = plan;
    const first = { type: 'run.started', run, action, cluster, plan: planDigest(plan), host: 'h', pid: 1, epoch: 1 };
    await owned.journal.append(first as Parameters<typeof owned.journal.append>[0]);
    await assert.rejects(runs.take(run), (error) => hasCode(error, 'run-owned'));
    assert.equal((await open()).length, 1);
    await owned.release();
    assert.deepEqual(await open(), []);
    const path = join(runs.folder(run), 'plan.json');
    await writeFile(path, `${await readFile(path, 'utf8')} `);
    for (let tries = 0; tries < 2; tries++)
      await assert.rejects(runs.take(run), (error) => hasCode(error, 'plan-changed'));
    assert.deepEqual(await open(), []);
  });
});
