import { strict as assert } from 'node:assert';
import { copyFile, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stateHome } from '../../../src/base/paths';
import type { Plan } from '../../../src/engine/journal/plan';
import type { OpenQuestion } from '../../../src/service/protocol';
import { spawnRun } from '../../../src/service/spawn';
import { deferred } from '../../../src/ssh/deferred';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../../lab/acme';
import { type CliResult, said } from '../../lab/cli';
import { HttpLab } from '../../lab/http';
import type { MadePackage } from '../../lab/images';
import type { ClusterJson, Lab } from '../../lab/nodes';
import { acmeCluster, needsLab, outcomes, run } from './scene';

const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../../dist/cli.js');
const RAN = '/root/ran-new-code';

/** Each of its scripts leaves a mark where it runs. */
function marked(version: string, manifest: Record<string, unknown> = {}, check = ''): Promise<MadePackage> {
  const mark = `#!/bin/sh\necho "\${0##*/}" >> ${RAN}\n`;
  return acmePackage(version, {
    manifest,
    scripts: {
      version: `${mark}cat /etc/acme/release 2>/dev/null || :\n`,
      check: `${mark}${check}\n`,
      health: `${mark}[ -e /var/lib/acme/running ]\n`,
    },
  });
}

function codesOf({ events }: CliResult): string[] {
  const plan = events.find(({ type }) => type === 'plan') as Plan | undefined;
  const rows = plan ? plan.checks : (events as readonly { code?: string }[]);
  return rows.flatMap(({ code }) => (code === undefined ? [] : [code]));
}

