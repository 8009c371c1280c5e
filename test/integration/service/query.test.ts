import { strict as assert } from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { QueryClient } from '../../../src/service/query-client';
import type { QueryResult } from '../../../src/service/query-protocol';
import { acmePackage } from '../../lab/acme';

const CLI = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../../dist/cli.js');

describe('a query through the service', () => {
  let home: string;
  let client: QueryClient;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'clusterlift-query-'));
    const node = { name: 'n1', host: '127.0.0.1', port: 1 };
    await writeFile(join(home, 'clusters.json'), JSON.stringify({ clusters: { lab: { nodes: [node] } } }));
    const env = { PATH: process.env['PATH'] ?? '', HOME: home };
    client = new QueryClient(
      { execPath: process.execPath, script: CLI, env },
      { ask: () => Promise.resolve(undefined) },
    );
  });

  after(async () => {
    client.dispose();
    await rm(home, { recursive: true, force: true });
  });

  const query = (...argv: string[]): Promise<QueryResult> => client.query({ argv, cwd: home, by: 'ann', secrets: {} });

  it('gives lines for people, or rows with --json, never both', async () => {
    const { path } = await acmePackage('2.0');
    const people = await query('package', 'inspect', path);
    assert.match(people.lines.join('\n'), /acme/);
    assert.deepEqual([people.status, people.rows], [0, []]);
    const { rows, lines, status } = await query('package', 'inspect', path, '--json');
    assert.deepEqual([status, lines], [0, []]);
    assert.equal((rows[0] as { version?: string }).version, '2.0');
  });

  it('shows what the checks and the nodes say, as a terminal would', async () => {
    const config = ['--config', join(home, 'clusters.json')];
    const status = await query('status', ...config);
    assert.match(status.lines.join('\n'), /n1.*unreachable/s);
    const preview = await query('upgrade', (await acmePackage('2.0')).path, '--dry-run', ...config);
    assert.match(preview.lines.join('\n'), /host-unreachable/);
    assert.equal(preview.status, 3);
  });

  it('changes nothing', async () => {
    const { error, status } = await query('upgrade', '--config', join(home, 'clusters.json'));
    assert.deepEqual([error?.code, status], ['usage-not-a-look', 2]);
  });
});
