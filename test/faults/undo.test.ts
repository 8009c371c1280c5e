import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions, setKnob } from '../lab/acme';
import { type CliOptions, type CliResult, said } from '../lab/cli';
import { resticProgram } from '../lab/restic';
import type { PointRow } from '../../src/terminal/backup';
import {
  assertUnlocked,
  censusOf,
  codes,
  createPoint,
  elsewhere,
  pointsOf,
  readyLocation,
  VAULT,
  withRestic,
} from '../integration/cli/backup-scene';
import { run, start } from '../integration/cli/scene';
import { both, isBack, reinstall, runs, spoil, useBackups } from './backups';
import { isMoment, killedAt, type Moment, nothingLeft, powerLoss } from './faults';

/** Written by the application after the point that is restored was made. */
const LATE = '/opt/acme/orders-of-today';

describe('a restore keeps what it replaces', function () {
  this.timeout(300_000);
  const scene = useBackups({ manifest: { timeouts: { health: '2s' } } });
  /** What was there before the restore. */
  let was: readonly string[] = [];
  beforeEach(async () => {
    await spoil(scene());
    await write('orders');
    was = await censusOf(scene().nodes);
  });

  async function write(text: string): Promise<void> {
    for (const node of scene().nodes) await node.must(`echo '${text}' > ${LATE}`);
  }

  const words = (...more: string[]): string[] => ['backup', 'restore', scene().point, '--yes', ...more];

  async function undoPoints(): Promise<readonly PointRow[]> {
    return (await pointsOf(scene(), 'vault')).filter(({ reason }) => reason === 'restore');
  }

  /** The points that a run made before its restore. */
  async function madeBy(result: CliResult): Promise<readonly PointRow[]> {
    const id = String(result.events.find(({ type }) => type === 'run.started')?.['run']);
    return (await undoPoints()).filter((point) => point.run === id);
  }

  /** The point brings everything back as it was before the restore, and the application runs. */
  async function bringsBack(point: PointRow | undefined, version = '2.0', on: CliOptions = {}): Promise<void> {
    assert.equal(point?.state, 'verified');
    assert.equal(point.before, scene().point);
    both(await run(scene().lab, ['backup', 'restore', point.id, '--yes'], 0, on), 'restored');
    assert.deepEqual(await censusOf(scene().nodes), was);
    await runs(scene().nodes, version);
    await nothingLeft(scene().nodes);
  }

  it('in a point that is made first, verified, marked, and brings all of it back', async () => {
    const { lab, point, nodes } = scene();
    const plan = await run(lab, ['backup', 'restore', point, '--dry-run'], 0);
    assert.match(
      JSON.stringify(plan.events[0]),
      new RegExp(`"undo":\\{"id":"[^"]+","backup":\\{"reason":"restore","before":"${point}"`),
    );
    assert.deepEqual(await undoPoints(), [], 'a dry run makes none');
    const result = await run(lab, words(), 0);
    both(result, 'restored');
    await isBack(scene());
    const [undo, ...more] = await madeBy(result);
    assert.deepEqual(more, []);
    assert.match(
      result.stderr.replace(/\s+/g, ' '),
      new RegExp(`saved in restore point ${String(undo?.id)}.*backup restore ${String(undo?.id)} --location vault`),
    );
    // It is there before the first node is stopped.
    const at = (type: string, what: string): number =>
      result.events.findIndex((event) => isMoment(event, [type, what]));
    const verified = result.events.findIndex(
      (event) => event.type === 'point' && event['undo'] === true && event['state'] === 'verified',
    );
    assert.ok(verified > 0 && verified < at('step.started', 'stop'), said(result));
    const list = await run(lab, ['backup', 'list', 'vault'], 0, { env: { COLUMNS: '200' } });
    assert.match(list.stderr + list.stdout, new RegExp(point));
    await bringsBack(undo);
    await assertUnlocked(nodes);
  });

  it('on the nodes that are restored only', async () => {
    const { n1 } = scene();
    const result = await run(scene().lab, words('--nodes', 'n2'), 0);
    const [undo] = await madeBy(result);
    assert.deepEqual(Object.keys(undo?.nodes ?? {}), ['n2']);
    assert.ok(await n1.exists(LATE));
    await run(scene().lab, ['backup', 'restore', undo?.id ?? '', '--yes'], 0);
    assert.deepEqual(await censusOf(scene().nodes), was);
  });

  it('where nothing was installed, the way back removes the application again', async () => {
    const { lab, nodes, point } = scene();
    for (const node of nodes)
      await node.must('rm -rf /etc/acme /opt/acme /var/lib/acme/running /var/lib/clusterlift/installed');
    const result = await run(lab, words(), 0);
    both(result, 'restored');
    const [undo] = await madeBy(result);
    const stops = (await executions(nodes, 'stop')).length;
    both(await run(lab, ['backup', 'restore', undo?.id ?? '', '--yes'], 0), 'restored');
    for (const node of nodes) {
      assert.equal(await acmeVersion(node), undefined);
      assert.ok(!(await node.exists('/opt/acme')) && !(await node.exists('/var/lib/acme/running')), node.name);
    }
    assert.equal((await executions(nodes, 'stop')).length, stops + nodes.length);
    both(await run(lab, ['backup', 'restore', point, '--yes'], 0), 'restored');
    // For the tests that follow: 2.0, as an upgrade leaves it.
    const { path } = await acmePackage('2.0', { manifest: { timeouts: { health: '2s' } } });
    await run(lab, ['upgrade', path], 0);
  });

  describe('or does not start', () => {
    async function untouched(result: CliResult, status: number): Promise<void> {
      assert.equal(result.status, status, said(result));
      assert.ok(codes(result).includes('no-undo'), result.stderr);
      assert.match(result.stderr, /--override no-undo/);
      assert.deepEqual(await censusOf(scene().nodes), was);
      assert.deepEqual(await executions(scene().nodes, 'stop'), []);
      await assertUnlocked(scene().nodes);
      await nothingLeft(scene().nodes);
    }

    it('without room: refused when it is planned; --override no-undo does without, and is recorded', async () => {
      const { lab, vault, nodes } = scene();
      await vault.must(
        `mkdir -p /srv/kept && cp -a ${VAULT}/. /srv/kept/ && mount -t tmpfs -o size=8m tmpfs ${VAULT} && cp -a /srv/kept/. ${VAULT}/ && head -c 7500000 /dev/zero > ${VAULT}/filler || :`,
      );
      const had = (await undoPoints()).length;
      await untouched(await run(lab, words(), 3), 3);
      const result = await run(lab, words('--override', 'no-undo'), 0);
      both(result, 'restored');
      assert.ok(result.events.some((event) => event.type === 'override' && event['code'] === 'no-undo'));
      assert.equal((await undoPoints()).length, had);
      await vault.must(`umount ${VAULT}; rm -rf /srv/kept`);
      for (const node of nodes) assert.ok(!(await node.exists(LATE)));
    });

    it('for one node: the others keep theirs', async () => {
      const result = await run(scene().lab, words('--override', 'no-undo=n2'), 0);
      assert.deepEqual(
        (await madeBy(result)).map(({ nodes }) => Object.keys(nodes)),
        [['n1']],
      );
    });

    it('when the point cannot be made in the run: nothing is changed, and it says how to go on', async () => {
      const { lab, vault, n2 } = scene();
      const command = start(lab, words());
      await command.waitFor((event) => isMoment(event, ['run.started']));
      await vault.must(`mount --bind ${VAULT} ${VAULT}; mount -o remount,ro,bind ${VAULT}`);
      const result = await command.done;
      await vault.must(`umount -l ${VAULT}`);
      assert.ok(await n2.exists(LATE));
      await untouched(result, result.status ?? -1);
      assert.notEqual(result.status, 0);
    });
  });

  describe('and a restore that is interrupted', () => {
    const MOMENTS: readonly Moment[] = [
      ['point', 'creating'],
      ['step.started', 'backup', 'fresh'],
      ['point', 'complete'],
      ['step.started', 'verify-backup', 'fresh'],
      ['step.started', 'stop'],
      ['step.finished', 'restore'],
    ];
    for (const moment of MOMENTS) {
      it(`killed at ${moment.join(' ')}: resume ends it, with one point that brings all of it back`, async () => {
        const killed = await killedAt(scene().lab, words(), (event) => isMoment(event, moment));
        const resumed = await run(scene().lab, ['resume'], 0);
        both(resumed, 'restored');
        await isBack(scene());
        const made = await madeBy(killed);
        assert.equal(made.length, 1);
        await bringsBack(made[0]);
      });
    }

    it('stopped before any node began, and resumed later: each node gets a newer part first', async () => {
      const { lab, n1 } = scene();
      const command = start(lab, words());
      await command.waitFor((event) => event.type === 'point' && event['state'] === 'complete');
      await run(lab, ['stop'], 0);
      const stopped = await command.done;
      if (stopped.status === 0) return;
      await write('orders of tomorrow');
      was = await censusOf(scene().nodes);
      both(await run(lab, ['resume'], 0), 'restored');
      assert.ok(!(await n1.exists(LATE)));
      const newest = (await madeBy(stopped)).filter(({ nodes }) => Object.keys(nodes).length === 1);
      const ids = newest.length > 0 ? newest.map(({ id }) => id) : (await madeBy(stopped)).map(({ id }) => id);
      for (const id of ids) await run(lab, ['backup', 'restore', id, '--yes'], 0);
      assert.deepEqual(await censusOf(scene().nodes), was);
    });

    it('killed, and taken from the nodes by another machine: the same', async () => {
      const killed = await killedAt(
        scene().lab,
        words(),
        (event) => event.type === 'point' && event['state'] === 'complete',
      );
      const id = String(killed.events.find(({ type }) => type === 'run.started')?.['run']);
      const other = await elsewhere(scene());
      both(await run(scene().lab, ['resume', id, '--from-nodes', '--cluster', 'lab', '--yes'], 0, other), 'restored');
      await isBack(scene());
      await bringsBack((await madeBy(killed))[0], '2.0', other);
    });

    it('while a node dies in its backup: the same run ends', async () => {
      const { n2, lab } = scene();
      const command = start(lab, words());
      await command.waitFor((event) => isMoment(event, ['step.started', 'backup', 'fresh']) && event['node'] === 'n2');
      await powerLoss(n2, () => n2.must(': > /var/lib/acme/running').then(() => undefined));
      const result = await command.done;
      assert.equal(result.status, 0, said(result));
      await isBack(scene());
      await bringsBack((await madeBy(result))[0]);
    });
  });

  it('keeps the points of the last three restores beside those that clean counts', async () => {
    const { lab } = scene();
    for (let times = 0; times < 4; times++) await run(lab, words(), 0);
    const before = await pointsOf(scene(), 'vault');
    const usual = before.filter(({ reason }) => reason !== 'restore').map(({ id }) => id);
    await run(lab, ['backup', 'clean', 'vault', 'keep', '1'], 0);
    const after = await pointsOf(scene(), 'vault');
    assert.deepEqual(
      after.filter(({ reason }) => reason !== 'restore').map(({ id }) => id),
      usual.slice(-1),
    );
    assert.deepEqual(
      after.filter(({ reason }) => reason === 'restore').map(({ id }) => id),
      before
        .filter(({ reason }) => reason === 'restore')
        .map(({ id }) => id)
        .slice(-3),
    );
  });
});

