import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sleep } from '../../../src/base/async';
import type { NodeConnection } from '../../../src/ssh/connection';
import type { Connector } from '../../../src/ssh/reach/connector';
import { Sshd, Wire, whyNoSshd } from './sshd';

const MIB = 1024 * 1024;

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

describe('files over SSH', function () {
  let sshd: Sshd;
  let connector: Connector;
  let connection: NodeConnection;
  let path = '';
  before(async function () {
    if (whyNoSshd() !== undefined) this.skip();
    sshd = await Sshd.start();
    connector = sshd.connector();
    connection = connector.connect(sshd.node());
    path = join(sshd.dir, "a $HOME 'part'");
  });
  after(async () => {
    await connector.closeAll();
    await sshd.stop();
  });
  beforeEach(() => rm(path, { force: true }));

  it('creates with mode 0600, goes on from an offset, and refuses any other size', async () => {
    const seen: number[] = [];
    const request = { path, idleTimeout: 10_000, onProgress: (bytes: number) => seen.push(bytes) };
    await connection.append({ ...request, offset: 0, source: pieces('0123', '4567') });
    await connection.append({ ...request, offset: 8, source: pieces('89') });
    assert.equal(await readFile(path, 'utf8'), '0123456789');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(seen, [4, 8, 2]);
    for (const offset of [0, 5, 11]) {
      await assert.rejects(connection.append({ ...request, offset, source: pieces('x') }), { code: 'append-offset' });
    }
    await assert.rejects(connection.append({ ...request, path: `${path}.none`, offset: 5, source: pieces('x') }), {
      code: 'append-failed',
    });
    assert.equal(await readFile(path, 'utf8'), '0123456789');
  });

  it('tells what the node said when it cannot write', async () => {
    const full = join(sshd.dir, 'full');
    await mkdir(full);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', full]);
    try {
      await assert.rejects(
        connection.append({ path: join(full, 'part'), offset: 0, source: chunks(64 * MIB), idleTimeout: 10_000 }),
        (error: Error) => error.message.includes('No space left') && 'code' in error && error.code === 'append-failed',
      );
      await assert.rejects(
        connection.append({ path: '/dev/full', offset: 0, source: chunks(1), idleTimeout: 10_000 }),
        {
          code: 'append-failed',
        },
      );
    } finally {
      execFileSync('umount', [full]);
    }
  });

  it('sends 64 MiB unchanged', async () => {
    const file = join(sshd.dir, 'big');
    const block = Buffer.from(Array.from({ length: MIB }, (_, index) => (index * 7919) % 251));
    await writeFile(file, Buffer.concat(Array.from({ length: 64 }, () => block)));
    await connection.append({
      path,
      offset: 0,
      source: createReadStream(file, { highWaterMark: 256 * 1024 }),
      idleTimeout: 20_000,
    });
    assert.equal(await digest(path), await digest(file));
  });

  it('keeps what arrived when the link is lost, so that the rest can follow', async () => {
    const wire = await Wire.to(sshd.port);
    await sshd.trust(undefined, `[127.0.0.1]:${String(wire.port)}`);
    const wired = connector.connect(sshd.node({ name: 'wired', port: wire.port }));
    const content = Buffer.alloc(8 * MIB, 'abc');
    async function* from(offset: number, cutAt: number): AsyncGenerator<Uint8Array> {
      for (let at = offset; at < content.length; at += 65_536) {
        if (at >= cutAt) wire.cut();
        yield await Promise.resolve(content.subarray(at, at + 65_536));
      }
    }
    await assert.rejects(wired.append({ path, offset: 0, source: from(0, 4 * MIB), idleTimeout: 20_000 }), {
      code: 'link-lost',
    });
    let arrived = 0;
    for (let last = -1; arrived !== last || arrived === 0;) {
      last = arrived;
      await sleep(100);
      arrived = (await stat(path)).size;
    }
    assert.ok(arrived < content.length);
    await wired.append({ path, offset: arrived, source: from(arrived, Infinity), idleTimeout: 20_000 });
    assert.ok((await readFile(path)).equals(content));
    await wire.close();
    await sshd.trust();
  });

  it('gives up when nothing moves any more', async () => {
    const wire = await Wire.to(sshd.port);
    await sshd.trust(undefined, `[127.0.0.1]:${String(wire.port)}`);
    const wired = connector.connect(sshd.node({ name: 'stuck', port: wire.port }));
    await wired.exec({ script: 'true', timeout: 10_000 });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let n = 0; ; n++) {
        if (n === 20) wire.freeze();
        yield await Promise.resolve(Buffer.alloc(65_536));
      }
    }
    await assert.rejects(wired.append({ path, offset: 0, source: endless(), idleTimeout: 300 }), { code: 'link-lost' });
    await wire.close();
    await sshd.trust();
  });

  it('does not count the time of a slow source as a dead link', async () => {
    async function* slow(): AsyncGenerator<Uint8Array, void> {
      yield Buffer.from('a');
      await sleep(3500);
      yield Buffer.from('b');
    }
    await connection.append({ path, offset: 0, source: slow(), idleTimeout: 3000 });
    assert.equal(await readFile(path, 'utf8'), 'ab');
  });

  it('holds the source back when the node is slow: memory stays bounded', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 65_536;
        yield await Promise.resolve(Buffer.alloc(65_536));
      }
    }
    const abort = new AbortController();
    const run = connection.exec({ script: 'sleep 30', stdin: endless(), timeout: 60_000, signal: abort.signal });
    // Until it has begun and then stands still.
    for (let last = -1; given === 0 || given !== last;) {
      last = given;
      await sleep(500);
    }
    abort.abort();
    await assert.rejects(run, { code: 'cancelled' });
    assert.ok(given < 16 * MIB, String(given));
  });

  it('reads at any offset over SFTP', async () => {
    await writeFile(path, Buffer.from(Array.from({ length: 3 * MIB }, (_, index) => index % 253)));
    const reader = await connection.openReader(path);
    assert.equal(reader.size, 3 * MIB);
    for (const [offset, length] of [
      [0, 10],
      [1000, 2 * MIB],
      [3 * MIB - 5, 100],
      [4 * MIB, 10],
    ] as const) {
      const bytes = Buffer.from(await reader.read(offset, length));
      assert.ok(bytes.equals((await readFile(path)).subarray(offset, offset + length)));
    }
    await reader.close();
    await assert.rejects(connection.openReader(`${path}.none`), { code: 'node-file' });
  });

  it('keeps nothing of what was read: a link lives for gigabytes', async () => {
    await writeFile(path, Buffer.alloc(MIB));
    const reader = await connection.openReader(path);
    for (let n = 0; n < 200; n++) await reader.read(0, MIB);
    await reader.close();
    collectGarbage();
    assert.ok(process.memoryUsage().arrayBuffers < 64 * MIB);
  });

  it('reads without SFTP where the server has none', async () => {
    const bare = await Sshd.start({ sftp: false });
    const other = bare.connector();
    try {
      const file = join(bare.dir, "it's here");
      await writeFile(file, '0123456789');
      const reader = await other.connect(bare.node()).openReader(file);
      assert.equal(reader.size, 10);
      assert.equal(Buffer.from(await reader.read(3, 4)).toString(), '3456');
      assert.equal(Buffer.from(await reader.read(8, 10)).toString(), '89');
      await assert.rejects(other.connect(bare.node()).openReader(`${file}.none`), { code: 'node-file' });
    } finally {
      await other.closeAll();
      await bare.stop();
    }
  });

  it('ends a read when the link is lost', async () => {
    const wire = await Wire.to(sshd.port);
    await sshd.trust(undefined, `[127.0.0.1]:${String(wire.port)}`);
    await writeFile(path, Buffer.alloc(MIB));
    const reader = await connector.connect(sshd.node({ name: 'cut', port: wire.port })).openReader(path);
    wire.freeze();
    const read = reader.read(0, MIB);
    await sleep(50);
    wire.cut();
    await assert.rejects(read, { code: 'link-lost' });
    await assert.rejects(reader.read(0, 1), { code: 'link-lost' });
    await reader.close();
    await wire.close();
    await sshd.trust();
  });

  it('finds ~ in the home directory of the login user', async () => {
    const home = (await connection.exec({ script: 'printf %s "$HOME"', timeout: 10_000 })).stdout;
    const name = `.cache/clusterlift-test-${String(process.pid)}`;
    await mkdir(join(home, '.cache'), { recursive: true });
    try {
      await connection.append({ path: `~/${name}`, offset: 0, source: pieces('x'), idleTimeout: 5000 });
      assert.equal(await readFile(join(home, name), 'utf8'), 'x');
      const reader = await connection.openReader(`~/${name}`);
      assert.equal(reader.size, 1);
      await reader.close();
    } finally {
      await rm(join(home, name), { force: true });
    }
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

async function* chunks(total: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < total; at += 65_536) yield await Promise.resolve(Buffer.alloc(65_536));
}

async function digest(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}