describe('code of a package that nobody agreed to yet', function () {
  this.timeout(300_000);
  let lab: Lab;
  let http: HttpLab;
  before(async function () {
    needsLab(this);
    http = await HttpLab.start();
  });
  after(() => http.stop());
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
  });
  afterEach(() => lab.stop());

  async function configure(over: Partial<ClusterJson>): Promise<void> {
    await lab.writeClustersJson(lab.clustersJson(over));
  }

  /** Scripts of the new package that ran, on any node. */
  async function ran(): Promise<string[]> {
    const all: string[] = [];
    for (const node of lab.nodes) all.push(...(await node.run(`cat ${RAN}; rm -f ${RAN}`)).stdout.split('\n'));
    return all.filter((each) => each !== '');
  }

  async function refused(args: readonly string[], status: number, code: string): Promise<void> {
    for (const look of [
      ['upgrade', ...args],
      ['upgrade', ...args, '--dry-run'],
      ['check', ...args],
    ]) {
      const result = await run(lab, look, status);
      assert.match(result.stdout + result.stderr, new RegExp(code), said(result));
      assert.deepEqual(await ran(), [], `${look.join(' ')} ran scripts before it refused: ${code}`);
    }
  }

  it('runs on no node where plain http, the digest, the signature, the product, the system or the disk refuse', async () => {
    const { path } = await marked('2.0');
    await configure({ production: true });
    const plain = http.serve('/plain.iso', { body: { file: path } });
    await refused([plain, '--confirm', 'lab'], 3, 'plain-http');
    await configure({});
    await refused([path, '--sha256', '0'.repeat(64)], 3, 'digest-mismatch');
    const foreign = (await marked('2.0', { product: 'other' })).path;
    await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
    await refused([foreign], 3, 'product');
    await refused([(await marked('2.0', { compatible: { arch: ['m68k'] } })).path], 3, 'architecture');
    await refused([(await marked('2.0', { compatible: { os: ['plan9'] } })).path], 3, 'operating-system');
    await refused([(await marked('2.0', { needs: { disk: '900TiB' } })).path], 3, 'disk-space');
    await refused([(await marked('2.0', { needs: { commands: ['no-such-command'] } })).path], 3, 'commands-missing');
    await refused([(await marked('1.0')).path], 3, 'downgrade');
    await configure({ upgrade: { requireSignature: true } });
    await refused([path], 3, 'signature-missing');
  });

  it('runs on no other node where one is locked or cannot be reached', async () => {
    const { path } = await marked('2.0');
    await lab.node('n2').rekeyHost();
    await refused([path], 3, 'host-key-changed');
  });

  it('runs in production only with the name: check, dry run and upgrade say what they did not ask', async () => {
    const { path } = await marked('2.0');
    await configure({ production: true });
    for (const args of [
      ['check', path],
      ['upgrade', path, '--dry-run'],
    ]) {
      const without = await run(lab, args, 0);
      assert.ok(codesOf(without).includes('not-asked'), said(without));
      assert.match(without.stdout + without.stderr, /--confirm lab/);
      assert.deepEqual(await ran(), []);
      const asked = await run(lab, [...args, '--confirm', 'lab'], 0);
      assert.equal(codesOf(asked).includes('not-asked'), false, said(asked));
      assert.ok((await ran()).includes('check'));
    }
    await run(lab, ['upgrade', path], 2);
    await run(lab, ['upgrade', path, '--yes'], 2);
    await run(lab, ['upgrade', path, '--confirm', 'staging'], 2);
    await run(lab, ['check', path, '--confirm', 'staging'], 2);
    assert.deepEqual(await ran(), []);
  });

  it('runs outside of production after all that refuses without it', async () => {
    const { path } = await marked('2.0', {}, 'echo no room >&2; exit 7');
    const result = await run(lab, ['check', path], 3);
    assert.deepEqual(
      codesOf(result).filter((code) => code !== 'no-backup'),
      ['check-script', 'check-script'],
    );
    assert.ok((await ran()).includes('version'));
  });

  /** A run as a window starts it; answers its questions with these, one after the other. */
  async function answered(
    path: string,
    answers: readonly string[],
  ): Promise<{ asked: string[]; status: number; ranFirst: string[] }> {
    const env = lab.env();
    const asked: string[] = [];
    let ranFirst: string[] = [];
    const started = deferred<Awaited<ReturnType<typeof spawnRun>>>();
    const answer = async (open: OpenQuestion): Promise<void> => {
      const { question } = open;
      if (question.kind !== 'confirm') return;
      if (asked.length === 0) ranFirst = await ran();
      asked.push(question.text);
      await (await started.promise).answer(open.id, answers[asked.length - 1] ?? 'no');
    };
    const window = await spawnRun(
      { execPath: process.execPath, script: CLI, stateHome: stateHome(env), env },
      { argv: ['upgrade', path], cwd: lab.home, by: 'ann@desk', secrets: {} },
      {
        events: () => undefined,
        question: (open) => void answer(open),
      },
    );
    started.resolve(window);
    const end = await window.end;
    assert.ok(end.kind === 'ended', JSON.stringify(end));
    window.close();
    return { asked, status: end.end.status, ranFirst };
  }

  it('runs after consent; a plan that it changes is confirmed again', async () => {
    await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
    await configure({ production: true });
    const { path } = await marked('2.0');
    // What is installed answers 1.5 on both; the new script sees that n2 is at the target already.
    await lab.node('n2').must(`sed -i 's/^cat .*/echo 1.5/' /var/lib/clusterlift/installed/*/files/bin/version`);
    await lab.node('n2').writeFile('/etc/acme/release', '1.7\n');
    const no = await answered(path, ['yes', 'no']);
    assert.deepEqual(no.ranFirst, []);
    assert.equal(no.asked.length, 2, no.asked.join('\n\n'));
    assert.match(no.asked[0] ?? '', /n2: 1\.5 → 2\.0/);
    assert.match(no.asked[1] ?? '', /n2: 1\.7 → 2\.0 \(before: 1\.5 → 2\.0\)/);
    assert.equal(no.status, 130);
    for (const node of lab.nodes) assert.notEqual(await acmeVersion(node), '2.0');
    const yes = await answered(path, ['yes', 'yes']);
    assert.deepEqual([yes.status, yes.asked.length], [0, 2]);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
  });

  it('runs after consent; what it finds then ends with 3, and an unchanged plan asks once', async () => {
    await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
    await configure({ production: true });
    const blocked = await answered((await marked('2.0', {}, '[ -e /root/ok ]')).path, ['yes', 'yes']);
    assert.deepEqual([blocked.ranFirst, blocked.asked.length, blocked.status], [[], 1, 3]);
    for (const node of lab.nodes) {
      assert.equal(await acmeVersion(node), '1.5');
      await node.writeFile('/root/ok', '');
    }
    assert.ok((await ran()).includes('check'));
    const good = await answered((await marked('2.0', {}, '[ -e /root/ok ]')).path, ['yes', 'yes']);
    assert.deepEqual([good.ranFirst, good.asked.length, good.status], [[], 1, 0]);
  });

  it('does not run where provision, backup create and status work with what is installed', async () => {
    await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
    const { path } = await marked('2.0');
    await copyFile(path, join(lab.home, 'new.iso'));
    await lab.node('n1').writeFile('/root/new.iso', await readFile(path));
    for (const args of [['status'], ['provision'], ['backup', 'create', 'localbackup']]) await run(lab, args, 0);
    assert.deepEqual(await ran(), []);
  });
});