describe('a restore of paths, without any package', function () {
  this.timeout(300_000);
  const scene = useBackups();
  for (const location of ['files', 'localbackup', 'restic']) {
    it(`${location}: keeps what it replaces, and brings it back`, async function () {
      if (location === 'restic' && resticProgram() === undefined) this.skip();
      const { lab, nodes } = scene();
      await readyLocation(scene(), location);
      const id = await createPoint(scene(), location);
      for (const node of nodes) await node.must(`echo orders > ${LATE}; rm -rf '/opt/acme/a dir'`);
      const was = await censusOf(nodes);
      await run(lab, ['backup', 'restore', id, '--yes'], 0, withRestic);
      for (const node of nodes) assert.ok(!(await node.exists(LATE)));
      const undo = (await pointsOf(scene(), location)).at(-1);
      assert.deepEqual([undo?.reason, undo?.before, undo?.state], ['restore', id, 'verified']);
      await run(lab, ['backup', 'restore', undo?.id ?? '', '--yes'], 0, withRestic);
      assert.deepEqual(await censusOf(nodes), was);
      await run(lab, ['backup', 'restore', id, '--yes', '--override', 'no-undo'], 0, withRestic);
    });
  }
});

describe('a rollback keeps what it replaced', function () {
  this.timeout(300_000);
  const scene = useBackups();
  beforeEach(async () => {
    await reinstall(scene());
    for (const node of scene().nodes)
      await node.must(
        'rm -rf /opt/acme/orders-of-today /opt/acme/filler /etc/.clusterlift-* /opt/.clusterlift-* /var/lib/clusterlift/restore/*',
      );
  });

  /** n2 fails, after both wrote something that only the failed upgrade knows. */
  async function fails(status = 1): Promise<CliResult> {
    const { lab, n1, n2 } = scene();
    const { path } = await acmePackage('2.0');
    for (const node of [n1, n2]) await setKnob(node, 'upgrade', 'run', `echo orders > ${LATE}`);
    await setKnob(n2, 'upgrade', 'fail', 7);
    return run(lab, ['upgrade', path, 'serial', 'backup', 'files', '--on-failure', 'rollback'], status);
  }

  /** Where it is said to be kept, by node. */
  function keptIn(result: CliResult): Record<string, string[]> {
    const told = result.events.filter(({ type, code }) => type === 'warning' && code === 'rollback-kept');
    return Object.fromEntries(
      told.map((event) => [String(event['node']), String(event['message']).match(/\/\S+\/old\/\d+\/[^,\s]+/g) ?? []]),
    );
  }

  it('where the journal and the report say, until the next upgrade of the node', async () => {
    const { lab, nodes } = scene();
    const result = await fails();
    both(result, 'rolled-back');
    await runs(nodes, '1.0');
    const kept = keptIn(result);
    for (const node of nodes) {
      const places = kept[node.name] ?? [];
      assert.equal(places.length, 2, JSON.stringify(kept));
      assert.match(
        result.stderr.replace(/\s+/g, ' '),
        new RegExp(`${node.name}: what the rollback replaced is kept in ${places[0] ?? ''}`),
      );
      assert.equal(
        await node.must(`cat ${places.join('/orders-of-today ')}/orders-of-today 2>/dev/null || :`),
        'orders\n',
      );
      assert.ok(!(await node.exists(LATE)));
      // Only what was replaced, and only for root.
      assert.match(await node.must(`ls -A ${(places[0] ?? '').replace(/\/old\/.*/, '')}`), /^old\s*$/);
      assert.match(await node.must(`stat -c %a:%U ${(places[0] ?? '').replace(/\/old\/.*/, '')}`), /^700:root/);
    }
    await nothingLeft(nodes);
    // The next failure keeps its own, and nothing of the first.
    const second = keptIn(await fails());
    for (const node of nodes) {
      for (const place of kept[node.name] ?? []) assert.ok(!(await node.exists(place)), place);
      for (const place of second[node.name] ?? []) assert.ok(await node.exists(place), place);
    }
    await nothingLeft(nodes);
    for (const node of nodes) await node.must('rm -rf /var/acme-knobs');
    const { path } = await acmePackage('2.0');
    await run(lab, ['upgrade', path, 'serial'], 0);
    for (const node of nodes)
      assert.equal(await node.must('ls -d /etc/.clusterlift-* /opt/.clusterlift-* 2>/dev/null || :'), '');
  });

  it('until the next restore of the node', async () => {
    const { lab, nodes } = scene();
    const kept = keptIn(await fails());
    const point = (await pointsOf(scene(), 'files')).findLast(({ reason }) => reason === 'upgrade')?.id ?? '';
    await run(lab, ['backup', 'restore', point, '--yes', '--override', 'no-undo'], 0);
    for (const node of nodes) for (const place of kept[node.name] ?? []) assert.ok(!(await node.exists(place)), place);
  });

  it('not where less room is left than it takes: then that is said', async () => {
    const { n1, n2, nodes } = scene();
    await n2.must(
      'mkdir -p /srv/small && mount -t tmpfs -o size=40m,mode=755 tmpfs /srv/small && mkdir /srv/small/acme && head -c 15m /dev/zero > /srv/small/acme/data',
    );
    await n1.must('mkdir -p /srv/small/acme');
    await scene().edit((cluster) => {
      cluster['backup'] = { paths: ['/etc/acme', '/opt/acme', '/srv/small/acme'] };
    });
    const result = await fails();
    await scene().edit((cluster) => {
      cluster['backup'] = { paths: ['/etc/acme', '/opt/acme'] };
    });
    both(result, 'rolled-back');
    assert.equal(keptIn(result)['n1']?.length, 3);
    assert.match(
      result.stderr.replace(/\s+/g, ' '),
      /n2: what the rollback replaced is not kept: there was less room left than it takes/,
    );
    assert.equal(await n2.must('ls -d /srv/small/.clusterlift-* /etc/.clusterlift-* 2>/dev/null || :'), '');
    assert.equal((await n2.must('stat -c %s /srv/small/acme/data')).trim(), String(15 * 1024 * 1024));
    await n2.must('umount /srv/small');
    await nothingLeft(nodes);
  });

  it('killed right after it was kept: resume ends the rollback, and it is still there', async () => {
    const { lab, nodes, n1, n2 } = scene();
    const { path } = await acmePackage('2.0');
    await setKnob(n1, 'upgrade', 'run', `echo orders > ${LATE}`);
    await setKnob(n2, 'upgrade', 'fail', 7);
    const words = ['upgrade', path, 'serial', 'backup', 'files', '--on-failure', 'rollback'];
    const killed = await killedAt(lab, words, (event) => event.type === 'warning' && event['code'] === 'rollback-kept');
    both(await run(lab, ['resume'], 1), 'rolled-back');
    const [[node, places] = ['', []]] = Object.entries(keptIn(killed));
    assert.ok(places.length > 0);
    for (const place of places) assert.ok(await lab.node(node).exists(place), place);
    await nothingLeft(nodes);
  });
});
