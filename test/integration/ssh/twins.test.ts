import { strict as assert } from 'node:assert';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import type { NodeModel } from '../../../src/cluster/model';
import { readMarks } from '../../../src/engine/node/twins';
import { Secrets } from '../../../src/ssh/secrets';
import { LocalConnection } from '../../../src/ssh/reach/local';
import type { NodeConnection } from '../../../src/ssh/connection';
import { nobody } from '../../unit/ssh/helpers';
import { Sshd, whyNoSshd } from './sshd';

describe('Two names, one machine', function () {
  this.timeout(300_000);
  let sshd: Sshd;
  const open: NodeConnection[] = [];
  before(async function () {
    if (whyNoSshd() !== undefined) return this.skip();
    sshd = await Sshd.start({ config: ['ListenAddress ::1'] });
    const alias = `Host twin\n HostName 127.0.0.1\n Port ${String(sshd.port)}\n`;
    await appendFile(join(sshd.dir, 'home/.ssh/config'), alias, { mode: 0o600 });
    const key = await sshd.hostKey('ed25519');
    const names = ['localhost', '::1'].map((name) => `[${name}]:${String(sshd.port)} ${key}\n`);
    await appendFile(sshd.knownHosts, names.join(''));
    assert.ok((await readFile(sshd.knownHosts, 'utf8')).includes('localhost'));
  });
  after(async () => {
    await Promise.all(open.map((each) => each.close()));
    await sshd.stop();
  });

  const ways: Record<string, () => Partial<NodeModel> | 'local'> = {
    'an address': () => ({ host: '127.0.0.1' }),
    'an IPv6 address': () => ({ host: '::1' }),
    'a host name': () => ({ host: 'localhost' }),
    'an alias of ssh_config': () => ({ host: 'twin', port: undefined }),
    'connection: local': () => 'local',
  };

  function connect(way: string, index: number): NodeConnection {
    const how = ways[way]?.() ?? 'local';
    const name = `n${String(index)}`;
    const connection =
      how === 'local'
        ? new LocalConnection({ node: { name, become: 'none' }, asker: nobody, secrets: new Secrets() })
        : sshd.connector().connect(sshd.node({ name, ...how }));
    open.push(connection);
    return connection;
  }

  it('is proven whichever way each name leads there, and only for names with the same directory', async () => {
    const place = fc.record({ way: fc.constantFrom(...Object.keys(ways)), at: fc.constantFrom('a', 'b') });
    for (const name of ['a', 'b']) await mkdir(join(sshd.dir, name), { mode: 0o700 });
    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: 2, maxLength: 4 }), async (places) => {
        const nodes = places.map(({ way, at }, index) => ({
          connection: connect(way, index),
          stateDir: join(sshd.dir, at),
        }));
        const seen = await readMarks(nodes, new AbortController().signal);
        await Promise.all(nodes.map(({ connection }) => connection.close()));
        places.forEach((one, i) => {
          places.slice(0, i).forEach((other, j) => {
            const proven = seen[i]?.has(j) === true || seen[j]?.has(i) === true;
            assert.equal(proven, one.at === other.at, `${other.way} and ${one.way}`);
          });
        });
      }),
      { numRuns: process.env['LONG'] === undefined ? 8 : 100 },
    );
  });
});
