import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { lchown, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { arch, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../../../src/base/errors';
import { bootId, self } from '../../../../src/base/process';
import { clockSkew } from '../../../../src/cluster/facts';
import { gatherFacts, parseFacts, parseOsRelease } from '../../../../src/engine/node/facts';
import { takeLock } from '../../../../src/engine/node/lock';
import { quote } from '../../../../src/base/shell';
import { runJob, startJob } from '../../../../src/ssh/exec/jobs';
import { parseEntries } from '../../../../src/ssh/exec/script';
import { underBothShells } from './shells';

underBothShells('The facts of a node', (place) => {
  it('tell of the machine, the login and the tools, and write nothing', async () => {
    const { node, stateDir, root } = place();
    // As the system knows it, whatever HOME says.
    const home = userInfo().homedir;
    const facts = await gatherFacts(node, {
      stateDir,
      commands: ['sh', 'no-such-command', 'tar', 'bad;name'],
      paths: [root, '~/not/there', '/proc'],
    });
    assert.equal(facts.hostname, hostname());
    assert.equal(facts.arch, arch() === 'x64' ? 'x86_64' : 'aarch64');
    assert.equal(facts.bootId, bootId());
    assert.deepEqual(facts.login, { user: userInfo().username, home });
    assert.equal(facts.root, process.getuid?.() === 0);
    assert.match(facts.os.id, /^[a-z0-9._-]+$/);
    assert.deepEqual(facts.commands, { sh: true, 'no-such-command': false, tar: true, 'bad;name': false });
    assert.equal(clockSkew(facts), 0);
    assert.deepEqual(facts.state, {
      path: stateDir,
      exists: false,
      inode: facts.state.inode,
      foreign: false,
      noexec: false,
      readOnly: false,
    });
    assert.deepEqual(
      facts.space.map(({ path }) => path),
      [stateDir, home, root, `${home}/not/there`, '/proc'],
    );
    assert.ok((facts.space[0]?.free ?? 0) > 1e6);
    assert.ok(facts.space[0]?.mount.startsWith('/'));
    assert.match(facts.tar.kind, /gnu|busybox/);
    assert.deepEqual([facts.products, facts.packages, facts.openJobs, facts.requests], [[], [], [], []]);
    assert.equal(facts.lock, undefined);
    assert.equal(existsSync(stateDir), false);
  });

  it('tell a link that another user made apart, and nothing is written where it leads', async function () {
    if (process.getuid?.() !== 0) this.skip();
    const { node, stateDir, root } = place();
    const victim = join(root, 'of root');
    await mkdir(victim, { mode: 0o755 });
    await symlink(victim, stateDir);
    assert.equal((await gatherFacts(node, { stateDir })).state.foreign, false);
    await lchown(stateDir, 65534, 65534);
    assert.equal((await gatherFacts(node, { stateDir })).state.foreign, true);
    const take = takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'ann', command: 'c' });
    await assert.rejects(take, (error) => hasCode(error, 'state-owner'));
    assert.deepEqual([await readdir(victim), (await stat(victim)).mode & 0o777], [[], 0o755]);
  });

  it('tell of the lock, open jobs, requests, products and staged packages', async () => {
    const { node, stateDir, root } = place();
    const busy = join(root, 'busy');
    await writeFile(busy, '');
    const whileBusy = `for second in $(seq 60); do [ ! -e ${quote(busy)} ] || sleep 1; done`;
    await takeLock(node, { stateDir, run: 'r1', me: self(), token: 't', user: 'ann', command: 'c' });
    const job = { stateDir, fence: { run: 'r1', epoch: 1 }, command: { kind: 'text', text: 'exit 1' } } as const;
    const record = { product: 'acme', json: '{"run":"r1"}' };
    await runJob(node, { ...job, id: 'r1.n1.a.1', record });
    await startJob(node, { ...job, id: 'r1.n1.b.1', command: { kind: 'text', text: whileBusy } });
    const [whole, part] = ['a'.repeat(64), 'b'.repeat(64)];
    await mkdir(join(stateDir, 'packages', whole, 'files'), { recursive: true });
    await mkdir(join(stateDir, 'packages', part), { recursive: true });
    await mkdir(join(stateDir, 'packages/not a digest'), { recursive: true });
    await writeFile(join(stateDir, 'packages', whole, 'image.iso'), 'twelve bytes');
    await writeFile(join(stateDir, 'packages', part, 'image.iso.part'), 'ten bytes.');
    await writeFile(join(stateDir, 'installed/acme/manifest.json'), '{"product":"acme"}\nlock 3\nfoo\n');
    await writeFile(join(stateDir, 'requests/provision'), '{"run":"r0","node":"n\\u001b[31m1","time":5}');
    await writeFile(join(stateDir, 'requests/reboot'), 'nonsense');
    await mkdir(join(stateDir, 'runs/r0'), { recursive: true });
    await writeFile(join(stateDir, 'runs/r0/plan.json'), '{}');

    const facts = await gatherFacts(node, { stateDir });
    await rm(busy);
    assert.equal(facts.state.exists, true);
    assert.equal(facts.lock?.owner.user, 'ann');
    assert.equal(facts.lock.owner.run, 'r1');
    assert.deepEqual(facts.lock.jobsAlive, ['r1.n1.b.1']);
    assert.deepEqual(facts.openJobs, [{ id: 'r1.n1.b.1', run: 'r1', state: 'running' }]);
    assert.deepEqual(facts.packages, [
      { sha256: whole, size: 12, part: 0, unpacked: true },
      { sha256: part, size: undefined, part: 10, unpacked: false },
    ]);
    assert.deepEqual(facts.requests, [
      { kind: 'provision', run: 'r0', node: 'n1', time: 5 },
      { kind: 'reboot', run: '', node: '', time: 0 },
    ]);
    const [product] = facts.products;
    assert.equal(product?.product, 'acme');
    assert.equal(product.manifest, '{"product":"acme"}\nlock 3\nfoo\n');
    assert.equal((JSON.parse(product.record ?? '') as { state: string }).state, 'failed');
    assert.deepEqual(facts.openRuns, ['r0']);
  });
});

describe('os-release', () => {
  it('is read as data, quotes and all', () => {
    const os = parseOsRelease([
      'ID=rhel',
      'ID_LIKE="fedora centos"',
      "VERSION_ID='9.4'",
      'PRETTY_NAME="A \\"B\\" $(x)"',
    ]);
    assert.deepEqual(os, { id: 'rhel', like: ['fedora', 'centos'], version: '9.4', name: 'A "B" $(x)' });
  });
});

describe('What a script emits', () => {
  it('is refused when it is cut off or has no shape', () => {
    const broken = (text: string): void => {
      assert.throws(
        () => parseEntries(Buffer.from(text), 'n'),
        (e) => hasCode(e, 'node-answer-broken'),
      );
    };
    for (const text of ['a', 'a 1', 'a 1\n', 'a 3\nx\n', 'a x\nx\n', 'a 1\nxy\n', 'motd\na 1\nx\n']) broken(text);
    assert.equal(parseEntries(Buffer.from('a 3\nx\ny\nb 0\n\n'), 'n').text('a'), 'x\ny');
    assert.throws(() => parseFacts(parseEntries(Buffer.alloc(0), 'n'), 'n', { from: 0, to: 0 }, []));
  });
});
