import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { self } from '../../../../src/base/process';
import { releaseLock, takeLock } from '../../../../src/engine/node/lock';
import { listMirrors, mirrorPiece, pointsUsed, readMirror, type MirrorPiece } from '../../../../src/engine/node/mirror';
import { prune } from '../../../../src/engine/node/prune';
import { finishRecord, parseRecord, recordText } from '../../../../src/engine/node/record';
import { clearRequest } from '../../../../src/engine/node/requests';
import { runJob } from '../../../../src/ssh/exec/jobs';
import { underBothShells, type Place } from './shells';

underBothShells('The mirror of a run', (place) => {
  const piece = (offset: number, journal: string, more: Partial<MirrorPiece> = {}): MirrorPiece => ({
    stateDir: place().stateDir,
    run: 'r1',
    epoch: 1,
    plan: offset === 0 ? '{"plan":"ü"}' : undefined,
    offset,
    journal: Buffer.from(journal),
    closed: false,
    ...more,
  });
  const journal = async (): Promise<string> =>
    (await readMirror(place().node, place().stateDir, 'r1')).journal.toString();
  beforeEach(() => lock(place()));

  it('grows piece by piece and is read back as it is', async () => {
    const { node, stateDir } = place();
    assert.equal(await mirrorPiece(node, piece(0, 'one\n')), 4);
    assert.equal(await mirrorPiece(node, piece(4, 'zwö\n')), 9);
    const copy = await readMirror(node, stateDir, 'r1');
    assert.equal(copy.plan.toString(), '{"plan":"ü"}');
    assert.equal(copy.journal.toString(), 'one\nzwö\n');
    assert.deepEqual(await listMirrors(node, stateDir), [{ run: 'r1', open: true }]);
  });

  it('bears repetition, replaces another end, and says where it lacks something', async () => {
    const { node } = place();
    await mirrorPiece(node, piece(0, 'one\ntwo\n'));
    assert.equal(await mirrorPiece(node, piece(4, 'two\n')), 8);
    assert.equal(await journal(), 'one\ntwo\n');
    assert.equal(await mirrorPiece(node, piece(4, 'new\nend\n')), 12);
    assert.equal(await journal(), 'one\nnew\nend\n');
    assert.equal(await mirrorPiece(node, piece(40, 'x\n')), 12, 'send from there');
    assert.equal(await journal(), 'one\nnew\nend\n');
  });

  it('is closed to a process that was taken over, also once nobody holds the lock', async () => {
    const { node } = place();
    await mirrorPiece(node, piece(0, 'one\n'));
    await mirrorPiece(node, piece(4, 'two\n', { epoch: 2 }));
    await assert.rejects(mirrorPiece(node, piece(8, 'late\n')), (e) => hasCode(e, 'fenced'));
    assert.equal(await journal(), 'one\ntwo\n');
  });

  it('tells of a run that is over, and of one that is not there', async () => {
    const { node, stateDir } = place();
    await mirrorPiece(node, piece(0, 'end\n', { closed: true }));
    assert.deepEqual(await listMirrors(node, stateDir), [{ run: 'r1', open: false }]);
    await assert.rejects(readMirror(node, stateDir, 'r9'), (e) => hasCode(e, 'run-unknown'));
    await assert.rejects(readMirror(node, stateDir, '../r1'), (e) => hasCode(e, 'run-unknown'));
  });

  const POINT = '20261122T201755Z-lab-4f2a9c';
  const MADE = '20261123T000000Z-two.words_x-000000';

  it('tells which restore points open runs use, in plan and journal, and who holds the lock', async () => {
    const { node, stateDir } = place();
    assert.deepEqual(await pointsUsed(node, stateDir), { held: 'r1', runs: [] });
    const plan = JSON.stringify({ run: 'r1', point: { id: POINT } }, undefined, 2);
    const later = `{"type":"point","id":"${MADE}","file":"${POINT}/n1.tar.gz"}\n`;
    await mirrorPiece(node, piece(0, later, { plan }));
    await mirrorPiece(node, piece(0, 'one\n', { run: 'r2', plan: '{"run":"r2"}', closed: true }));
    await mirrorPiece(node, piece(0, 'one\n', { run: 'r3', plan: `torn ${POINT}-` }));
    const r1 = { run: 'r1', whole: true, points: [POINT, MADE] };
    const r3 = { run: 'r3', whole: false, points: [POINT] };
    assert.deepEqual(await pointsUsed(node, stateDir), { held: 'r1', runs: [r1, r3] });
    // It holds the lock still: over or not, it may use them.
    await mirrorPiece(node, piece(later.length, 'end\n', { closed: true }));
    assert.deepEqual((await pointsUsed(node, stateDir)).runs, [r1, r3]);
    await releaseLock(node, stateDir, { run: 'r1', epoch: 1 });
    assert.deepEqual(await pointsUsed(node, stateDir), { held: undefined, runs: [r3] });
  });
});

