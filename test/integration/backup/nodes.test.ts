import { strict as assert } from 'node:assert';
import { self } from '../../../src/base/process';
import type { NodeModel } from '../../../src/cluster/model';
import { localBackup, parseLocation } from '../../../src/backup/points/location';
import { openStore } from '../../../src/backup/open';
import { newPointId, type Part } from '../../../src/backup/points/point';
import { assemblePoint, checkBackup, completePoint, verifyPoint } from '../../../src/backup/lifecycle';
import { checkRestore, restoreNode, restoreState, finishRestore, undoRestore } from '../../../src/backup/restore';
import type { BackupNode, Store } from '../../../src/backup/points/store';
import type { RunTask } from '../../../src/backup/points/task';
import { takeLock } from '../../../src/engine/node/lock';
import type { Fence } from '../../../src/ssh/fence';
import { Connector } from '../../../src/ssh/reach/connector';
import { runJob } from '../../../src/ssh/exec/jobs';
import { Secrets } from '../../../src/ssh/secrets';
import { Lab, whyNoLab } from '../../lab/nodes';
import { installRestic, resticProgram } from '../../lab/restic';

const SUDO_PASSWORD = 'open sesame';
const RESTIC_PASSWORD = "a 'restic' secret 4711";
const PATHS = ['/opt/acme', '/etc/acme.conf', '/srv/later'];
const RUN = 'run-1';
const CHECK = { how: 'write', purpose: 'backup' } as const;

/** Everything of the paths that a node can tell with the tools that each has. */
const CENSUS = `for p in ${PATHS.join(' ')}; do find "$p" -exec stat -c '%n %F %a %u:%g %h %Y' {} + -type f -exec md5sum {} + ; done 2>/dev/null | sort`;

