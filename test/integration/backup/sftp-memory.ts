import { join } from 'node:path';
import { parseLocation } from '../../../src/backup/points/location';
import { SftpServer } from '../../../src/backup/stores/sftp-client';
import { SftpStore } from '../../../src/backup/stores/sftp';
import { Connector } from '../../../src/ssh/reach/connector';
import { Secrets } from '../../../src/ssh/secrets';
import { samplePoint } from '../../unit/backup/sample';
import { runner, ShellConnection } from './places';

/** Backs up a directory to the server of the test and reads it back, in a process of its own; tells its memory. */
async function main(): Promise<void> {
  const { TEST_DIR: dir = '', TEST_SSHD: sshd = '', TEST_PORT: port = '' } = process.env;
  const connector = new Connector({
    cluster: 'test',
    file: '/clusters.json',
    nodes: [],
    asker: { ask: () => Promise.resolve(undefined) },
    secrets: new Secrets(),
    acceptNewHostKeys: false,
    env: { PATH: process.env['PATH'] ?? '', HOME: join(sshd, 'home') },
    sshConfigs: [join(sshd, 'home', '.ssh', 'config')],
  });
  const location = parseLocation({ name: 'vault', uri: `sftp://root@127.0.0.1:${port}${join(dir, 'server')}` });
  if (location.kind !== 'sftp') throw new Error('not a server');
  const store = new SftpStore(
    location,
    new SftpServer('vault', connector.server(location.host, location.port, location.user)),
  );
  const connection = new ShellConnection('n1');
  const node = { name: 'n1', connection, stateDir: join(dir, 'state') };
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const part = await store.createPart({
    point: '20261122T201755Z-staging-4f2a9c',
    node,
    cluster: 'c',
    run: undefined,
    version: undefined,
    paths: [join(dir, 'root', 'app')],
    exclude: [],
    leaveOut: [],
    quiet: undefined,
    runTask: runner(connection),
  });
  const verdict = await store.verifyPart({ point: samplePoint([], { nodes: { n1: part } }), part, node });
  clearInterval(timer);
  if (verdict.result !== 'verified') throw new Error(verdict.reason ?? 'broken');
  process.stdout.write(JSON.stringify({ before, peak, bytes: part.data.bytes }));
  await connector.closeAll();
}

void main();
