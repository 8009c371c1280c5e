import { strict as assert } from 'node:assert';
import { readFile, readdir } from 'node:fs/promises';
import { sleep } from '../../../src/base/async';
import type { NodeModel } from '../../../src/cluster/model';
import { Connector, type ConnectorOptions } from '../../../src/ssh/reach/connector';
import { Secrets } from '../../../src/ssh/secrets';
import { Lab, whyNoLab } from '../../lab/nodes';
import { Script, nobody, nodeModel } from '../../unit/ssh/helpers';

const PASSWORD = 'S3cret \'word" $HOME\\n';

describe('becoming root on a node', function () {
  this.timeout(300_000);
  let lab: Lab;
  before(async function () {
    if (whyNoLab() !== undefined) this.skip();
    const users = [
      { name: 'free', sudo: 'nopasswd' },
      { name: 'platform', password: PASSWORD, sudo: 'password' },
      { name: 'plain', password: 'plain-password' },
    ] as const;
    lab = await Lab.start({
      nodes: [
        { name: 'n1', users },
        { name: 'n2', users, tools: 'dash' },
        { name: 'n3', users, tools: 'busybox' },
        {
          name: 'n4',
          users,
          sshdConfig: ['UsePAM yes', 'PasswordAuthentication no', 'KbdInteractiveAuthentication yes'],
        },
      ],
    });
  });
  after(async () => {
    await lab.stop();
  });

  function node(user: string, name = 'n1', changes: Partial<NodeModel> = {}): NodeModel {
    const { host, keyFile } = lab.node(name);
    return nodeModel({ name, host, user, identityFile: keyFile, become: 'sudo', ...changes });
  }

  async function using<T>(changes: Partial<ConnectorOptions>, work: (connector: Connector) => Promise<T>): Promise<T> {
    const connector = new Connector({
      cluster: 'lab',
      file: '/clusters.json',
      nodes: [],
      asker: nobody,
      secrets: new Secrets(),
      acceptNewHostKeys: false,
      env: lab.env(),
      ...changes,
    });
    try {
      return await work(connector);
    } finally {
      await connector.closeAll();
    }
  }

  const who = { script: 'id -un; cat', stdin: 'data\n', timeout: 30_000 };

  it('needs nothing where sudo asks for nothing, on every kind of node', async () => {
    for (const name of ['n1', 'n2', 'n3']) {
      await using({}, async (connector) => {
        const connection = connector.connect(node('free', name));
        assert.equal((await connection.exec(who)).stdout, 'root\ndata\n');
        assert.equal((await connection.exec({ ...who, as: 'login' })).stdout, 'free\ndata\n');
      });
    }
  });

  it('uses the password from the environment, with any character in it, also for many commands at once', async () => {
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: PASSWORD });
    for (const name of ['n1', 'n2', 'n3']) {
      await using({ secrets }, async (connector) => {
        const connection = connector.connect(node('platform', name));
        const results = await Promise.all(Array.from({ length: 8 }, () => connection.exec(who)));
        assert.ok(results.every((each) => each.stdout === 'root\ndata\n' && each.stderr === ''));
      });
    }
  });

  it('asks for the password once for all nodes', async () => {
    const script = new Script(PASSWORD);
    await using({ asker: script }, async (connector) => {
      const results = await Promise.all(
        ['n1', 'n2', 'n3'].map((name) => connector.connect(node('platform', name)).exec(who)),
      );
      assert.ok(results.every((each) => each.stdout === 'root\ndata\n'));
    });
    assert.equal(script.asked.length, 1);
    assert.equal(script.asked[0]?.kind, 'become-password');
  });

  it('asks again after a wrong password, three times, then says so and never hangs', async () => {
    const script = new Script('wrong', PASSWORD);
    await using({ asker: script }, async (connector) => {
      assert.equal((await connector.connect(node('platform')).exec(who)).stdout, 'root\ndata\n');
    });
    assert.deepEqual(
      script.asked.map((each) => 'retry' in each && each.retry),
      [false, true],
    );
    const stubborn = new Script('a', 'b', 'c', 'd');
    await using({ asker: stubborn }, async (connector) => {
      await assert.rejects(connector.connect(node('platform')).exec(who), { code: 'become-password-wrong', exit: 3 });
    });
    assert.equal(stubborn.asked.length, 3);
  });

  it('says what to set when nobody is there', async () => {
    await using({}, async (connector) => {
      const refused = connector.connect(node('platform')).exec(who);
      await assert.rejects(refused, { code: 'become-password-missing', hint: /CLUSTERLIFT_BECOME_PASSWORD/ });
    });
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: 'wrong' });
    await using({ secrets }, async (connector) => {
      await assert.rejects(connector.connect(node('platform')).exec(who), { code: 'become-password-wrong' });
    });
  });

  it('is refused for somebody who is not in sudoers, naming the command that mends it', async () => {
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: 'plain-password' });
    await using({ secrets }, async (connector) => {
      await assert.rejects(connector.connect(node('plain')).exec(who), {
        code: 'become-refused',
        exit: 3,
        hint: /echo 'plain ALL=\(ALL\) ALL' > \/etc\/sudoers.d\/clusterlift/,
      });
    });
  });

  it('is refused where sudo wants a terminal, or is not installed', async () => {
    const sudoers = '/etc/sudoers.d/lab-tty';
    await lab.node('n1').writeFile(sudoers, 'Defaults:free requiretty\n', 0o440);
    try {
      await using({}, async (connector) => {
        const refused = connector.connect(node('free')).exec(who);
        await assert.rejects(refused, { code: 'become-refused', hint: /!requiretty/ });
      });
    } finally {
      await lab.node('n1').must(`rm ${sudoers}`);
    }
    await using({}, async (connector) => {
      const refused = connector.connect(node('free', 'n1', { become: 'doas' })).exec(who);
      await assert.rejects(refused, { code: 'become-refused', message: /doas is not installed/ });
    });
  });

  it('is not fooled by a password that sudo remembers', async () => {
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: PASSWORD });
    await lab.node('n1').writeFile('/etc/sudoers.d/lab-global', 'Defaults timestamp_type=global\n', 0o440);
    await using({ secrets }, async (connector) => {
      const connection = connector.connect(node('platform'));
      await connection.exec({ script: 'true', as: 'login', timeout: 30_000 });
      const cache = `printf '%s\\n' "$1" | sudo -S -p '' -v`;
      await connection.exec({ script: cache, args: [PASSWORD], as: 'login', timeout: 30_000 });
      for (let n = 0; n < 3; n++) assert.equal((await connection.exec(who)).stdout, 'root\ndata\n');
    });
    await lab.node('n1').must('rm /etc/sudoers.d/lab-global');
  });

  it('shows the lecture and the prompt to nobody', async () => {
    await lab.node('n2').writeFile('/etc/sudoers.d/lab-lecture', 'Defaults lecture=always\n', 0o440);
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: PASSWORD });
    await using({ secrets }, async (connector) => {
      const result = await connector.connect(node('platform', 'n2')).exec({ script: 'echo err >&2', timeout: 30_000 });
      assert.equal(result.stderr, 'err\n');
    });
  });

  it('works with sudo that gives commands a terminal of their own', async () => {
    await lab.node('n2').writeFile('/etc/sudoers.d/lab-pty', 'Defaults use_pty\n', 0o440);
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: PASSWORD });
    await using({ secrets }, async (connector) => {
      const result = await connector.connect(node('platform', 'n2')).exec(who);
      assert.equal(result.stdout, 'root\ndata\n');
    });
  });

  it('gives no secret to the argv or the environment of any process, here or there', async () => {
    const secrets = Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD: PASSWORD, CLUSTERLIFT_SSH_PASSWORD: 'planted-ssh' });
    const seen = new Set<string>();
    let over = false;
    const watch = async (): Promise<void> => {
      while (!over) {
        for (const each of await argvAndEnvironment()) seen.add(each);
        await sleep(10);
      }
    };
    await using({ secrets }, async (connector) => {
      const watching = watch();
      const connection = connector.connect(node('platform'));
      try {
        for (let n = 0; n < 5; n++) {
          await connection.exec({ script: 'read -r planted; sleep 0.05', stdin: 'planted-stdin\n', timeout: 60_000 });
        }
      } finally {
        over = true;
        await watching;
      }
    });
    assert.ok(
      [...seen].some((each) => each.includes('clusterlift-boot')),
      'the sampler saw our commands',
    );
    const leaks = [...seen].filter((each) => each.includes(PASSWORD) || each.includes('planted'));
    assert.deepEqual(leaks, []);
  });

  it('answers PAM behind keyboard-interactive with the password, and asks again when it was wrong', async () => {
    const bare = node('plain', 'n4', { identityFile: '/nonexistent', become: 'none' });
    const script = new Script('wrong', 'plain-password');
    await using({ asker: script }, async (connector) => {
      assert.equal((await connector.connect(bare).exec(who)).stdout, 'plain\ndata\n');
    });
    assert.deepEqual(
      script.asked.map((each) => [each.kind, 'retry' in each && each.retry]),
      [
        ['password', false],
        ['password', true],
      ],
    );
    const secrets = Secrets.take({ CLUSTERLIFT_SSH_PASSWORD: 'plain-password' });
    await using({ secrets }, async (connector) => {
      assert.equal((await connector.connect(bare).exec(who)).stdout, 'plain\ndata\n');
    });
  });

  it('lets people in by password too, which is the login password of that user', async () => {
    await using({ asker: new Script('plain-password') }, async (connector) => {
      const bare = node('plain', 'n1', { identityFile: '/nonexistent', become: 'none' });
      assert.equal((await connector.connect(bare).exec(who)).stdout, 'plain\ndata\n');
    });
  });
});

/** All nodes share this machine's process table. */
async function argvAndEnvironment(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((each) => /^\d+$/.test(each));
  const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
  const texts = await Promise.all(
    pids
      .filter((pid) => pid !== String(process.pid))
      .flatMap((pid) => [read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)]),
  );
  return texts.map((each) => each.replaceAll('\0', ' '));
}
