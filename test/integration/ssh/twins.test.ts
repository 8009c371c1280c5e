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
  /** The same machine by another port, and the jump host. */
  let gate: Sshd;
  const open: { close(): Promise<void> }[] = [];
  before(async function () {
    if (whyNoSshd() !== undefined) return this.skip();
    [sshd, gate] = await Promise.all([Sshd.start({ config: ['ListenAddress ::1'] }), Sshd.start()]);
    const alias = `Host twin\n HostName 127.0.0.1\n Port ${String(sshd.port)}\n`;
    await appendFile(join(sshd.dir, 'home/.ssh/config'), alias, { mode: 0o600 });
    const key = await sshd.hostKey('ed25519');
    const names = ['localhost', '::1'].map((name) => `[${name}]:${String(sshd.port)} ${key}\n`);
    const other = `[127.0.0.1]:${String(gate.port)} ${await gate.hostKey('ed25519')}\n`;
    await appendFile(sshd.knownHosts, [...names, other].join(''));
    assert.ok((await readFile(sshd.knownHosts, 'utf8')).includes('localhost'));
  });
  after(async () => {
    await Promise.all(open.map((each) => each.close()));
    await Promise.all([sshd.stop(), gate.stop()]);
  });

  const ways: Record<string, () => Partial<NodeModel> | 'local'> = {
    'an address': () => ({ host: '127.0.0.1' }),
    'an IPv6 address': () => ({ host: '::1' }),
    'a host name': () => ({ host: 'localhost' }),
    'an alias of ssh_config': () => ({ host: 'twin', port: undefined }),
    'another port': () => ({ host: '127.0.0.1', port: gate.port, identityFile: gate.keyFile }),
    'a jump host': () => ({ host: '127.0.0.1', jump: 'gate' }),
    'connection: local': () => 'local',
  };

  function connect(way: string, index: number): NodeConnection {
    const how = ways[way]?.() ?? 'local';
    const name = `n${String(index)}`;
    if (how === 'local') {
      const local = new LocalConnection({ node: { name, become: 'none' }, asker: nobody, secrets: new Secrets() });
      open.push(local);
      return local;
    }
    const connector = sshd.connector({ nodes: [gate.node({ name: 'gate' })] });
    open.push({ close: () => connector.closeAll() });
    return connector.connect(sshd.node({ name, ...how }));
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
        await Promise.all(open.splice(0).map((each) => each.close()));
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
