import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { sleep } from '../../../src/base/async';
import { hasCode } from '../../../src/base/errors';
import { self } from '../../../src/base/process';
import type { NodeModel } from '../../../src/cluster/model';
import bootIdText from '../../../src/engine/node/bootid.sh';
import { gatherFacts } from '../../../src/engine/node/facts';
import { takeLock } from '../../../src/engine/node/lock';
import rebootText from '../../../src/engine/node/reboot.sh';
import { beginStage, finishStage, incomingPlace } from '../../../src/engine/node/stage';
import type { Fence } from '../../../src/ssh/fence';
import type { NodeConnection } from '../../../src/ssh/connection';
import { Connector } from '../../../src/ssh/reach/connector';
import { followJob, jobStatus, runJob, startJob, type JobEnd, type JobSpec } from '../../../src/ssh/exec/jobs';
import { ask } from '../../../src/ssh/exec/script';
import { Secrets } from '../../../src/ssh/secrets';
import { Lab, whyNoLab } from '../../lab/nodes';

const SUDO_PASSWORD = 'open sesame';
const TOKEN = 'planted-token-4711';

describe('the scripts of the engine on real nodes', function () {
  let lab: Lab;
  let connector: Connector;
  let runs = 0;

  before(async function () {
    if (whyNoLab() !== undefined) this.skip();
    lab = await Lab.start({
      nodes: [
        { name: 'dash', tools: 'dash', users: [{ name: 'platform', password: SUDO_PASSWORD, sudo: 'password' }] },
        { name: 'busy', tools: 'busybox', stateDirTmpfsMb: 3 },
      ],
    });
    const secrets = new Secrets();
    secrets.provide('become-password', SUDO_PASSWORD);
    connector = new Connector({
      cluster: 'lab',
      file: '/clusters.json',
      nodes: [],
      asker: { ask: () => Promise.resolve(undefined) },
      secrets,
      acceptNewHostKeys: false,
      env: lab.env(),
      sshConfigs: [],
    });
  });
  after(async () => {
    await connector.closeAll();
    await lab.stop();
  });

  const connect = (name: string, more: Partial<NodeModel> = {}): NodeConnection => {
    const { host, keyFile } = lab.node(name);
    return connector.connect({
      name: `${name}-${more.user ?? 'root'}`,
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
  };
  const asPlatform = (): NodeConnection => connect('dash', { user: 'platform', become: 'sudo' });

  /** What this directory holds outlives a power loss; the usual one of `busy` lies in memory. */
  const stateOf = (name: string): string | undefined => (name === 'busy' ? '/root/state' : undefined);

  /** The lock for a new run, whoever has it. */
  const lock = async (node: NodeConnection, stateDir?: string): Promise<Fence> => {
    const run = `r${String(++runs)}`;
    let result = await takeLock(node, { ...request(run), stateDir });
    if (result.kind === 'held') {
      const takeOver = { ...result, staleReason: 'process-dead' } as const;
      result = await takeLock(node, { ...request(run), stateDir, takeOver });
    }
    if (result.kind === 'held') assert.fail('the lock is held');
    return { run, epoch: result.epoch };
  };
  const request = (run: string) => ({
    stateDir: undefined,
    run,
    me: self(),
    token: run,
    user: 'test',
    command: 'test',
  });
  const job = (fence: Fence, text: string, more: Partial<JobSpec> = {}): JobSpec => ({
    id: `${fence.run}.n.job.1`,
    stateDir: undefined,
    fence,
    command: { kind: 'text', text: `echo ran >> /root/${fence.run}.ran\n${text}` },
    ...more,
  });
  const timesRun = async (name: string, fence: Fence): Promise<number> =>
    (await lab.node(name).readFile(`/root/${fence.run}.ran`)).split('\n').length - 1;

  for (const name of ['dash', 'busy'] as const) {
    it(`follow a job of ${name} over the death of its sshd, exactly once and without losing output`, async () => {
      const node = connect(name);
      const fence = await lock(node);
      const spec = job(fence, 'for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.3; done; exit 5');
      let log = '';
      let offset = 0;
      let lost = 0;
      const cut = sleep(1000).then(() => lab.node(name).restartSshd());
      let end: JobEnd | undefined;
      while (!end) {
        try {
          end = await runJob(node, spec, {
            offset,
            onOutput: (text) => void (log += text),
            onOffset: (at) => (offset = at),
          });
        } catch (error) {
          lost++;
          assert.ok(lost < 100 && (hasCode(error, 'link-lost') || hasCode(error, 'host-unreachable')), String(error));
          await sleep(100);
        }
      }
      await cut;
      assert.ok(lost > 0);
      assert.deepEqual([end.state, end.state === 'done' && end.rc], ['done', 5]);
      assert.equal(log, Array.from({ length: 8 }, (_, at) => `line ${String(at + 1)}\n`).join(''));
      assert.equal(await timesRun(name, fence), 1);
    });

    it(`know nothing about a job of ${name} that a power loss cut off, and do not run it again`, async () => {
      const node = connect(name);
      const stateDir = stateOf(name);
      const fence = await lock(node, stateDir);
      const spec = job(fence, 'sleep 60', { stateDir });
      await startJob(node, spec);
      await lab.node(name).must('sync');
      await lab.node(name).crash();
      await lab.node(name).boot();
      await retryWhileUnreachable(async () => {
        assert.deepEqual(await jobStatus(node, spec), { state: 'unknown', reason: 'other-boot' });
      });
      assert.deepEqual(await runJob(node, spec), { state: 'unknown', reason: 'other-boot' });
      assert.equal(await timesRun(name, fence), 1);
    });

    it(`restart ${name} once, proven by another boot id`, async () => {
      const node = connect(name);
      const stateDir = stateOf(name);
      const fence = await lock(node, stateDir);
      const before = (await ask(node, { text: bootIdText })).required('boot');
      const { boots } = lab.node(name);
      const spec = job(fence, '', {
        stateDir,
        command: { kind: 'text', text: rebootText, args: [before] },
      });
      const end = await runJob(node, spec).catch((error: unknown) => error);
      assert.ok(hasCode(end, 'link-lost') || (end as JobEnd).state === 'done', String(end));
      await retryWhileUnreachable(async () => {
        assert.notEqual((await ask(node, { text: bootIdText })).required('boot'), before);
      });
      await retryWhileUnreachable(() => runJob(node, spec));
      await lab.node(name).settled();
      assert.equal(lab.node(name).boots, boots + 1);
    });
  }

  it('work as root by sudo with a password, and show no secret to anybody on the node', async () => {
    const node = asPlatform();
    const fence = await lock(node);
    const spec = job(fence, 'id -u; printf "%s\\n" "$HOME" "$TOKEN" | wc -c; sleep 2', { secrets: { TOKEN } });
    let log = '';
    const running = runJob(node, spec, { onOutput: (text) => void (log += text) });
    const argvs: string[] = [];
    while (!log.includes('\n')) {
      argvs.push(
        ...lab
          .node('dash')
          .processes()
          .flatMap(({ argv }) => argv),
      );
      await sleep(20);
    }
    argvs.push(
      ...lab
        .node('dash')
        .processes()
        .flatMap(({ argv }) => argv),
    );
    assert.equal((await running).state, 'done');
    assert.deepEqual(log.trim().split('\n'), ['0', String('/root\n'.length + TOKEN.length + 1)]);
    assert.ok(
      argvs.some((each) => each.includes(fence.run)),
      'the job was seen',
    );
    assert.deepEqual(
      argvs.filter((each) => each.includes(TOKEN) || each.includes(SUDO_PASSWORD)),
      [],
    );
    const found = await lab
      .node('dash')
      .run(`grep -r -l -F -e ${TOKEN} -e '${SUDO_PASSWORD}' /var/lib/clusterlift /run /tmp /dev/shm /home`);
    assert.equal(found.stdout, '');
  });

  it('use only the copy that root made of what the login user uploaded', async () => {
    const node = asPlatform();
    const fence = await lock(node);
    const content = Buffer.from('the image '.repeat(20_000));
    const sha256 = createHash('sha256').update(content).digest('hex');
    const target = { stateDir: '/var/lib/clusterlift', sha256, size: content.length, fence };
    const upload = async (bytes: Uint8Array): Promise<string> => {
      const { path, offset } = await incomingPlace(node, target);
      async function* source(): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(bytes.subarray(offset));
      }
      await node.append({ path, offset, source: source(), idleTimeout: 10_000 });
      return path;
    };
    await beginStage(node, target, 1);
    const path = await upload(content);
    await lab.node('dash').must(`su platform -c 'mv ${path} ${path}.x; ln -s /etc/shadow ${path}'`);
    await assert.rejects(finishStage(node, target, path), (e) => hasCode(e, 'stage-source'));
    await lab.node('dash').must(`su platform -c 'rm ${path}; mv ${path}.x ${path}'`);
    await finishStage(node, target, path);
    await lab.node('dash').must(`su platform -c 'echo swapped > ${path}'`);
    const staged = `/var/lib/clusterlift/packages/${sha256}/image.iso`;
    assert.equal(await lab.node('dash').readFile(staged), content.toString());
    assert.equal(await lab.node('dash').must(`stat -c '%u %a' ${staged}`), '0 600\n');
  });

  it('refuse a state directory where programs may not run, and one without room', async () => {
    const node = connect('busy');
    await lab.node('busy').must('mkdir -p "/srv/a b" && mount -t tmpfs -o noexec none "/srv/a b"');
    const stateDir = '/srv/a b/state';
    const { inode, ...state } = (await gatherFacts(node, { stateDir })).state;
    assert.match(inode ?? '', /^\d+$/);
    assert.deepEqual(state, { path: stateDir, exists: false, foreign: false, noexec: true, readOnly: false });
    await assert.rejects(takeLock(node, { ...request('noexec'), stateDir }), (e) => hasCode(e, 'state-noexec'));
    const fence = await lock(node);
    const target = { stateDir: '/var/lib/clusterlift', sha256: '0'.repeat(64), size: 4e6, fence };
    await assert.rejects(beginStage(node, target, 8e6), (e) => hasCode(e, 'stage-space'));
  });

  it('tell the login user apart from whom sudo makes of it', async () => {
    const facts = await gatherFacts(asPlatform(), { stateDir: undefined, commands: ['openssl'] });
    assert.deepEqual(facts.login, { user: 'platform', home: '/home/platform' });
    assert.equal(facts.root, true);
    assert.equal(facts.state.path, '/var/lib/clusterlift');
    assert.equal(facts.systemd, false);
    const busy = await gatherFacts(connect('busy'), { stateDir: undefined });
    assert.equal(busy.tar.kind, 'busybox');
  });

  it('work without root, in the state directory of the user', async () => {
    const node = connect('dash', { user: 'platform', name: 'dash-plain' });
    const facts = await gatherFacts(node, { stateDir: undefined });
    assert.deepEqual([facts.root, facts.state.path], [false, '/home/platform/.local/state/clusterlift']);
    const fence = await lock(node);
    const command = { kind: 'text', text: 'id -un; [ "$TOKEN" = "$1" ]' } as const;
    let log = '';
    const spec = job(fence, '', { command: { ...command, args: ['other'] }, secrets: { TOKEN: 'other' } });
    const end = await runJob(node, spec, { onOutput: (text) => void (log += text) });
    assert.deepEqual([end.state === 'done' && end.rc, log], [0, 'platform\n']);
    await assert.rejects(
      takeLock(node, { ...request('foreign'), stateDir: '/var/lib/clusterlift' }),
      (e) => hasCode(e, 'state-create') || hasCode(e, 'state-owner'),
    );
  });

  it('are told the job state by a follower that only looks', async () => {
    const node = connect('dash');
    assert.equal((await followJob(node, { stateDir: undefined, id: 'no.such.job.1' })).state, 'absent');
  });
});

async function retryWhileUnreachable<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 100) throw error;
      await sleep(200);
    }
  }
}
