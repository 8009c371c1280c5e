import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Attributes, Client, Server, type SFTPWrapper, utils } from 'ssh2';
import { MAX_ENTRIES } from '../../../../src/backup/archive/limits';
import { SftpServer } from '../../../../src/backup/stores/sftp-client';
import { Transport } from '../../../../src/ssh/reach/transport';
import { hasCode } from '../../../../src/base/errors';

const FILE: Attributes = { mode: 0o100644, uid: 0, gid: 0, size: 1, atime: 0, mtime: 0 };
const { STATUS_CODE } = utils.sftp;

/** A server that answers each READDIR as the test says, over a real SSH connection. */
async function serve(
  readdir: (sftp: SFTPWrapper, id: number) => void,
): Promise<{ list: () => Promise<unknown>; stop: () => void }> {
  const hostKey = utils.generateKeyPairSync('ed25519').private;
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => context.accept());
    connection.on('session', (acceptSession) => {
      acceptSession().on('sftp', (acceptSftp) => {
        const sftp = acceptSftp();
        sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('h')));
        sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
        sftp.on('READDIR', (id) => readdir(sftp, id));
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new Client();
  client.connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    username: 'x',
    password: 'x',
    hostVerifier: () => true,
  });
  await once(client, 'ready');
  const handshake = { hostKey: Buffer.alloc(0), key: undefined, oldAlgorithms: [] };
  const transport = new Transport('vault', client, handshake);
  const files = new SftpServer('vault', () => Promise.resolve(transport));
  return {
    list: () => files.list('/srv'),
    stop: () => {
      transport.end();
      server.close();
    },
  };
}

describe('a directory on a backup server that does not end', () => {
  const names = (count: number, size = 20): { filename: string; longname: string; attrs: Attributes }[] =>
    Array.from({ length: count }, (_, n) => ({
      filename: `${String(n)}-`.padEnd(size, 'x'),
      longname: '',
      attrs: FILE,
    }));

  for (const [what, piece, words, most] of [
    [
      'in entries',
      names(1000),
      /\/srv on backup server vault has more than 100000 entries, which is the limit/,
      MAX_ENTRIES / 1000,
    ],
    ['in bytes', names(100, 2000), /has more than 16 MiB of entries, which is the limit/, (16 * 1024 * 1024) / 200_000],
  ] as const) {
    it(`is refused ${what}, as soon as the limit is reached`, async () => {
      let asked = 0;
      const { list, stop } = await serve((sftp, id) => {
        asked++;
        sftp.name(id, [...piece]);
      });
      try {
        await assert.rejects(list(), (error: Error) => hasCode(error, 'limit-exceeded') && words.test(error.message));
        assert.ok(asked <= most + 2, String(asked));
      } finally {
        stop();
      }
    });
  }

  it('ends with a piece that has no entries; one with dots only is none of those', async () => {
    let asked = 0;
    const { list, stop } = await serve((sftp, id) => {
      asked++;
      const dots = ['.', '..'].map((filename) => ({ filename, longname: '', attrs: FILE }));
      sftp.name(id, asked === 1 ? dots : asked === 2 ? names(1) : []);
    });
    try {
      assert.equal(((await list()) as unknown[]).length, 1);
      assert.equal(asked, 3);
    } finally {
      stop();
    }
  });
});
