import { strict as assert } from 'node:assert';
import { join, resolve } from 'node:path';
import { stateHome } from '../../../src/base/paths';
import type { JournalEntry, LiveEvent } from '../../../src/engine/journal/events';
import { RunClient } from '../../../src/service/client';
import { QueryClient } from '../../../src/service/query-client';
import type { OpenQuestion } from '../../../src/service/protocol';
import { spawnRun, type Launcher } from '../../../src/service/spawn';
import { deferred } from '../../../src/ssh/deferred';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../../lab/acme';
import { CliRun, said } from '../../lab/cli';
import type { Lab } from '../../lab/nodes';
import { acmeCluster, exactlyOnce, needsLab, underWay } from '../cli/scene';

const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../../dist/cli.js');

/** The built command line in processes of its own, on real nodes. */
describe('a run in a process of its own, on real nodes', function () {
  this.timeout(300_000);
  let lab: Lab;
  let launcher: Launcher;
  let client: QueryClient | undefined;

  before(function () {
    needsLab(this);
  });
  afterEach(async () => {
    client?.dispose();
    client = undefined;
    await lab.stop();
  });

  async function setUp(production: boolean): Promise<string> {
    lab = await acmeCluster([{}, {}], { production });
    const env = lab.env();
    launcher = { execPath: process.execPath, script: CLI, stateHome: stateHome(env), env };
    return (await acmePackage('2.0')).path;
  }

  it('goes on without the window that started it; another terminal follows it to its end', async () => {
    const path = await setUp(true);
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    const [seen, lines]: [(JournalEntry | LiveEvent)[], string[]] = [[], []];
    const asked = [deferred<OpenQuestion>(), deferred<OpenQuestion>()] as const;
    let count = 0;
    const planned = deferred<string>();
    const window = await spawnRun(
      launcher,
      { argv: ['upgrade', path], cwd: lab.home, by: 'ann@desk', secrets: {} },
      {
        events: (events) => seen.push(...events),
        said: (more) => lines.push(...more),
        question: (open) => {
          asked[Math.min(count++, 1) as 0 | 1].resolve(open);
        },
        planned: (_, folder) => {
          planned.resolve(folder);
        },
      },
    );
    const { id, question } = await asked[0].promise;
    assert.ok(question.kind === 'confirm' && question.typeName !== undefined);
    assert.match(lines.join('\n'), /no-backup/);
    assert.match(question.text, /n1: unknown → 2\.0/);
    assert.ok(await window.answer(id, 'yes'));
    const again = await asked[1].promise;
    assert.match(again.question.kind === 'confirm' ? again.question.text : '', /n1: 1\.0 → 2\.0/);
    assert.ok(await window.answer(again.id, 'yes'));
    const folder = await planned.promise;
    await underWay(lab, 'upgrade', 2);
    window.close();

    const terminal = new CliRun(lab, ['attach', '--json']);
    const other = await RunClient.connect(folder);
    const replayed: (JournalEntry | LiveEvent)[] = [];
    await other.follow(1, { events: (events) => replayed.push(...events) });
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    const end = await other.end;
    assert.ok(end.kind === 'ended');
    assert.deepEqual([end.end.outcome, end.end.status], ['succeeded', 0]);
    const seqs = replayed.flatMap((event) => ('seq' in event ? [event.seq] : []));
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, index) => index + 1),
    );
    assert.equal(replayed.findLast((event) => 'seq' in event)?.type, 'run.finished');
    const attached = await terminal.done;
    assert.equal(attached.status, 0, said(attached));
    assert.equal(attached.finished?.outcome, 'succeeded');
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '2.0');
    await exactlyOnce(lab.nodes);
  });

  it('is stopped from another terminal: begun nodes are finished, and it ends', async () => {
    const path = await setUp(false);
    for (const node of lab.nodes) await setKnob(node, 'upgrade', 'wait');
    const follower = { events: () => undefined };
    const request = { argv: ['upgrade', path, 'serial'], cwd: lab.home, by: 'ann@desk', secrets: {} };
    const window = await spawnRun(launcher, request, follower);
    await underWay(lab, 'upgrade', 1);
    const stopped = await new CliRun(lab, ['stop']).done;
    assert.equal(stopped.status, 0, said(stopped));
    for (const node of lab.nodes) await clearKnob(node, 'upgrade', 'wait');
    const end = await window.end;
    assert.ok(end.kind === 'ended');
    assert.deepEqual(
      Object.values(end.end.nodes).map((each) => each.outcome),
      ['upgraded', 'not-started'],
    );
  });

  it('is refused with the report of the checks, before anything was changed', async () => {
    await setUp(false);
    const lines: string[] = [];
    const request = { argv: ['upgrade', join(lab.home, 'missing.iso')], cwd: lab.home, by: 'ann@desk', secrets: {} };
    const window = await spawnRun(launcher, request, { events: () => undefined, said: (more) => lines.push(...more) });
    const end = await window.end;
    assert.ok(end.kind === 'ended');
    assert.equal(end.end.status, 3, JSON.stringify(end));
    assert.match(end.end.error?.message ?? '', /missing\.iso/);
  });

  it('a window looks at its nodes, but changes nothing that way', async () => {
    const path = await setUp(false);
    client = new QueryClient(launcher, { ask: () => Promise.resolve(undefined) });
    const request = (...argv: string[]) => ({ argv, cwd: lab.home, by: 'ann@desk', secrets: {} });
    const [status, inspected] = await Promise.all([
      client.query(request('status', '--json')),
      client.query(request('package', 'inspect', path, '--json')),
    ]);
    assert.deepEqual(
      status.rows.map((row) => (row as { node: string }).node),
      ['n1', 'n2'],
      JSON.stringify(status),
    );
    assert.match(JSON.stringify(inspected.rows), /"2\.0"/);
    assert.equal((await client.query(request('upgrade', path))).error?.code, 'usage-not-a-look');
    assert.equal((await client.query(request('statos'))).status, 2);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
  });
});