underBothShells('The record of an upgrade', (place) => {
  const fence = { run: 'r1', epoch: 1 };
  const sha256 = 'a'.repeat(64);
  beforeEach(() => lock(place()));

  it('goes from begun over the result of the script to done, with what status needs later', async () => {
    const { node, stateDir } = place();
    const directory = join(stateDir, 'packages', sha256, 'files');
    await mkdir(join(directory, 'bin'), { recursive: true });
    await writeFile(join(directory, 'bin/version'), 'echo 2', { mode: 0o755 });
    await writeFile(join(directory, "bin/it's odd"), 'x');
    const json = recordText({ run: 'r1', product: 'acme', from: '1', to: '2', sha256 });
    const job = { id: 'r1.n1.upgrade.1', stateDir, fence, command: { kind: 'text', text: 'true' } } as const;
    await runJob(node, { ...job, record: { product: 'acme', json } });
    const file = join(stateDir, 'installed/acme/record.json');
    assert.equal(parseRecord(await readFile(file, 'utf8'))?.state, 'script-ok');
    for (const repeated of [false, true]) {
      const files = ['bin/version', "bin/it's odd"];
      await finishRecord(node, { stateDir, fence, product: 'acme', sha256, manifest: { a: "ü'\n" }, files, directory });
      const record = parseRecord(await readFile(file, 'utf8'));
      assert.deepEqual(
        { ...record, time: 0 },
        { state: 'done', time: 0, run: 'r1', product: 'acme', from: '1', to: '2', sha256 },
      );
      assert.equal(
        await readFile(join(stateDir, 'installed/acme/manifest.json'), 'utf8'),
        JSON.stringify({ a: "ü'\n" }),
      );
      assert.deepEqual((await readdir(join(stateDir, 'installed/acme/files/bin'))).sort(), ["it's odd", 'version']);
      assert.deepEqual(
        (await readdir(join(stateDir, 'installed/acme'))).sort(),
        ['files', 'manifest.json', 'record.json'],
        String(repeated),
      );
    }
  });

  it('is not finished by a run that lost the lock, nor without having begun', async () => {
    const { node, stateDir } = place();
    const install = { stateDir, product: 'acme', sha256, manifest: {}, files: [], directory: '/' };
    await assert.rejects(finishRecord(node, { ...install, fence: { run: 'r1', epoch: 2 } }), (e) =>
      hasCode(e, 'fenced'),
    );
    await assert.rejects(finishRecord(node, { ...install, fence }), (e) => hasCode(e, 'record-missing'));
  });

  it('of an upgrade that was asked for more keeps that until it is cleared', async () => {
    const { node, stateDir } = place();
    const text = 'echo provision=required >"$CLUSTERLIFT_OUTPUT"';
    await runJob(node, {
      id: 'r1.n1.upgrade.1',
      stateDir,
      fence,
      command: { kind: 'text', text },
      requests: { node: 'n1' },
    });
    assert.ok(existsSync(join(stateDir, 'requests/provision')));
    await clearRequest(node, stateDir, fence, 'provision');
    await clearRequest(node, stateDir, fence, 'provision');
    assert.equal(existsSync(join(stateDir, 'requests/provision')), false);
  });
});

