import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { appendFile, copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectorOptions } from '../../../src/ssh/reach/connector';
import { Script } from '../../unit/ssh/helpers';
import { Sshd, Wire, keygen, mustNotAsk, whyNoSshd } from './sshd';

describe('host keys', function () {
  let sshd: Sshd;
  let name = '';
  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
    name = `[127.0.0.1]:${String(sshd.port)}`;
    keygen(join(sshd.dir, 'other'), 'ed25519');
  });
  after(() => sshd.stop());
  beforeEach(async () => {
    await rm(sshd.store, { force: true });
    await rm(join(sshd.dir, 'home', '.ssh', 'config'), { force: true });
    await rm(sshd.knownHosts, { force: true });
    await sshd.forgetLog();
  });

  /** Runs one command over a fresh connection. */
  async function visit(changes: Partial<ConnectorOptions> = {}): Promise<string> {
    const connector = sshd.connector({ asker: mustNotAsk, ...changes });
    try {
      return (await connector.connect(sshd.node()).exec({ script: 'echo in', timeout: 10_000 })).stdout.trim();
    } finally {
      await connector.closeAll();
    }
  }

  /** The server saw us, but no try to log in. */
  async function nobodyTried(): Promise<void> {
    const log = await sshd.log();
    assert.match(log, /Connection from/);
    assert.doesNotMatch(log, /publickey|Accepted|Failed|user root/i);
  }

  const record = async (prefix: string, key: string): Promise<void> => {
    await appendFile(sshd.knownHosts, `${prefix} ${key}\n`);
  };
  const otherKey = async (): Promise<string> =>
    (await readFile(join(sshd.dir, 'other.pub'), 'utf8')).split(' ').slice(0, 2).join(' ');

  it('are refused before any authentication when unknown and nobody is there, naming the fingerprint', async () => {
    const shown = execFileSync('ssh-keygen', ['-lf', join(sshd.dir, 'host_ed25519.pub')], { encoding: 'utf8' }).split(
      ' ',
    )[1];
    await assert.rejects(visit({ asker: new Script(undefined) }), (error: Error & { code?: string; exit?: number }) => {
      assert.equal(error.code, 'host-key-unknown');
      assert.equal(error.exit, 3);
      assert.ok(error.message.includes(shown ?? 'missing'), error.message);
      return true;
    });
    await nobodyTried();
  });

  it('are refused when the person says anything but yes', async () => {
    await assert.rejects(visit({ asker: new Script('y') }), { code: 'host-key-unknown' });
    await nobodyTried();
  });

  it('are stored in our own file, readable by us only, once a person said yes', async () => {
    const script = new Script('yes');
    assert.equal(await visit({ asker: script }), 'in');
    assert.deepEqual(
      script.asked.map((each) => [each.kind, 'host' in each && each.host]),
      [['host-key', name]],
    );
    assert.equal((await stat(sshd.store)).mode & 0o777, 0o600);
    assert.ok((await readFile(sshd.store, 'utf8')).startsWith(`${name} ssh-ed25519 `));
    assert.equal(await visit(), 'in');
  });

  it('are accepted without a question under --accept-new-host-keys, but never changed or revoked ones', async () => {
    assert.equal(await visit({ acceptNewHostKeys: true }), 'in');
    await rm(sshd.store);
    await record(name, await otherKey());
    await assert.rejects(visit({ acceptNewHostKeys: true }), { code: 'host-key-changed' });
  });

  it('are refused before any authentication when another one is on record', async () => {
    await record(name, await otherKey());
    await assert.rejects(visit(), { code: 'host-key-changed', exit: 3 });
    await nobodyTried();
  });

  it('are refused when the server shows a type that is not the one on record', async () => {
    keygen(join(sshd.dir, 'rsa'), 'rsa', '', '-b', '2048');
    await record(name, (await readFile(join(sshd.dir, 'rsa.pub'), 'utf8')).split(' ').slice(0, 2).join(' '));
    await assert.rejects(visit(), { code: 'host-key-changed' });
    await nobodyTried();
  });

  it('are refused before any authentication when revoked, even if also on record', async () => {
    for (const type of ['ed25519', 'ecdsa']) {
      await record(name, await sshd.hostKey(type));
      await record('@revoked *', await sshd.hostKey(type));
    }
    await assert.rejects(visit(), { code: 'host-key-revoked', exit: 3 });
    await nobodyTried();
  });

  it('are found by the type on record, whichever the server likes best', async () => {
    for (const type of ['ecdsa', 'ed25519']) {
      await writeFile(sshd.knownHosts, `${name} ${await sshd.hostKey(type)}\n`);
      assert.equal(await visit(), 'in');
    }
  });

  it('are found hashed, by pattern, by the bare name, and under HostKeyAlias', async () => {
    const key = await sshd.hostKey('ed25519');
    await record(name, key);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', sshd.knownHosts], { stdio: 'ignore' });
    assert.match(await readFile(sshd.knownHosts, 'utf8'), /^\|1\|/);
    assert.equal(await visit(), 'in');
    for (const hosts of [`*,!other`, '127.0.0.1', `other,[127.0.0.*]:${String(sshd.port)}`]) {
      await writeFile(sshd.knownHosts, `${hosts} ${key}\n`);
      assert.equal(await visit(), 'in', hosts);
    }
    await writeFile(join(sshd.dir, 'home', '.ssh', 'config'), 'Host 127.0.0.1\n HostKeyAlias the-alias\n', {
      mode: 0o600,
    });
    await writeFile(sshd.knownHosts, `the-alias ${key}\n`);
    assert.equal(await visit(), 'in');
  });

  it('are refused when a negated pattern rules the host out', async () => {
    await record('*,![127.0.0.1]:*,!127.0.0.1', await sshd.hostKey('ed25519'));
    await assert.rejects(visit({ asker: new Script(undefined) }), { code: 'host-key-unknown' });
  });

  it('are looked for in UserKnownHostsFile, and never asked about under StrictHostKeyChecking yes', async () => {
    const file = join(sshd.dir, 'more hosts');
    await writeFile(file, `${name} ${await sshd.hostKey('ed25519')}\n`);
    const config = join(sshd.dir, 'home', '.ssh', 'config');
    await writeFile(config, `UserKnownHostsFile "${file}"\nStrictHostKeyChecking yes\n`, { mode: 0o600 });
    assert.equal(await visit(), 'in');
    await rm(file);
    await assert.rejects(visit({ asker: mustNotAsk, acceptNewHostKeys: true }), { code: 'host-key-unknown' });
  });

  it('of a certificate authority are not supported, which is said', async () => {
    await record('@cert-authority *', await otherKey());
    await assert.rejects(visit({ asker: new Script(undefined) }), /certificates.*not supported/);
  });

  it('leave the time of a person out of the deadline, and connect again when the server lost patience', async () => {
    const hasty = await Sshd.start({ config: ['LoginGraceTime 5'] });
    await rm(hasty.knownHosts);
    const slow = {
      asked: 0,
      ask: async () => {
        slow.asked++;
        await new Promise((resolve) => setTimeout(resolve, 6500));
        return 'yes';
      },
    };
    const connector = hasty.connector({ asker: slow, times: { ready: 5000 } });
    try {
      const result = await connector.connect(hasty.node()).exec({ script: 'echo in', timeout: 10_000 });
      assert.equal(result.stdout, 'in\n');
      assert.equal(slow.asked, 1);
    } finally {
      await connector.closeAll();
      await hasty.stop();
    }
  });

  it('that changed between two connections of one run are refused', async () => {
    const second = await Sshd.start();
    const wires = [await Wire.to(sshd.port), await Wire.to(second.port)];
    const [first, other] = wires;
    const port = first?.port ?? 0;
    const connector = sshd.connector({ asker: new Script('yes'), acceptNewHostKeys: false });
    const node = connector.connect(sshd.node({ port }));
    await node.exec({ script: 'true', timeout: 10_000 });
    // The same address now leads to another server.
    await copyFile(sshd.store, join(sshd.dir, 'store'));
    const lines = (await readFile(sshd.store, 'utf8')).replace(String(port), String(other?.port));
    await writeFile(sshd.store, lines);
    const moved = connector.connect(sshd.node({ name: 'moved', port: other?.port }));
    await assert.rejects(moved.exec({ script: 'true', timeout: 10_000 }), { code: 'host-key-changed' });
    await connector.closeAll();
    for (const wire of wires) await wire.close();
    await second.stop();
  });
});
