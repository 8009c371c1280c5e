import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Server } from 'ssh2';
import { acmePackage } from '../lab/acme';
import { Sshd, keygen, whyNoSshd } from '../integration/ssh/sshd';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { runTask } from './harness/task';
import { until } from './harness/until';
import type { Workbench } from './harness/workbench';

/** What a server may ask: the field below the prompt reads links, also ones that run a command. */
const LINK = '[here](command:workbench.action.files.newUntitledFile)';

/** How long the server of one-time codes waits for a person: sshd's LoginGraceTime is two minutes. Milliseconds. */
const GRACE = process.env['LONG'] ? 120_000 : 1_500;

/** What a person meets on the way to a node: host keys, passphrases, one-time codes, no agent; and the way out. */
describe('Connecting from the window', function () {
  this.timeout(600_000);
  const editor = useEditor({
    settings: { 'clusterlift.refreshOnShow': false, 'clusterlift.rememberSecrets': 'never' },
    vsix: join(ROOT, 'clusterlift.vsix'),
    env: { SSH_AUTH_SOCK: '/nonexistent/agent' },
  });
  let sshd: Sshd;
  let codes: { port: number; connections: () => number; close: () => void };

  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
    codes = await codeServer(await readFile(join(sshd.dir, 'host_ed25519')));
    const locked = join(sshd.dir, 'locked');
    keygen(locked, 'ed25519', 'open sesame');
    await sshd.authorize(`${locked}.pub`);
    const ssh = join(editor.server.home, '.ssh');
    await mkdir(ssh, { mode: 0o700 });
    const node = (name: string, more: Record<string, unknown>): Record<string, unknown> & { name: string } => ({
      ...{ name, host: '127.0.0.1', port: sshd.port, user: 'root', identityFile: sshd.keyFile },
      ...more,
    });
    const nodes = [
      node('plain', {}),
      node('locked', { identityFile: locked, user: 'root' }),
      node('codes', { port: codes.port, identityFile: undefined }),
      node('agent', { identityFile: undefined }),
    ];
    // Each is a cluster of its own: one node twice in a cluster is a mistake.
    const clusters = Object.fromEntries(
      nodes.map((each) => [each.name, { nodes: [{ ...each, name: `node-${each.name}` }] }]),
    );
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify({ clusters }));
    const task = {
      ...{ type: 'clusterlift', command: 'upgrade', package: (await acmePackage('2.0')).path },
      ...{ mode: 'serial', backup: 'none', problemMatcher: [] },
    };
    const tasks = ['plain', 'locked'].map((cluster) => ({ ...task, label: `upgrade ${cluster}`, cluster }));
    await writeFile(join(editor.folder, '.vscode/tasks.json'), JSON.stringify({ version: '2.0.0', tasks }));
    await editor.workbench.container('Clusters');
    // The folder had no .vscode when the window was opened.
    const tree = editor.workbench.tree('Clusters');
    await until('the clusters', async () => (await tree.rows()).length === nodes.length);
    await tree.open(...nodes.map(({ name }) => name));
  });

  after(async () => {
    codes.close();
    await sshd.stop();
  });

  /** What is on record of host keys; keys that were accepted before are not, any more. */
  async function knows(...lines: string[]): Promise<void> {
    await rm(join(editor.server.home, '.local/state/clusterlift/known_hosts'), { force: true });
    await writeFile(join(editor.server.home, '.ssh/known_hosts'), lines.join(''));
  }

  const right = async (port = sshd.port): Promise<string> =>
    `[127.0.0.1]:${String(port)} ${await sshd.hostKey('ed25519')}\n`;

  async function open(cluster: string): Promise<Workbench> {
    await editor.workbench.tree('Clusters').menu(`node-${cluster}`, 'Open SSH Terminal');
    return editor.workbench;
  }

  /** The terminal says why, and goes with any key. */
  async function leave(workbench: Workbench): Promise<void> {
    await workbench.terminalShows('Press any key');
    await workbench.terminalPress('Space');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
  }

  it('shows the fingerprint of a key that is not known, and opens nothing on Escape', async () => {
    await knows();
    const workbench = await open('plain');
    const pick = await workbench.quickInput().open('Trust this key');
    const items = (await pick.items()).map(({ label }) => label);
    assert.ok(
      items.some((label) => label.includes('Yes')) && items.some((label) => label.includes('No')),
      items.join(),
    );
    const { text } = await shown(workbench);
    assert.match(text, /SHA256:[\w+/]{43}/);
    await workbench.screenshots('host-key');
    await pick.cancel();
    await workbench.terminalShows(/the host key of node-plain .* is not known: ssh-ed25519 SHA256:/);
    await leave(workbench);
  });

  it('opens a terminal of the right size after a yes, and closes it with its shell', async () => {
    const workbench = await open('plain');
    const pick = await workbench.quickInput().open('Trust this key');
    await pick.choose('Yes');
    await workbench.terminalShows(/[#$] ?$/);
    await workbench.terminalType('echo "size:$(stty size)"\n');
    const text = await workbench.terminalShows(/size:\d+ \d+/);
    const [, rows, columns] = /size:(\d+) (\d+)/.exec(text) ?? [];
    assert.ok(Number(rows) > 3 && Number(columns) > 60, text);
    await workbench.screenshots('ssh-terminal');
    await workbench.terminalType('exit\n');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
  });

  it('opens a terminal by its profile, on a node that is asked for', async () => {
    const { workbench } = editor;
    await knows(await right());
    await workbench.command('Create New Terminal (With Profile)');
    await workbench.quickInput().choose(/Cluster Node \(SSH\)/);
    const pick = workbench.quickInput();
    await until('the clusters', async () => (await pick.placeholder()).includes('Which cluster?'));
    await pick.choose('plain');
    await workbench.terminalShows(/[#$] ?$/);
    await workbench.terminalType('echo "size:$(stty size)"\n');
    await workbench.terminalShows(/size:\d+ \d+/);
    await workbench.terminalType('exit\n');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
  });

  it('refuses a key that has changed without a question, and says what to do', async () => {
    const other = join(sshd.dir, 'other');
    keygen(other, 'ed25519');
    const [type, key] = (await readFile(`${other}.pub`, 'utf8')).split(' ');
    await knows(`[127.0.0.1]:${String(sshd.port)} ${String(type)} ${String(key)}\n`);
    const workbench = await open('plain');
    assert.match(await workbench.terminalShows('Press any key'), /the host key of node-plain .* changed: it shows/);
    assert.equal(await workbench.quickInput().isOpen(), false);
    await workbench.screenshots('host-key-changed');
    await leave(workbench);
  });

  it('asks again after a wrong passphrase and says that it was wrong; Escape ends it', async () => {
    await knows(await right());
    const workbench = await open('locked');
    const input = await workbench.quickInput().open();
    assert.match(await input.message(), /Passphrase for .*locked/);
    await input.type('wrong');
    await input.accept();
    await workbench.page.locator('.quick-input-message').getByText('That was not accepted').waitFor();
    await workbench.screenshots('passphrase-wrong');
    await input.type('open sesame');
    await input.accept();
    await workbench.terminalShows(/[#$] ?$/);
    await workbench.terminalType('exit\n');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
    await open('locked');
    await (await workbench.quickInput().open()).cancel();
    assert.match(
      await workbench.terminalShows('Press any key'),
      /node-locked did not let root in: .*tried: .*locked \(nobody gave its passphrase\)/,
    );
    await leave(workbench);
  });

  it('keeps the prompt of a one-time code while a person looks for it, longer than the server waits', async () => {
    await knows(await right(codes.port));
    const workbench = await open('codes');
    const input = await workbench.quickInput().open();
    assert.match(await input.message(), /node-codes asks: Verification code/);
    assert.equal(await workbench.page.locator('.quick-input-widget a').filter({ hasText: 'here' }).count(), 0);
    await input.type('123');
    // They look elsewhere meanwhile: the prompt stays, and what was typed.
    await workbench.page.locator('.part.statusbar').click({ position: { x: 400, y: 5 } });
    const before = codes.connections();
    await wait(GRACE + 1_000);
    assert.equal(await input.isOpen(), true);
    await workbench.screenshots('one-time-code');
    await input.type('123456');
    await input.accept();
    // The server had hung up, and a code is good for one connection: the next one asks for the next code.
    await until('the second connection', () => codes.connections() > before);
    await until('an empty prompt', async () => (await value(workbench)) === '');
    await input.type('123456');
    await input.accept();
    await workbench.terminalShows('in by code');
    await workbench.page.locator('.terminal-wrapper').waitFor({ state: 'detached' });
    await open('codes');
    await (await workbench.quickInput().open()).cancel();
    assert.match(await workbench.terminalShows('Press any key'), /tried: .*keyboard-interactive \(nobody answered\)/);
    await leave(workbench);
  });

  it('says that the agent does not answer, and what else was tried', async () => {
    await knows(await right());
    const workbench = await open('agent');
    assert.match(await workbench.terminalShows('Press any key'), /tried: agent \(Failed to connect to agent\)/);
    await workbench.screenshots('agent-missing');
    await leave(workbench);
    // The tree says so for the node, too, and nothing pops up.
    await workbench.tree('Clusters').menu('agent', 'Status');
    await unreachable('agent');
  });

  it('takes Escape at either question for a no where a task upgrades: status 3, and no run', async () => {
    for (const { cluster, known, question, why } of QUESTIONS) {
      await knows(...(known ? [await right()] : []));
      const { workbench } = editor;
      await runTask(workbench, `upgrade ${cluster}`);
      await asked(workbench, question);
      await workbench.screenshots(`task-asks-${cluster}`);
      await workbench.quickInput().cancel();
      const text = await workbench.terminalShows(/Exit status \d+/);
      assert.match(text, why);
      assert.match(text, /Exit status 3/);
      await workbench.screenshots(`task-cancelled-${cluster}`);
      assert.equal(await workbench.quickInput().isOpen(), false);
      assert.deepEqual(await readdir(join(editor.server.home, '.local/state/clusterlift/runs')).catch(() => []), []);
      await workbench.command('Terminal: Kill All Terminals');
      await until('an empty panel', async () => (await workbench.terminalText()) === '');
    }
  });

  it('takes Escape at either question of Status for a node that is not reached, and asks no more', async () => {
    for (const { cluster, known, question } of QUESTIONS) {
      await knows(...(known ? [await right()] : []));
      const { workbench } = editor;
      await workbench.tree('Clusters').menu(cluster, 'Status');
      await asked(workbench, question);
      await workbench.quickInput().cancel();
      await unreachable(cluster);
      assert.equal(await workbench.quickInput().isOpen(), false);
    }
    await editor.workbench.screenshots('status-cancelled');
  });

  /** The node of a cluster is shown so in the tree. */
  async function unreachable(cluster: string): Promise<void> {
    await until(`node-${cluster} as not reachable`, async () => {
      const rows = await editor.workbench.tree('Clusters').rows();
      return rows.find(({ label }) => label === `node-${cluster}`)?.description.includes('unreachable');
    });
  }
});

/** What is asked on the way to a node, and what is said of it when nobody answers. */
const QUESTIONS = [
  { cluster: 'plain', known: false, question: /The host key of .* is not known/, why: /host key of node-plain/ },
  { cluster: 'locked', known: true, question: /Passphrase for .*locked/, why: /nobody gave its passphrase/ },
];

/** Waits for the prompt with this question. */
async function asked(workbench: Workbench, question: RegExp): Promise<void> {
  await until(String(question), async () => question.test((await shown(workbench)).text));
}

function value(workbench: Workbench): Promise<string> {
  return workbench.page.locator('.quick-input-widget:visible .quick-input-box input').inputValue();
}

/** All that the open prompt shows. */
async function shown(workbench: Workbench): Promise<{ text: string }> {
  return { text: (await workbench.page.locator('.quick-input-widget:visible').innerText()).replaceAll('\u00a0', ' ') };
}

/** A server that wants a one-time code, and hangs up on who takes longer than its grace. */
async function codeServer(hostKey: Buffer): Promise<{ port: number; connections: () => number; close: () => void }> {
  let connections = 0;
  const server = new Server({ hostKeys: [hostKey] }, (client) => {
    connections++;
    const grace = setTimeout(() => client.end(), GRACE);
    client.on('error', () => undefined).on('close', () => clearTimeout(grace));
    client.on('authentication', (context) => {
      if (context.method !== 'keyboard-interactive') {
        context.reject(['keyboard-interactive']);
        return;
      }
      context.prompt([{ prompt: `Verification code ${LINK}: `, echo: true }], ([code]) => {
        if (code === '123456') context.accept();
        else context.reject(['keyboard-interactive']);
      });
    });
    client.on('ready', () => clearTimeout(grace));
    client.on('session', (accept) => {
      accept()
        .on('pty', (yes) => {
          yes();
        })
        .on('shell', (yes) => {
          const stream = yes();
          stream.write('in by code\r\n');
          // Long enough to be read by a test.
          setTimeout(() => {
            stream.exit(0);
            stream.end();
          }, 3_000);
        });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close: () => void server.close(),
  };
}
