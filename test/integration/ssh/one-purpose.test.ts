import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils } from 'ssh2';
import type { Question } from '../../../src/ssh/connection';
import { Connector } from '../../../src/ssh/reach/connector';
import { Secrets } from '../../../src/ssh/secrets';
import { nodeModel } from '../../unit/ssh/helpers';

/** A server that takes passwords only, refuses each, and keeps what it was told. */
class Greedy {
  readonly told: string[] = [];
  readonly key = utils.generateKeyPairSync('ed25519');
  private readonly server = new Server({ hostKeys: [this.key.private] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      if (context.method === 'password') this.told.push(context.password);
      if (context.method !== 'keyboard-interactive') {
        context.reject(['password', 'keyboard-interactive']);
        return;
      }
      context.prompt([{ prompt: 'Password: ', echo: false }], '', () => {
        const { responses } = context as unknown as { responses?: readonly string[] };
        this.told.push(...(responses ?? []));
        context.reject(['password']);
      });
    });
  });

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.close();
  }
}

describe('a password has one purpose', () => {
  let dir = '';
  let port = 0;
  let greedy: Greedy;
  let asked: Question[] = [];
  const GIVEN = { CLUSTERLIFT_SSH_PASSWORD: 'of-the-nodes', CLUSTERLIFT_BECOME_PASSWORD: 'of-root' };

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'clusterlift-purpose-'));
    greedy = new Greedy();
    port = await greedy.start();
    asked = [];
    mkdirSync(join(dir, '.ssh'));
    writeFileSync(join(dir, '.ssh', 'known_hosts'), `[127.0.0.1]:${String(port)} ${greedy.key.public}\n`);
  });
  afterEach(() => {
    greedy.stop();
    rmSync(dir, { recursive: true });
  });

  function connector(env: Record<string, string>): Connector {
    return new Connector({
      cluster: 'lab',
      file: '/clusters.json',
      nodes: [],
      asker: {
        ask: (question) => {
          asked.push(question);
          return Promise.resolve(undefined);
        },
      },
      secrets: Secrets.take({ ...env }),
      acceptNewHostKeys: false,
      env: { HOME: dir, PATH: process.env['PATH'] ?? '' },
      sshConfigs: [],
    });
  }
  const refused = { code: 'auth-failed' };

  it('the one for the nodes goes to a node', async () => {
    const connection = connector(GIVEN).connect(nodeModel({ port, user: 'me' }));
    await assert.rejects(connection.exec({ script: 'true', timeout: 10_000 }), refused);
    assert.ok(greedy.told.includes('of-the-nodes'));
    const target = { file: '/clusters.json', cluster: 'lab', host: '127.0.0.1', port, user: 'me' };
    assert.deepEqual(asked[0] && 'target' in asked[0] && asked[0].target, target);
  });

  it('the one for the nodes never goes to a backup server, which has a variable of its own', async () => {
    await assert.rejects(connector(GIVEN).server('127.0.0.1', port, 'backup')(), refused);
    assert.deepEqual(
      greedy.told.filter((each) => each !== ''),
      [],
    );
    await assert.rejects(
      connector({ ...GIVEN, CLUSTERLIFT_BACKUP_PASSWORD: 'of-the-backups' }).server('127.0.0.1', port, 'backup')(),
      (error: Error & { hint?: string }) => error.hint?.includes('CLUSTERLIFT_BACKUP_PASSWORD') === true,
    );
    assert.deepEqual(new Set(greedy.told.filter((each) => each !== '')), new Set(['of-the-backups']));
  });

  it('the one for the nodes never goes to a jump host that is not a node', async () => {
    const jump = `me@127.0.0.1:${String(port)}`;
    const connection = connector({ ...GIVEN, CLUSTERLIFT_BACKUP_PASSWORD: 'of-the-backups' }).connect(
      nodeModel({ host: '10.255.255.1', user: 'me', jump }),
    );
    await assert.rejects(connection.exec({ script: 'true', timeout: 10_000 }), refused);
    assert.deepEqual(
      greedy.told.filter((each) => each !== ''),
      [],
    );
    assert.ok(asked.some((each) => each.kind === 'password'));
  });

  it('of one cluster is not recalled for a cluster of the same name in another file', async () => {
    const secrets = new Secrets();
    const purposes: string[] = [];
    const recall = secrets.recall.bind(secrets);
    secrets.recall = (purpose) => {
      purposes.push(purpose);
      return recall(purpose);
    };
    const of = (file: string): Connector =>
      new Connector({
        cluster: 'lab',
        file,
        nodes: [],
        asker: { ask: () => Promise.resolve(undefined) },
        secrets,
        acceptNewHostKeys: false,
        env: { HOME: dir },
        sshConfigs: [],
      });
    for (const file of ['/a.json', '/b.json']) {
      const connection = of(file).connect(nodeModel({ port, user: 'me' }));
      await assert.rejects(connection.exec({ script: 'true', timeout: 10_000 }), refused);
    }
    assert.equal(new Set(purposes).size, 2);
  });
});
