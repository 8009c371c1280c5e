import { strict as assert } from 'node:assert';
import { execFile as execFileWithCallback } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasCode } from '../../../../src/base/errors';
import { extendedJournal } from '../../../../src/engine/journal/journal';
import { planDigest, planText, Runs } from '../../../../src/engine/journal/runs';
import { planOf } from '../../terminal/scenes';
import type { ErrorCode } from '../../../../src/base/catalogue';

const execFile = promisify(execFileWithCallback);

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

  it('that cannot be written is refused with the reason, and leaves nothing', async function () {
    if (process.platform !== 'linux') this.skip();
    await writeFile(join(home, 'file'), '');
    for (const [place, why] of [
      [join(home, 'file/state'), 'a file is in the place of a directory'],
      ['/proc/clusterlift', 'the directory cannot be made'],
    ] as const) {
      const attempt = new Runs(place).create(planOf(['n1']));
      await assert.rejects(
        attempt,
        (error: Error) => hasCode(error, 'state-unwritable') && error.message.includes(why),
      );
    }
    assert.deepEqual(await readdir(home), ['file']);
  });

  it('on a disk that is nearly full is refused before a run begins', async function () {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) this.skip();
    await execFile('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'runs', home]);
    try {
      const attempt = new Runs(home).create(planOf(['n1']));
      await assert.rejects(
        attempt,
        (error: Error) => hasCode(error, 'state-unwritable') && /only \d+ KiB are free/.test(error.message),
      );
      assert.deepEqual(await readdir(join(home, 'runs')), []);
    } finally {
      await execFile('umount', [home]);
    }
  });

  it('that was removed meanwhile, or whose disk is full, is given back without an error', async function () {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) this.skip();
    const gone = await new Runs(home).create(planOf(['n1']));
    await rm(gone.folder, { recursive: true });
    await gone.release();
    await execFile('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'runs', home]);
    try {
      const full = await new Runs(home).create(planOf(['n1']));
      await execFile('sh', ['-c', 'cat /dev/zero >"$1" 2>/dev/null || :', 'sh', join(home, 'fill')]);
      await full.release();
      assert.deepEqual((await readdir(full.folder)).sort(), ['journal.jsonl', 'owner.1', 'plan.json']);
    } finally {
      await execFile('umount', [home]);
    }
  });

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

  describe('taken from the nodes', () => {
    const plan = planOf(['n1']);
    const { run } = plan;
    const text = planText(plan);
    const first = { type: 'run.started', run, action: 'upgrade', cluster: 'c', plan: planDigest(plan) } as const;
    const journal = extendedJournal('', 'j', [{ ...first, host: 'h', pid: 1, epoch: 1 }]);
    const isCode = (code: ErrorCode) => (error: unknown) => hasCode(error, code);
    const kept = (name: string): Promise<string> => readFile(join(home, 'runs', run, name), 'utf8');

    it('is there as a whole, and never overwrites one that is here', async () => {
      const runs = new Runs(home);
      assert.equal(await runs.mayAdopt(run), true);
      await runs.adopt(run, text, journal);
      assert.equal(await kept('journal.jsonl'), journal);
      const later = extendedJournal(journal, 'j', [{ type: 'committed' }]);
      await assert.rejects(runs.adopt(run, text, later), isCode('run-here'));
      await assert.rejects(runs.mayAdopt(run), isCode('run-here'));
      assert.equal(await kept('journal.jsonl'), journal);
      assert.deepEqual(await readdir(join(home, 'runs')), [run]);
    });

    it('never overwrites one that lives, nor one that two adopt at once', async () => {
      const runs = new Runs(home);
      const both = await Promise.allSettled([runs.adopt(run, text, journal), runs.adopt(run, text, journal)]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
      const owned = await runs.take(run);
      const damaged = `${journal}{"seq":7}\n`;
      await writeFile(join(owned.folder, 'journal.jsonl'), damaged);
      await assert.rejects(runs.adopt(run, text, journal), isCode('run-owned'));
      assert.equal(await kept('journal.jsonl'), damaged);
      await owned.release();
    });

    it('replaces a damaged journal, which is kept; but only for the same plan', async () => {
      const runs = new Runs(home);
      await runs.adopt(run, text, journal);
      const damaged = `${journal}{"seq":7}\n`;
      await writeFile(join(runs.folder(run), 'journal.jsonl'), damaged);
      await assert.rejects(runs.adopt(run, planText({ ...plan, primary: 'n9' }), journal), isCode('plan-changed'));
      await runs.adopt(run, text, journal);
      assert.equal(await kept('journal.jsonl'), journal);
      const aside = (await readdir(runs.folder(run))).find((name) => name.startsWith('journal.jsonl.damaged-'));
      assert.equal(await kept(aside ?? ''), damaged);
      assert.equal((await runs.read(run)).problem, undefined);
    });

    it('is listed with a damaged journal, up to the damage, and can be closed', async () => {
      const runs = new Runs(home);
      await runs.adopt(run, text, extendedJournal(journal, 'j', [{ type: 'committed' }]));
      await appendFile(join(runs.folder(run), 'journal.jsonl'), '{"seq":7}\n');
      const [record] = await runs.list();
      assert.equal(record?.state, 'damaged');
      assert.equal(record.problem?.code, 'journal-broken');
      assert.match(record.problem.hint, new RegExp(`clusterlift resume ${run} --from-nodes`));
      assert.equal(record.view.committed, true);
      await runs.closeDamaged(run, 'r', 'b');
      assert.equal((await runs.read(run)).state, 'abandoned');
    });

    it('is told of when its plan cannot be read', async () => {
      const runs = new Runs(home);
      await runs.adopt(run, '{}', journal);
      assert.deepEqual(await runs.list(), []);
      assert.deepEqual(
        (await runs.unreadable()).map((each) => each.run),
        [run],
      );
    });
  });
});
