import { strict as assert } from 'node:assert';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalConnection } from '../../../../src/ssh/reach/local';
import { Secrets } from '../../../../src/ssh/secrets';
import { nobody } from '../helpers';

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield Buffer.from(text);
  }
}

describe('the local connection', () => {
  const connection = new LocalConnection({
    node: { name: 'here', become: 'none' },
    asker: nobody,
    secrets: new Secrets(),
  });
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'clusterlift-local-'));
  });
  after(() => rm(dir, { recursive: true }));

  it('returns outputs and exit status', async () => {
    const result = await connection.exec({ script: 'echo out; echo err >&2; exit 3', timeout: 10_000 });
    assert.deepEqual(result, { code: 3, signal: undefined, stdout: 'out\n', stderr: 'err\n' });
  });

  it('tells a script that a signal killed from one that failed', async () => {
    const result = await connection.exec({ script: 'kill -TERM $$', timeout: 10_000 });
    assert.deepEqual([result.code, result.signal], [null, 'SIGTERM']);
  });

  it('feeds text, bytes and streams to stdin, and ends it', async () => {
    for (const stdin of ['a\nb', Buffer.from('a\nb'), pieces('a\n', '', 'b')]) {
      assert.equal((await connection.exec({ script: 'cat', stdin, timeout: 10_000 })).stdout, 'a\nb');
    }
  });

  it('does not mind a script that leaves its stdin unread', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
    }
    assert.equal(
      (await connection.exec({ script: 'head -c 3 >/dev/null', stdin: endless(), timeout: 10_000 })).code,
      0,
    );
  });

  it('fails when the source of stdin fails', async () => {
    // eslint-disable-next-line require-yield -- a source that fails at once
    async function* broken(): AsyncGenerator<Uint8Array> {
      await Promise.resolve();
      throw new Error('disk gone');
    }
    await assert.rejects(connection.exec({ script: 'cat', stdin: broken(), timeout: 10_000 }), /disk gone/);
  });

  it('waits for a slow reader of stdout and loses nothing', async () => {
    let bytes = 0;
    const result = await connection.exec({
      script: 'head -c 3000000 /dev/zero',
      onStdout: async (chunk) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        bytes += chunk.length;
      },
      timeout: 30_000,
    });
    assert.equal(bytes, 3_000_000);
    assert.equal(result.stdout, '');
  });

  it('gives up after the time-out without waiting for the process', async () => {
    await assert.rejects(connection.exec({ script: 'echo before >&2; sleep 30', timeout: 100 }), {
      code: 'node-timeout',
      log: ['before'],
    });
  });

  it('refuses output without end', async () => {
    await assert.rejects(connection.exec({ script: 'yes', maxOutput: 10_000, timeout: 10_000 }), {
      code: 'node-output-too-long',
    });
  });

  it('lets go when it is aborted', async () => {
    const abort = new AbortController();
    const run = connection.exec({ script: 'sleep 30', timeout: 60_000, signal: abort.signal });
    setTimeout(() => {
      abort.abort();
    }, 50);
    await assert.rejects(run, { code: 'cancelled' });
  });

  it('keeps our environment to itself', async () => {
    process.env['CLUSTERLIFT_TEST_PLANTED'] = 'planted';
    process.env['NODE_OPTIONS'] ??= '';
    try {
      const { stdout } = await connection.exec({ script: 'env', timeout: 10_000 });
      assert.doesNotMatch(stdout, /planted|NODE_OPTIONS/);
      assert.match(stdout, /^LC_ALL=C$/m);
    } finally {
      delete process.env['CLUSTERLIFT_TEST_PLANTED'];
    }
  });

  it('appends only at the expected size, and reads at any offset', async () => {
    const path = join(dir, 'image.part');
    const seen: number[] = [];
    const request = { path, idleTimeout: 5000, onProgress: (bytes: number) => seen.push(bytes) };
    await connection.append({ ...request, offset: 0, source: pieces('0123', '4567') });
    await connection.append({ ...request, offset: 8, source: pieces('89') });
    assert.equal(await readFile(path, 'utf8'), '0123456789');
    assert.deepEqual(seen, [4, 8, 2]);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    for (const offset of [0, 5, 11]) {
      await assert.rejects(connection.append({ ...request, offset, source: pieces('x') }), { code: 'append-offset' });
    }
    const reader = await connection.openReader(path);
    assert.equal(reader.size, 10);
    assert.equal(Buffer.from(await reader.read(3, 4)).toString(), '3456');
    assert.equal(Buffer.from(await reader.read(8, 100)).toString(), '89');
    await reader.close();
    await assert.rejects(connection.openReader(join(dir, 'none')), { code: 'node-file' });
  });

  it('reads secrets from files and from nowhere else', async () => {
    const file = join(dir, 'secret');
    await writeFile(file, 'p:ss word\n');
    const env = { CLUSTERLIFT_SSH_PASSWORD_FILE: file, CLUSTERLIFT_URL_AUTH: 'me:tokentoken', OTHER: '1' };
    const secrets = Secrets.take(env);
    assert.deepEqual(env, { OTHER: '1' });
    assert.equal(secrets.get('ssh-password'), 'p:ss word');
    assert.equal(
      secrets.redact('x p:ss word y p%3Ass%20word https://me:tokentoken@host/ tokentoken'),
      'x ******** y ******** https://********@host/ ********',
    );
    assert.throws(() => Secrets.take({ CLUSTERLIFT_BECOME_PASSWORD_FILE: '/nonexistent' }), { code: 'secret-file' });
  });
});