describe('a node that is sick before the upgrade', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
    await run(lab, ['upgrade', (await acmePackage('1.5')).path], 0);
  });
  afterEach(() => lab.stop());

  it('blocks check and upgrade as status calls it; the override is recorded', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n2'), 'health', 'run', '[ "$(cat /etc/acme/release)" = 2.0 ] || exit 4');
    const status = await run(lab, ['status'], 0);
    assert.deepEqual(
      status.events.map((row) => row['health']),
      ['healthy', 'unhealthy'],
    );
    for (const production of [false, true]) {
      await lab.writeClustersJson(lab.clustersJson({ production }));
      const check = await run(lab, ['check', path], 3);
      const found = check.events.find((row) => row['code'] === 'unhealthy');
      assert.deepEqual([found?.['level'], found?.['node']], ['block', 'n2'], said(check));
      await run(lab, ['upgrade', path, '--confirm', 'lab'], 3);
    }
    await lab.writeClustersJson();
    assert.equal(await acmeVersion(lab.node('n1')), '1.5');
    const result = await run(lab, ['upgrade', path, '--override', 'unhealthy=n2'], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
    const started = result.events.find(({ type }) => type === 'run.created');
    assert.ok(JSON.stringify(started ?? result.events).includes('unhealthy=n2'), said(result));
  });

  it('is told only, where this run mends it: its upgrade failed, or all have the target', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n2'), 'start', 'fail', 6);
    await setKnob(lab.node('n2'), 'start', 'run', 'rm -f /var/lib/acme/running');
    await run(lab, ['upgrade', path, '--batch', '1,100%'], 1);
    await lab.node('n2').must('rm -f /var/lib/acme/running');
    await clearKnob(lab.node('n2'), 'start', 'fail');
    await clearKnob(lab.node('n2'), 'start', 'run');
    const again = await run(lab, ['upgrade', path], 0);
    assert.deepEqual(outcomes(again), { n1: 'unchanged', n2: 'upgraded' }, said(again));
    await lab.node('n1').must('rm -f /var/lib/acme/running');
    assert.deepEqual(outcomes(await run(lab, ['upgrade', path], 0)), { n1: 'upgraded', n2: 'unchanged' });
  });

  it('at the target, while others are still to come, blocks them: the new version may be what makes it sick', async () => {
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path, '--nodes', 'n1'], 0);
    await lab.node('n1').must('rm -f /var/lib/acme/running');
    assert.match((await run(lab, ['upgrade', path], 3)).stderr, /unhealthy/);
    assert.equal(await acmeVersion(lab.node('n2')), '1.5');
  });
});