describe('backups of real nodes, by jobs over SSH', function () {
  this.timeout(300_000);
  let lab: Lab;
  let connector: Connector;
  let nodes: BackupNode[];
  const fences = new Map<string, Fence>();
  let jobs = 0;

  before(async function () {
    if (whyNoLab() !== undefined) this.skip();
    lab = await Lab.start({
      nodes: [
        { name: 'dash', tools: 'dash', users: [{ name: 'platform', password: SUDO_PASSWORD, sudo: 'password' }] },
        { name: 'busy', tools: 'busybox' },
      ],
    });
    const secrets = new Secrets();
    secrets.provide('become-password', SUDO_PASSWORD);
    const asker = { ask: () => Promise.resolve(undefined) };
    connector = new Connector({
      cluster: 'lab',
      file: '/clusters.json',
      nodes: [],
      asker,
      secrets,
      acceptNewHostKeys: false,
      env: lab.env(),
      sshConfigs: [],
    });
    nodes = [node('dash', { user: 'platform', become: 'sudo' }), node('busy', {})];
    for (const each of nodes) {
      const taken = await takeLock(each.connection, {
        stateDir: each.stateDir,
        run: RUN,
        me: self(),
        token: 'token',
        user: 'test',
        command: 'test',
      });
      assert.ok(taken.kind !== 'held');
      fences.set(each.name, { run: RUN, epoch: taken.epoch });
    }
  });
  after(async () => {
    await connector.closeAll();
    await lab.stop();
  });
  beforeEach(async () => {
    for (const each of nodes) {
      await lab
        .node(each.name)
        .must(
          `rm -rf ${PATHS.join(' ')}; mkdir -p '/opt/acme/sub dir/empty' && cd /opt/acme && echo v1 > data && echo x > 'sub dir/ünï' && ln data hard && ln -s gone dangling && ` +
            'chown 12:34 data && chmod 4750 data && touch -d "2020-01-02 03:04:05" data && echo conf > /etc/acme.conf && chmod 640 /etc/acme.conf',
        );
    }
  });

  function node(name: string, more: Partial<NodeModel>): BackupNode {
    const { host, keyFile } = lab.node(name);
    const connection = connector.connect({
      name,
      connection: 'ssh',
      host,
      port: undefined,
      user: 'root',
      identityFile: keyFile,
      become: 'none',
      jump: undefined,
      roles: [],
      address: host,
      stateDir: undefined,
      ...more,
    });
    return { name, connection, stateDir: '/var/lib/clusterlift' };
  }

  function runTask(on: BackupNode): RunTask {
    return async (task) => {
      let log = '';
      const fence = fences.get(on.name);
      assert.ok(fence);
      const end = await runJob(
        on.connection,
        {
          id: `${RUN}.${on.name}.backup.${String(++jobs)}`,
          stateDir: on.stateDir,
          fence,
          command: { kind: 'text', text: task.text, args: task.args },
          secrets: task.secrets,
        },
        { onOutput: (text) => void (log += text) },
      );
      assert.ok(end.state === 'done', log);
      return { rc: end.rc, log };
    };
  }

  const census = (on: BackupNode): Promise<string> => lab.node(on.name).must(CENSUS);
  // busybox restores no times of directories, and says so.
  const comparable = (text: string): string => text.replace(/(directory|symbolic link) (.*) \d+$/gm, '$1 $2');

  async function thereAndBack(store: Store, some: readonly BackupNode[]): Promise<void> {
    for (const each of await store.check(some, 'create'))
      assert.equal(each.status, 'fulfilled', each.status === 'rejected' ? String(each.reason) : '');
    const check = await checkBackup(store, some, () => PATHS, CHECK);
    assert.deepEqual(
      check.findings.filter((each) => each.level === 'block'),
      [],
    );
    const id = newPointId('lab', new Date());
    const before = await Promise.all(some.map(census));
    const parts: Part[] = [];
    for (const each of some) {
      const quiet = { stop: 'echo stop >> /root/order', start: 'echo start >> /root/order' };
      await lab.node(each.name).must('rm -f /root/order');
      parts.push(
        await store.createPart({
          point: id,
          node: each,
          cluster: 'lab',
          run: RUN,
          version: '1',
          paths: PATHS,
          exclude: [],
          leaveOut: [],
          quiet,
          runTask: runTask(each),
        }),
      );
      assert.equal(await lab.node(each.name).must('cat /root/order'), 'stop\nstart\n');
    }
    const header = {
      id,
      cluster: 'lab',
      created: new Date().toISOString(),
      reason: 'manual' as const,
      run: RUN,
      package: null,
      manifest: null,
      scripts: {},
      exclude: [],
      quiet: true,
    };
    const point = assemblePoint(header, parts);
    await completePoint(store, point, some);
    const verified = await verifyPoint(store, id, some, { by: 'test', now: new Date() });
    assert.deepEqual([verified.state, verified.unknown], [{ kind: 'verified' }, []]);
    assert.deepEqual(
      (await store.listPoints(some)).map((each) => [each.id, each.state.kind]),
      [[id, 'verified']],
    );
    for (const each of some) {
      await lab
        .node(each.name)
        .must('cd /opt/acme && echo v2 > data && rm dangling && echo new > new; rm /etc/acme.conf; mkdir /srv/later');
    }
    const ruined = await Promise.all(some.map(census));
    const report = await checkRestore(store, await store.readPoint(id, some), some, undefined);
    assert.deepEqual(
      report.findings.filter((each) => each.level === 'block'),
      [],
    );
    assert.equal(report.trust.kind, 'known');
    for (const [index, each] of some.entries()) {
      for (const tag of ['r1', 'r2']) {
        const context = { store, point, node: each, tag, trusted: true, runTask: runTask(each) };
        await restoreNode(context);
        assert.equal(comparable(await census(each)), comparable(before[index] ?? ''), each.name);
        if (tag === 'r1') {
          await undoRestore(context);
          assert.equal(comparable(await census(each)), comparable(ruined[index] ?? ''), each.name);
        }
        assert.equal((await restoreState(context)).phase, tag === 'r1' ? 'back' : 'in');
        await finishRestore(context);
      }
      const left = await lab
        .node(each.name)
        .must(
          'ls -d /opt/.cl* /etc/.cl* /srv/.cl* /var/lib/clusterlift/restore/* /var/lib/clusterlift/spool/* 2>/dev/null || :',
        );
      assert.equal(left, '', each.name);
    }
    await store.removePoint(id, some);
    assert.deepEqual(await store.listPoints(some), []);
  }

  const site = {
    server: (host: string, port: number | undefined, user: string | undefined) => connector.server(host, port, user),
    resticPassword: () => Promise.resolve(RESTIC_PASSWORD),
  };

  it('go into the state directory of each node and come back, under dash with sudo and under busybox', async () => {
    await thereAndBack(openStore(localBackup(), site), nodes);
  });

  it('go through restic with its secret in nothing that stays', async function () {
    if (resticProgram() === undefined) this.skip();
    const [dash] = nodes;
    assert.ok(dash);
    await installRestic(lab.node('dash'));
    await lab.node('dash').must('mkdir -p /var/backups/restic');
    await thereAndBack(openStore(parseLocation({ name: 'vault', uri: 'restic:/var/backups/restic/repo' }), site), [
      dash,
    ]);
    const found = await lab
      .node('dash')
      .must(`grep -rlF ${JSON.stringify(RESTIC_PASSWORD)} /var/lib/clusterlift /root /home /tmp 2>/dev/null || :`);
    assert.equal(found, '');
  });
});
