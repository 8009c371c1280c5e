import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { hasCode } from '../../../../src/base/errors';
import { type Seen, SeenPoints } from '../../../../src/backup/points/found';
import * as limits from '../../../../src/backup/archive/limits';
import { MemberGuard } from '../../../../src/backup/archive/members';
import { Names } from '../../../../src/backup/archive/names';
import { MAX_POINT_BYTES } from '../../../../src/backup/points/point';
import { type Member, TarReader } from '../../../../src/backup/archive/tar-stream';
import type { ErrorCode } from '../../../../src/base/catalogue';

const member = (name: string, type: Member['type'] = 'file'): Member => ({
  ...{ name, type, mode: 0, uid: 0, gid: 0, size: 0, mtime: '0', target: '', device: '', attributes: [] },
});

function refuses(code: ErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Error && hasCode(error, code), String(error));
    assert.match(error.message, words);
    return true;
  };
}

describe('what a remote side can make us keep', () => {
  describe('of the names of members', () => {
    it('is 16 bytes each, however long they are', () => {
      const guard = new MemberGuard(['/app'], false);
      guard.check(member('./app', 'directory'));
      const long = 'x'.repeat(4000);
      for (let n = 0; n < 20_000; n++) guard.check(member(`./app/${long}${String(n)}`));
      assert.ok(guard.bytes <= 1024 * 1024, String(guard.bytes));
      assert.throws(() => guard.check(member(`./app/${long}777`)), refuses('archive-invalid', /there twice/));
    });

    it('has limits that the error names', () => {
      const guard = new MemberGuard(['/app'], false, 3);
      guard.check(member('./app', 'directory'));
      const name = `./app/${'x'.repeat(limits.MAX_NAME)}`;
      assert.throws(
        () => guard.check(member(name)),
        refuses('archive-invalid', /longer than 16384 bytes, which is the/),
      );
      const deep = `./app${'/d'.repeat(limits.MAX_DEPTH)}`;
      assert.throws(
        () => guard.check(member(deep)),
        refuses('archive-invalid', /deeper than 1000 directories, which is/),
      );
      guard.check(member('./app/1'));
      guard.check(member('./app/2'));
      assert.throws(
        () => guard.check(member('./app/3')),
        refuses('archive-invalid', /more than 3 members, which is the/),
      );
    });

    it('is told apart as in a map, for whatever names', () => {
      const name = fc.oneof(fc.string(), fc.constantFrom('a', 'b', 'a/b', 'ÿ', ''));
      fc.assert(
        fc.property(fc.array(fc.tuple(name, fc.boolean()), { maxLength: 3000, size: 'max' }), (pairs) => {
          const [map, names] = [new Map<string, boolean>(), new Names()];
          for (const [each, flag] of pairs) {
            const key = Buffer.from(each).toString('latin1');
            assert.equal(names.get(key), map.get(key));
            if (map.has(key)) continue;
            map.set(key, flag);
            names.add(key, flag);
          }
          for (const [key, flag] of map) assert.equal(names.get(key), flag);
          assert.equal(names.size, map.size);
        }),
        { numRuns: 30 },
      );
    });
  });

  describe('of extended headers', () => {
    const header = (type: string, size: number): Buffer => {
      const block = Buffer.alloc(512);
      block.write('./app', 0);
      block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
      block.write(type, 156);
      block.fill(' ', 148, 156);
      const sum = block.reduce((all, byte) => all + byte, 0);
      block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      return block;
    };
    const pax = (size: number): Buffer => {
      const body = Buffer.alloc(Math.ceil(size / 512) * 512);
      body.write(`${String(size)} SCHILY.xattr.user.a=`);
      body[size - 1] = 0x0a;
      return Buffer.concat([header('x', size), body]);
    };

    it('is copied a few times at most, however small the pieces are that it comes in', () => {
      const bytes = pax(limits.MAX_EXTENDED);
      const concat = Buffer.concat.bind(Buffer);
      let copied = 0;
      Buffer.concat = (list, length) => {
        copied += list.reduce((sum, each) => sum + each.length, 0);
        return concat(list, length);
      };
      try {
        const reader = new TarReader(() => undefined);
        for (let at = 0; at < bytes.length; at += 7) reader.push(bytes.subarray(at, at + 7));
      } finally {
        Buffer.concat = concat;
      }
      assert.ok(copied >= limits.MAX_EXTENDED && copied < 3 * limits.MAX_EXTENDED, String(copied));
    });

    it('has a limit for all of one member together, and for their records', () => {
      const reader = new TarReader(() => undefined);
      reader.push(pax(600_000));
      assert.throws(() => reader.push(pax(600_000)), refuses('archive-invalid', /longer than 1048576 bytes, which is/));
      const again = new TarReader(() => undefined);
      const member = header('5', 0);
      for (let n = 0; n < 3; n++) again.push(Buffer.concat([pax(600_000), member]));

      const record = '8 a=bcd\n';
      const many = Buffer.from(record.repeat(limits.MAX_RECORDS + 1));
      const padding = Buffer.alloc(512 - (many.length % 512));
      assert.throws(
        () => new TarReader(() => undefined).push(Buffer.concat([header('x', many.length), many, padding])),
        refuses('archive-invalid', /more than 10000 records, which is the limit/),
      );
    });
  });

  describe('of restore points', () => {
    const seen = (n: number, point: string, node = 'n1'): Seen => ({ id: `p${String(n)}`, node, point, parts: [] });

    it('is bounded in bytes over all of a location, and the same text of many nodes counts once', () => {
      const points = new SeenPoints('vault');
      const text = 'x'.repeat(MAX_POINT_BYTES);
      const held = Array.from({ length: 200 }, (_, n) => points.hold(seen(1, text, `n${String(n)}`)));
      assert.equal(held.length, 200);
      const fill = (): void => {
        for (let n = 0; n < 17; n++) points.hold(seen(n, `${String(n)}${text.slice(1)}`));
      };
      assert.throws(
        fill,
        refuses('limit-exceeded', /location vault has more than 256 MiB of restore points, which is/),
      );
    });

    it('is bounded in number', () => {
      const points = new SeenPoints('vault');
      const fill = (): void => {
        for (let n = 0; n <= limits.MAX_POINTS; n++) points.hold(seen(n, 'same'));
      };
      assert.throws(fill, refuses('limit-exceeded', /more than 20000 restore points, which is the limit/));
    });
  });

  it('is listed in docs/limits.md as it is', () => {
    const text = readFileSync(join(__dirname, '../../../../docs/limits.md'), 'utf8');
    const named = [...text.matchAll(/^\|.*\|\s*([\d,]+)(?: (KiB|MiB))?\s*\|\s*`(MAX_\w+)`\s*\|$/gm)];
    const told = named.map(([, number = '', unit, name]) => [
      name,
      Number(number.replaceAll(',', '')) * (unit === 'KiB' ? 1024 : unit === 'MiB' ? 1024 * 1024 : 1),
    ]);
    const code = Object.entries({ ...limits, MAX_POINT_BYTES }).filter(([name]) => name.startsWith('MAX_'));
    assert.deepEqual(new Map(told as [string, number][]), new Map(code));
    const script = readFileSync(join(__dirname, '../../../../src/backup/archive/tar.sh'), 'utf8');
    for (const each of [limits.MAX_MEMBERS, limits.MAX_NAME, limits.MAX_DEPTH])
      assert.ok(script.includes(`> ${String(each)})`));
  });
});
