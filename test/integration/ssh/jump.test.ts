import { strict as assert } from 'node:assert';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { NodeModel } from '../../../src/cluster/model';
import { Sshd, Wire, mustNotAsk, whyNoSshd } from './sshd';
import { Script } from '../../unit/ssh/helpers';

describe('jump hosts', function () {
  let jump: Sshd;
  let inner: Sshd;
  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    [jump, inner] = await Promise.all([Sshd.start(), Sshd.start()]);
  });
  after(async () => {
    await jump.stop();
    await inner.stop();
  });
  beforeEach(async () => {
    await rm(join(jump.dir, 'home', '.ssh', 'config'), { force: true });
    await jump.trust();
    await trustInner();
    await jump.forgetLog();
    await inner.forgetLog();
  });

  const trustInner = async (): Promise<void> => {
    await appendFile(jump.knownHosts, `[127.0.0.1]:${String(inner.port)} ${await inner.hostKey('ed25519')}\n`);
  };
  const gate = (): NodeModel => jump.node({ name: 'gate' });
  const behind = (name: string, changes: Partial<NodeModel> = {}): NodeModel =>
    inner.node({ name, jump: 'gate', ...changes });

  it('are connected to once, however many nodes lie behind them', async () => {
    const nodes = [gate(), behind('b1'), behind('b2', { host: 'localhost' })];
    await appendFile(jump.knownHosts, `[localhost]:${String(inner.port)} ${await inner.hostKey('ed25519')}\n`);
    const connector = jump.connector({ nodes, asker: mustNotAsk });
    const results = await Promise.all(
      nodes.map((node) => connector.connect(node).exec({ script: 'echo in', timeout: 20_000 })),
    );
    assert.ok(results.every((each) => each.stdout === 'in\n'));
    assert.equal((await jump.log()).match(/Accepted publickey/g)?.length, 1);
    assert.equal((await inner.log()).match(/Accepted publickey/g)?.length, 2);
    await connector.closeAll();
  });

  it('have their host key verified, and so has the node behind', async () => {
    await jump.trust();
    const nodes = [gate(), behind('b1')];
    const connector = jump.connector({ nodes, asker: new Script(undefined) });
    await assert.rejects(connector.connect(behind('b1')).exec({ script: 'true', timeout: 20_000 }), {
      code: 'host-key-unknown',
      node: 'b1',
    });
    assert.doesNotMatch(await inner.log(), /publickey/);
    await connector.closeAll();
    await jump.forgetLog();
    await rm(jump.knownHosts);
    await trustInner();
    const other = jump.connector({ nodes, asker: new Script(undefined) });
    await assert.rejects(other.connect(behind('b1')).exec({ script: 'true', timeout: 20_000 }), {
      code: 'host-key-unknown',
      node: 'gate',
    });
    assert.doesNotMatch(await jump.log(), /publickey/);
    await other.closeAll();
  });

  it('come from ProxyJump of ssh_config, also as a chain', async () => {
    const port = (sshd: Sshd): string => String(sshd.port);
    const text = [
      `Host outer\n HostName 127.0.0.1\n Port ${port(jump)}\n User root\n IdentityFile ${jump.keyFile}`,
      `Host middle\n HostName 127.0.0.1\n Port ${port(inner)}\n User root\n IdentityFile ${inner.keyFile}\n ProxyJump outer`,
      `Host end\n HostName 127.0.0.1\n Port ${port(jump)}\n User root\n IdentityFile ${jump.keyFile}\n ProxyJump middle`,
      'Host by-command\n ProxyCommand nc %h %p',
      '',
    ].join('\n');
    await writeFile(join(jump.dir, 'home', '.ssh', 'config'), text, { mode: 0o600 });
    const connector = jump.connector({ asker: mustNotAsk });
    const end = jump.node({ name: 'end', host: 'end', port: undefined, user: undefined, identityFile: undefined });
    assert.equal((await connector.connect(end).exec({ script: 'echo in', timeout: 20_000 })).stdout, 'in\n');
    assert.equal((await jump.log()).match(/Accepted publickey/g)?.length, 2);
    assert.equal((await inner.log()).match(/Accepted publickey/g)?.length, 1);
    assert.throws(() => connector.connect(jump.node({ name: 'c', host: 'by-command' })), { code: 'proxy-command' });
    // What clusters.json says beats it.
    connector.connect(jump.node({ name: 'd', host: 'by-command', jump: 'outer' }));
    await connector.closeAll();
  });

  it('that go round in a circle are refused before anything is sent', async () => {
    const nodes = [jump.node({ name: 'a', jump: 'b' }), jump.node({ name: 'b', jump: 'a' })];
    const connector = jump.connector({ nodes });
    assert.throws(() => connector.connect(jump.node({ name: 'a', jump: 'b' })), { code: 'jump-loop', exit: 2 });
    await writeFile(join(jump.dir, 'home', '.ssh', 'config'), 'Host x\n ProxyJump y\nHost y\n ProxyJump x\n', {
      mode: 0o600,
    });
    assert.throws(() => connector.connect(jump.node({ name: 'x', host: 'x' })), { code: 'jump-loop' });
    await connector.closeAll();
  });

  it('that die take the nodes behind them along, and come back with them', async () => {
    const wire = await Wire.to(jump.port);
    await appendFile(jump.knownHosts, `[127.0.0.1]:${String(wire.port)} ${await jump.hostKey('ed25519')}\n`);
    const wired = jump.node({ name: 'gate', port: wire.port });
    const connector = jump.connector({ nodes: [wired, behind('b1')], asker: mustNotAsk });
    const connection = connector.connect(behind('b1'));
    const cut = (): void => {
      wire.cut();
    };
    const run = connection.exec({ script: 'echo begun; sleep 60', timeout: 120_000, onStdout: cut });
    await assert.rejects(run, { code: 'link-lost', node: 'b1' });
    assert.equal((await connection.exec({ script: 'echo again', timeout: 20_000 })).stdout, 'again\n');
    await connector.closeAll();
    await wire.close();
  });

  it('that are this machine itself are no hop at all', async () => {
    const nodes = [jump.node({ name: 'gate', connection: 'local' })];
    const connector = jump.connector({ nodes, asker: mustNotAsk });
    const result = await connector.connect(behind('b1')).exec({ script: 'echo in', timeout: 20_000 });
    assert.equal(result.stdout, 'in\n');
    assert.doesNotMatch(await jump.log(), /Accepted/);
    await connector.closeAll();
  });

  it('that cannot reach the node say so for the node', async () => {
    const connector = jump.connector({ nodes: [gate()], asker: mustNotAsk });
    const lost = connector.connect(behind('b1', { port: 1 })).exec({ script: 'true', timeout: 20_000 });
    await assert.rejects(lost, { code: 'host-unreachable', node: 'b1', message: /jump host/ });
    await connector.closeAll();
  });

  it('stay open while a node behind them is in use', async () => {
    const nodes = [gate(), behind('b1')];
    const connector = jump.connector({ nodes, asker: mustNotAsk });
    const [first, second] = [connector.connect(gate()), connector.connect(behind('b1'))];
    await first.exec({ script: 'true', timeout: 20_000 });
    // Once while it still connects, once while it runs.
    for (const script of ['echo done', 'sleep 0.5; echo done']) {
      const run = second.exec({ script, timeout: 20_000 });
      await setImmediate();
      await first.close();
      assert.equal((await run).stdout, 'done\n');
    }
    assert.equal((await jump.log()).match(/Accepted publickey/g)?.length, 1);
    await connector.closeAll();
  });

  it('open a terminal on the node behind', async () => {
    const connector = jump.connector({ nodes: [gate()], asker: mustNotAsk });
    const terminal = await connector.shell(behind('b1'), { columns: 91, rows: 33 });
    let text = '';
    terminal.stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    terminal.stream.write('stty size; exit 7\n');
    assert.equal(await terminal.closed, 7);
    assert.match(text, /33 91/);
    await connector.closeAll();
  });
});
