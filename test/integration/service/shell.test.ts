import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { QueryClient, type Shell } from '../../../src/service/query-client';
import type { Asker, Question } from '../../../src/ssh/connection';
import { Sshd, Wire, whyNoSshd } from '../ssh/sshd';

const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../../dist/cli.js');

/** The terminal of a window, as the extension opens it: the real service process, a real sshd. */
describe('a terminal on a node', function () {
  let sshd: Sshd;
  let wire: Wire;
  let client: QueryClient;
  let asked: Question[];
  let answer: string | undefined;

  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
    wire = await Wire.to(sshd.port);
    const node = (name: string, port: number) => ({
      name,
      host: '127.0.0.1',
      port,
      user: 'root',
      identityFile: sshd.keyFile,
    });
    const nodes = [node('n1', sshd.port), node('wired', wire.port)];
    const here = { nodes: [{ name: 'here', connection: 'local' }] };
    await mkdir(join(sshd.dir, '.vscode'));
    await writeFile(join(sshd.dir, '.vscode/clusters.json'), JSON.stringify({ clusters: { lab: { nodes }, here } }));
  });

  after(async () => {
    await wire.close();
    await sshd.stop();
  });

  beforeEach(async () => {
    asked = [];
    answer = undefined;
    await sshd.trust();
    const asker: Asker = {
      ask: (question) => {
        asked.push(question);
        return Promise.resolve(answer);
      },
    };
    client = new QueryClient({ execPath: process.execPath, script: CLI, env: sshd.env() }, asker);
  });

  afterEach(() => client.dispose());

  function open(node = 'n1'): {
    shell: Shell;
    text: () => string;
    shows: (wanted: string | RegExp) => Promise<string>;
  } {
    let text = '';
    const cluster = node === 'here' ? 'here' : 'lab';
    const request = { cluster, config: null, node, cwd: sshd.dir, size: { columns: 91, rows: 33 } };
    const shell = client.shell(request, (more) => (text += more));
    shell.ended.catch(() => undefined);
    return {
      shell,
      text: () => text,
      shows: (wanted) =>
        until(wanted, () =>
          (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) ? text : undefined,
        ),
    };
  }

  it('has the size of the window, follows it, takes what is typed, and ends with the status of its shell', async () => {
    const { shell, shows } = open();
    // Typed text comes back as an echo: what is waited for is never typed as it stands.
    shell.input('');
    await shows(/[#$] $/);
    shell.input('echo "size:$(stty size)" grün 🙂\n');
    await shows('size:33 91 grün 🙂');
    shell.resize({ columns: 120, rows: 40 });
    shell.input('echo "now:$(stty size)"; tty\n');
    await shows(/now:40 120\s+\/dev\/pts/);
    shell.input('exit 7\n');
    assert.deepEqual(await shell.ended, { status: 7, error: null });
    assert.deepEqual(asked, []);
  });

  it('hands Ctrl+C to the node, and ends there when it is closed', async () => {
    const { shell, shows } = open();
    await shows(/[#$] $/);
    shell.input('sleep 600; echo "code:$?"\n');
    await wait(200);
    shell.input('\u0003');
    await shows('^C');
    shell.input('echo "pid:$$"\n');
    const [, pid] = /pid:(\d+)/.exec(await shows(/pid:\d+/)) ?? [];
    shell.close();
    assert.deepEqual(await shell.ended, { status: null, error: null });
    await until('the shell to be gone', () => (alive(Number(pid)) ? undefined : true));
  });

  it('asks for an unknown host key, and opens nothing when that is refused', async () => {
    await writeFile(sshd.knownHosts, '');
    const { shell, text } = open();
    const { error, status } = await shell.ended;
    assert.deepEqual([status, error?.code, text()], [null, 'host-key-unknown', '']);
    assert.equal(asked[0]?.kind, 'host-key');
  });

  it('refuses a host key that has changed, without asking', async () => {
    const other = (await sshd.hostKey('ed25519')).replace(/.{8}$/, 'AAAAAAAA');
    await writeFile(sshd.knownHosts, `[127.0.0.1]:${String(sshd.port)} ${other}\n`);
    const { error } = await open().shell.ended;
    assert.match(error?.code ?? '', /^host-key-/);
    assert.deepEqual(asked, []);
  });

  it('says so when the link is cut, and when there is nothing to open', async () => {
    await writeFile(sshd.knownHosts, `[127.0.0.1]:${String(wire.port)} ${await sshd.hostKey('ed25519')}\n`);
    const { shell, shows } = open('wired');
    await shows(/[#$] $/);
    wire.cut();
    assert.deepEqual(await shell.ended, { status: null, error: null });
    assert.equal((await open('here').shell.ended).error?.code, 'terminal-local');
    assert.equal((await open('nobody').shell.ended).error?.code, 'usage-unknown-node');
  });

  it('lets a node that prints without end wait for the window, and leaves the service free', async () => {
    const { shell, shows } = open();
    await shows(/[#$] $/);
    shell.input('head -c 30000000 /dev/zero | tr "\\0" x; echo; echo "d""one"\n');
    const text = await shows('done');
    assert.ok(text.split('x').length > 30_000_000);
    shell.input('yes\n');
    await shows(/y\r\ny\r\n/);
    assert.equal((await client.query({ argv: ['runs'], cwd: sshd.dir, by: 'ann', secrets: {} })).error, null);
    shell.close();
    assert.deepEqual(await shell.ended, { status: null, error: null });
  });

  it('is gone with the window', async () => {
    const { shell, shows } = open();
    await shows(/[#$] $/);
    shell.input('echo "pid:$$"\n');
    const [, pid] = /pid:(\d+)/.exec(await shows(/pid:\d+/)) ?? [];
    client.dispose();
    await until('the shell to be gone', () => (alive(Number(pid)) ? undefined : true));
    await assert.rejects(shell.ended);
  });
});

/** Nothing waits without a deadline. */
async function until<T>(what: string | RegExp, look: () => T | undefined): Promise<T> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    assert.ok(Date.now() < deadline, `not in time: ${String(what)}`);
    await wait(20);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
