import { strict as assert } from 'node:assert';
import { CliRun, said } from '../../lab/cli';
import { type BackupScene, backupScene, createPoint, elsewhere, pointsOf, VAULT } from './backup-scene';
import { needsLab, run, start } from './scene';

describe('backup clean', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}], { backup: { paths: ['/etc/acme', '/opt/acme'] }, production: true });
  });
  after(() => scene.lab.stop());

  const CONFIRMED = ['--confirm', 'lab'];
  const ids = async (): Promise<string[]> => (await pointsOf(scene, 'vault')).map(({ id }) => id);
  async function clean(args: readonly string[], status = 0, options = {}): Promise<Record<string, unknown>> {
    const result = await run(scene.lab, ['backup', 'clean', 'vault', 'keep', ...args], status, options);
    return Object.fromEntries(
      result.events.map((each) => [String(each['id']), each['removed'] === true ? 'removed' : each['why']]),
    );
  }

  async function create(): Promise<string> {
    await run(scene.lab, ['backup', 'create', 'vault', ...CONFIRMED], 0);
    return (await ids()).at(-1) ?? '';
  }

  it('keeps what an open run refers to, here and as another machine finds it on the nodes, and the last verified one', async () => {
    const [first, second, third, fourth] = [await create(), await create(), await create(), await create()];
    // Those who made them never came to verifying them.
    for (const id of [third, fourth]) await scene.vault.must(`rm ${VAULT}/${id}/status.json`);
    const restore = start(scene.lab, ['backup', 'restore', first, ...CONFIRMED, '--yes']);
    for (const node of scene.nodes) await node.slow(100);
    await restore.waitFor((event) => event.type === 'step.started' && event['step'] === 'stage');
    const runs = '/var/lib/clusterlift/runs';
    for (const node of scene.nodes) {
      await until(
        async () =>
          (await node.must(`for r in ${runs}/*; do [ -e $r/closed ] || ls $r/plan.json; done 2>/dev/null || :`)) !== '',
      );
    }
    restore.kill();
    await restore.done;
    for (const node of scene.nodes) await node.slow();

    const why = {
      [first]: 'an open run refers to it',
      [second]: 'it is the last verified one',
      [third]: undefined,
      [fourth]: 'it is one of the last 1',
    };
    for (const options of [{}, await elsewhere(scene, {})]) {
      assert.deepEqual(await clean(['1', '--dry-run'], 0, options), why);
      assert.deepEqual(await ids(), [first, second, third, fourth]);
    }
    assert.deepEqual(await clean(['1', ...CONFIRMED], 0, await elsewhere(scene, {})), { ...why, [third]: 'removed' });
    assert.deepEqual(await ids(), [first, second, fourth]);
    for (const node of scene.nodes) {
      const digests = await node.must('ls /var/lib/clusterlift/points');
      assert.ok(!digests.includes(third) && digests.includes(first), digests);
    }
    const open = await run(scene.lab, ['runs'], 0);
    const id = String(open.events.find((each) => each['state'] !== 'finished')?.['run']);
    await run(scene.lab, ['runs', 'abandon', id, '--yes'], 0);
    assert.deepEqual(await clean(['1', ...CONFIRMED]), {
      [first]: 'removed',
      [second]: why[second],
      [fourth]: why[fourth],
    });
  });

  it('wants the name of a production cluster; --yes is enough elsewhere, and nothing is asked where nothing goes', async () => {
    await create();
    const before = await ids();
    const refused = await start(scene.lab, ['backup', 'clean', 'vault', 'keep', '1', '--yes']).done;
    assert.equal(refused.status, 2, said(refused));
    assert.match(refused.stderr, /confirmation-needed/);
    assert.match(
      (await start(scene.lab, ['backup', 'clean', 'vault', 'keep', '1', '--confirm', 'lap']).done).stderr,
      /confirm-wrong-name/,
    );
    assert.deepEqual(await ids(), before);
    assert.equal((await start(scene.lab, ['backup', 'clean', 'vault', 'keep', '0', ...CONFIRMED]).done).status, 2);
    await run(scene.lab, ['backup', 'clean', 'vault', 'keep', '9'], 0);
    await scene.edit((json) => delete json['production']);
    await run(scene.lab, ['backup', 'clean', 'vault', 'keep', '1', '--yes'], 0);
    assert.equal((await ids()).length, 1);
    const id = await createPoint(scene, 'vault');
    const { stdout: told } = await new CliRun(scene.lab, ['backup', 'clean', 'vault', 'keep', '1', '--dry-run']).done;
    assert.match(told, new RegExp(`${id}  kept: it is one of the last 1`));
    assert.match(told, /1 restore point would be removed from vault, 1 kept\./);
  });

  it('removes nothing while a node cannot say what is open on it', async () => {
    await createPoint(scene, 'vault');
    const before = await ids();
    await scene.lab.node('n2').stopSshd();
    const result = await start(scene.lab, ['backup', 'clean', 'vault', 'keep', '1', '--yes']).done;
    await scene.lab.node('n2').startSshd();
    assert.equal(result.status, 3, said(result));
    assert.match(result.stderr, /host-unreachable/);
    assert.deepEqual(await ids(), before);
  });
});

async function until(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 150_000; !(await done());) assert.ok(Date.now() < end, 'waited in vain');
}
