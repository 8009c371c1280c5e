import { strict as assert } from 'node:assert';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plan } from '../../../src/engine/journal/plan';
import { acmePackage, acmeVersion, clearKnob, setKnob } from '../../lab/acme';
import { said } from '../../lab/cli';
import { HttpLab } from '../../lab/http';
import type { Lab } from '../../lab/nodes';
import { ArgvSampler, filesWith } from '../../lab/secrets';
import { output } from '../../lab/tools';
import { acmeCluster, begun, needsLab, outcomes, run, start } from './scene';

describe('the documented commands, word for word', function () {
  this.timeout(300_000);
  let lab: Lab;
  let http: HttpLab;
  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}]);
    http = await HttpLab.start();
  });
  after(async () => {
    await http.stop();
    await lab.stop();
  });

  /** What the words mean: the plan of a dry run. */
  async function planned(form: readonly string[], source: object, mode: string): Promise<void> {
    const { events } = await run(lab, [...form, '--dry-run'], 0);
    const plan = events.find(({ type }) => type === 'plan') as Plan | undefined;
    assert.deepEqual(
      [plan?.action, plan?.package?.version, plan?.package?.source, plan?.options.mode],
      ['upgrade', '2.0', source, mode],
      form.join(' '),
    );
    assert.deepEqual([plan?.options.backup, plan?.backup, plan?.point], ['none', undefined, undefined]);
  }

  it('cluster upgrade <ISO>, <URL>, serial, backup none fast, None in any case, and alone', async () => {
    const { path } = await acmePackage('2.0');
    await copyFile(path, join(lab.home, 'myfile.iso'));
    const url = http.serve('/path/myfile.iso', { body: { file: path } });
    const forms = [
      ['cluster', 'upgrade', 'myfile.iso'],
      ['upgrade', 'myfile.iso'],
      ['cluster', 'upgrade', url],
      ['cluster', 'upgrade', 'myfile.iso', 'serial'],
      ['cluster', 'upgrade', url, 'serial'],
      ['cluster', 'upgrade', 'myfile.iso', 'backup', 'none', 'fast'],
      ['cluster', 'upgrade', 'myfile.iso', 'fast', 'backup', 'None'],
    ];
    for (const form of forms) {
      const source = form.includes(url) ? { kind: 'url', url } : { kind: 'file', path: join(lab.home, 'myfile.iso') };
      await planned(form, source, form.includes('serial') ? 'serial' : 'fast');
    }
    await lab.node('n1').writeFile('/root/myfile.iso', await readFile(path));
    const there = { kind: 'node', node: 'n1', path: '/root/myfile.iso' };
    await planned(['cluster', 'upgrade'], there, 'fast');
    await planned(['cluster', 'upgrade', 'node:/root/myfile.iso'], there, 'fast');
    assert.equal(await acmeVersion(lab.node('n1')), '1.0');
    await run(lab, ['cluster', 'upgrade', 'myfile.iso'], 0);
    assert.equal(await acmeVersion(lab.node('n1')), '2.0');
  });

  it('a production cluster wants its name: --yes is not enough', async () => {
    const { path } = await acmePackage('3.0');
    await lab.writeClustersJson(lab.clustersJson({ production: true }));
    const refused = await run(lab, ['upgrade', path], 2);
    assert.match(refused.stderr, /--confirm lab/);
    await run(lab, ['upgrade', path, '--confirm', 'staging'], 2);
    const plain = http.serve('/production.iso', { body: { file: path } });
    assert.match((await run(lab, ['upgrade', plain, '--confirm', 'lab'], 3)).stderr, /plain-http/);
    await run(lab, ['upgrade', path, '--confirm', 'lab'], 0);
    assert.equal(await acmeVersion(lab.node('n1')), '3.0');
    await lab.writeClustersJson();
  });

  it('a backup that cannot be made is refused with a code, never silently left out', async () => {
    const { path } = await acmePackage('4.0', { manifest: { backup: { paths: ['/etc'] } } });
    const result = await run(lab, ['upgrade', path, 'backup', 'localbackup', '--override', 'path-system'], 3);
    assert.match(result.stderr, /\[path-system\]/);
    assert.match((await run(lab, ['upgrade', path, 'backup', 'nowhere'], 2)).stderr, /nowhere/);
    assert.match((await run(lab, ['upgrade', path, '--on-failure', 'rollback'], 2)).stderr, /rollback-needs-backup/);
    assert.equal(await acmeVersion(lab.node('n1')), '3.0');
  });
});