underBothShells('Making room on a node', (place) => {
  const request = () => ({ stateDir: place().stateDir, fence: { run: 'r1', epoch: 1 }, keepImages: [], keepRuns: [] });
  const digest = (at: number): string => String(at).repeat(64);
  beforeEach(() => lock(place()));

  it('keeps the last two images of each product, and whatever is still needed', async () => {
    const { node, stateDir } = place();
    for (const at of [1, 2, 3, 4, 5, 6]) await image(place(), digest(at), at === 6 ? 'other' : 'acme', at);
    await run(place(), 'r0', { closed: false, plan: `{"sha256":"${digest(2)}"}` });
    await run(place(), 'old', { closed: true, plan: `{"sha256":"${digest(1)}"}` });
    const { removed, freed } = await prune(node, { ...request(), keepImages: [digest(3)] });
    assert.deepEqual(removed, [`packages/${digest(1)}`]);
    assert.ok(freed > 0);
    assert.deepEqual((await readdir(join(stateDir, 'packages'))).sort(), [2, 3, 4, 5, 6].map(digest));
  });

  it('keeps the newest closed runs and all open ones, and forgets the jobs of closed runs', async () => {
    const { node, stateDir } = place();
    for (const each of ['2020', '2021', '2022', '2023']) await run(place(), each, { closed: true, plan: '{}' });
    await run(place(), '2019', { closed: false, plan: '{}' });
    await run(place(), '2018', { closed: true, plan: '{}' });
    for (const each of ['2019', '2023', '2022']) await job(place(), each);
    await job(place(), '2022', 'living');
    await prune(node, { ...request(), runs: 2, keepRuns: ['2018'] });
    assert.deepEqual((await readdir(join(stateDir, 'runs'))).sort(), ['2018', '2019', '2022', '2023']);
    assert.deepEqual((await readdir(join(stateDir, 'jobs'))).sort(), ['2019.n1.a.1', '2022.living.a.1']);
  });

  it('is refused to whoever lost the lock', async () => {
    await assert.rejects(prune(place().node, { ...request(), fence: { run: 'r2', epoch: 1 } }), (e) =>
      hasCode(e, 'fenced'),
    );
  });
});

async function lock({ node, stateDir }: Place): Promise<void> {
  await takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'u', command: 'c' });
}

async function image({ stateDir }: Place, sha256: string, product: string, minutes: number): Promise<void> {
  const directory = join(stateDir, 'packages', sha256);
  await mkdir(join(directory, 'files'), { recursive: true });
  await writeFile(join(directory, 'image.iso'), 'x'.repeat(5000));
  await writeFile(
    join(directory, 'files/upgrade.json'),
    `{\n "schema": 1, "product" : "${product}",\n "version": "1" }`,
  );
  const time = new Date(Date.UTC(2024, 0, 1, 0, minutes));
  await utimes(directory, time, time);
}

async function run(
  { stateDir }: Place,
  name: string,
  { closed, plan }: { closed: boolean; plan: string },
): Promise<void> {
  const directory = join(stateDir, 'runs', name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'plan.json'), plan);
  if (closed) await writeFile(join(directory, 'closed'), '');
}

async function job({ stateDir }: Place, name: string, node = 'n1'): Promise<void> {
  const { bootId, pid, pidStart } = self();
  const directory = join(stateDir, 'jobs', `${name}.${node}.a.1`);
  await mkdir(join(directory, 'started'), { recursive: true });
  await writeFile(join(directory, 'run'), `${name}\n`);
  await writeFile(join(directory, 'started/boot_id'), `${bootId}\n`);
  await writeFile(join(directory, 'started/pid'), node === 'living' ? `${String(pid)} ${pidStart}\n` : '4194000 1\n');
}
