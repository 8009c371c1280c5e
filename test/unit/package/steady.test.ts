import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { RandomReader } from '../../../src/base/reader';
import { SteadyReader } from '../../../src/package/steady';
import { memoryReader } from '../../lab/readers';

const PIECE = 256 * 1024;
const changed = { code: 'package-changed', exit: 3 };
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A source that gives `later` once it was asked often enough. */
function liar(first: Buffer, later: Buffer, after: number): RandomReader {
  let asked = 0;
  return {
    size: first.length,
    read: (offset, length) =>
      Promise.resolve((asked++ < after ? first : later).subarray(offset, Math.min(offset + length, first.length))),
    close: () => Promise.resolve(),
  };
}

describe('a reader whose source may lie', () => {
  it('gives any bytes in any order, and the digest of the whole', async () => {
    const size = fc.integer({ min: 0, max: 6 * PIECE });
    const ranges = fc.array(fc.tuple(fc.nat(6 * PIECE), fc.nat(2 * PIECE)), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(size, ranges, async (length, reads) => {
        const bytes = Buffer.alloc(length, 'some bytes of an image ');
        const reader = new SteadyReader(memoryReader(bytes), 'x');
        for (const [offset, count] of reads) {
          const got = await reader.read(offset, count);
          assert.ok(bytes.subarray(offset, offset + count).equals(got), `${String(offset)}+${String(count)}`);
        }
        assert.equal(await reader.sha256(), digestOf(bytes));
        assert.ok(bytes.equals(await reader.read(0, length)));
      }),
      { numRuns: 40 },
    );
  });

  it('never tells two stories: what it gave has the digest that it tells, or it is refused', async () => {
    const [good, evil] = [Buffer.alloc(24 * PIECE, 'good'), Buffer.alloc(24 * PIECE, 'evil')];
    const all = fc.tuple(fc.nat(12), fc.array(fc.nat(24 * PIECE - 10), { minLength: 1, maxLength: 10 }));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(all, async ([after, offsets]) => {
        const reader = new SteadyReader(liar(good, evil, after), 'x');
        try {
          const given = [];
          for (const offset of offsets) given.push({ offset, bytes: await reader.read(offset, 10) });
          const digest = await reader.sha256();
          const whole = await reader.read(0, good.length);
          assert.equal(digestOf(whole), digest);
          for (const { offset, bytes } of given)
            assert.ok(
              Buffer.from(whole)
                .subarray(offset, offset + 10)
                .equals(bytes),
            );
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error, String(error));
          assert.equal(error.code, changed.code);
          refused++;
        }
      }),
      { numRuns: 40 },
    );
    assert.ok(refused > 0);
  });

  it('reads the whole about once, though structure and files are read first', async () => {
    const bytes = Buffer.alloc(40 * PIECE, 'x');
    const inner = memoryReader(bytes);
    const reader = new SteadyReader(inner, 'x');
    await reader.read(30 * PIECE, 2048);
    for (let at = 10; at < bytes.length; at += PIECE + 7000) await reader.read(at, PIECE);
    await reader.sha256();
    assert.ok(inner.bytes < bytes.length + 8 * PIECE, String(inner.bytes));
  });

  it('refuses a source that became shorter', async () => {
    const bytes = Buffer.alloc(3 * PIECE, 'x');
    const reader = new SteadyReader(liar(bytes, bytes.subarray(0, PIECE), 1), 'x');
    await reader.read(0, 10);
    await assert.rejects(reader.sha256(), changed);
  });
});