describe('who may work on a cluster', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    lab = await acmeCluster([{}, {}]);
  });
  afterEach(() => lab.stop());

  it('an unknown, a changed and a revoked host key: status 3, nothing is changed', async () => {
    const { path } = await acmePackage('2.0');
    const known = join(lab.home, '.ssh/known_hosts');
    const keys = await readFile(known, 'utf8');
    const other = keys.split('\n').find((line) => line.includes(lab.node('n2').host)) ?? '';
    await writeFile(
      known,
      keys
        .split('\n')
        .filter((line) => !line.includes(lab.node('n2').host))
        .join('\n'),
    );
    assert.match((await run(lab, ['upgrade', path], 3)).stderr, /host-key-unknown/);
    await writeFile(known, `${keys}\n@revoked ${other}\n`);
    assert.match((await run(lab, ['upgrade', path], 3)).stderr, /host-key-revoked/);
    await writeFile(known, keys);
    await lab.node('n2').rekeyHost();
    assert.match((await run(lab, ['upgrade', path], 3)).stderr, /host-key-changed/);
    for (const node of lab.nodes) assert.equal(await acmeVersion(node), '1.0');
  });

  it('a stale lock is offered, `unlock` needs a reason, and then frees it', async () => {
    const { path } = await acmePackage('2.0');
    const killed = await start(lab, ['upgrade', path], { killAt: begun('n2', 'unpack') }).done;
    assert.equal(killed.signal, 'SIGKILL');
    const offered = await run(lab, ['upgrade', path], 5);
    assert.match(offered.stderr, /--override stale-lock/);
    assert.match(offered.stderr, /resume/);
    await run(lab, ['unlock'], 2);
    await run(lab, ['unlock', '--reason', 'the laptop was stolen', '--yes'], 0);
    const result = await run(lab, ['upgrade', path], 0);
    assert.deepEqual(outcomes(result), { n1: 'upgraded', n2: 'upgraded' });
  });

  it('a lock is not freed while work of its run goes on', async () => {
    const { path } = await acmePackage('2.0');
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    const command = start(lab, ['upgrade', path]);
    await command.waitFor(begun('n1'));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    command.kill();
    await command.done;
    assert.match((await run(lab, ['unlock', '--reason', 'in a hurry', '--yes'], 5)).stderr, /lock-jobs-alive/);
    await run(lab, ['upgrade', path, '--override', 'stale-lock'], 5);
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    await run(lab, ['resume'], 0);
  });
});

describe('secrets of an upgrade', function () {
  this.timeout(300_000);

  it('passwords of login and sudo appear in no argument, no file, no log and no journal', async function () {
    needsLab(this);
    const password = 'l0gin-pa55word';
    const users = [{ name: 'platform', password, sudo: 'password', key: false }] as const;
    const passwords = ['PasswordAuthentication yes', 'KbdInteractiveAuthentication no'];
    const lab = await acmeCluster(
      [
        { users, sshdConfig: passwords },
        { users, sshdConfig: passwords },
      ],
      {
        user: 'platform',
        become: 'sudo',
      },
    );
    try {
      await lab.writeClustersJson(
        lab.clustersJson({
          user: 'platform',
          become: 'sudo',
          nodes: lab.nodes.map(({ name, host }) => ({ name, host })),
        }),
      );
      const { path } = await acmePackage('2.0', { padBytes: 2_000_000 });
      const sampler = new ArgvSampler(lab);
      const env = { CLUSTERLIFT_SSH_PASSWORD: password, CLUSTERLIFT_BECOME_PASSWORD: password };
      const result = await run(lab, ['upgrade', path], 0, { env });
      const seen = sampler.stop();
      assert.ok(seen.length > 10, 'too little was seen to prove anything');
      assert.deepEqual(
        seen.filter((argv) => argv.includes(password)),
        [],
      );
      assert.deepEqual(await filesWith(lab, password), []);
      assert.equal(result.stdout.includes(password) || result.stderr.includes(password), false, said(result));
    } finally {
      await lab.stop();
    }
  });

  it('the passphrase of a key appears in no argument, no file, no log and no journal', async function () {
    needsLab(this);
    const passphrase = 'k3y-passphrase';
    const lab = await acmeCluster([{}, {}]);
    try {
      const identityFile = join(lab.home, '.ssh/locked');
      await copyFile(lab.keyFile, identityFile);
      await chmod(identityFile, 0o600);
      const args = ['-q', '-p', '-P', '', '-N', passphrase, '-f', identityFile];
      assert.equal((await output('ssh-keygen', args)).code, 0);
      const nodes = lab.nodes.map(({ name, host }) => ({ name, host, identityFile }));
      await lab.writeClustersJson(lab.clustersJson({ nodes }));
      const { path } = await acmePackage('2.0');
      await run(lab, ['upgrade', path], 3);
      const sampler = new ArgvSampler(lab);
      const result = await run(lab, ['upgrade', path], 0, { env: { CLUSTERLIFT_KEY_PASSPHRASE: passphrase } });
      const seen = sampler.stop();
      assert.ok(seen.length > 10, 'too little was seen to prove anything');
      assert.deepEqual(
        seen.filter((argv) => argv.includes(passphrase)),
        [],
      );
      assert.deepEqual(await filesWith(lab, passphrase), []);
      assert.equal(result.stdout.includes(passphrase) || result.stderr.includes(passphrase), false, said(result));
    } finally {
      await lab.stop();
    }
  });
});
