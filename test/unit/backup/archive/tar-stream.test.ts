import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { hasCode } from '../../../../src/base/errors';
import { MemberGuard, StreamListing } from '../../../../src/backup/archive/members';
import { type Member, TarReader } from '../../../../src/backup/archive/tar-stream';

function members(archive: Uint8Array, cuts: readonly number[] = []): Member[] {
  const found: Member[] = [];
  const reader = new TarReader((member) => found.push(member));
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    reader.push(archive.subarray(from, Math.max(from, cut)));
    from = Math.max(from, cut);
  }
  reader.push(archive.subarray(from));
  reader.end();
  return found;
}

describe('reading a tar stream', () => {
  let dir: string;
  let archive: Buffer;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'clusterlift-tar-'));
    const make = `cd "$1"; mkdir -p app/sub; echo one > app/file; ln app/file app/hard; ln -s 'x -> y' 'app/l -> m'
      long=$(printf %0200d 7); mkdir "app/$long"; echo deep > "app/$long/$long"; printf u > 'app/ünï
      line'; truncate -s 5M app/sparse; printf x >> app/sparse; chmod 640 app/file; touch -d '2001-02-03 04:05:06.125' app/sub
      setfattr -n user.a -v b app/file 2>/dev/null || :; mkfifo app/fifo
      tar -c --format=posix --sparse --numeric-owner --xattrs --acls -f a.tar ./app`;
    execFileSync('sh', ['-ceu', make, 'sh', dir]);
    archive = execFileSync('cat', [join(dir, 'a.tar')], { maxBuffer: 1e8 });
  });
  after(() => {
    rmSync(dir, { recursive: true });
  });

  it('finds what tar itself finds', () => {
    const names = members(archive).map((each) => each.name);
    const listed = execFileSync('tar', [
      '-t',
      '--quoting-style=literal',
      '--show-transformed-names',
      '-f',
      join(dir, 'a.tar'),
    ]).toString('latin1');
    assert.equal(`${names.join('\n')}\n`, listed);
    const by = new Map(members(archive).map((each) => [each.name, each]));
    assert.equal(by.get('./app/sparse')?.size, 5 * 1024 * 1024 + 1);
    assert.equal(by.get('./app/sub/')?.mtime, '981173106.125');
    const hard = members(archive).filter((each) => each.type === 'hard-link');
    assert.equal(hard.length, 1);
    assert.equal(by.get('./app/l -> m')?.target, 'x -> y');
    assert.equal(by.get('./app/fifo')?.type, 'fifo');
    assert.deepEqual(
      members(archive).find((each) => each.attributes.length > 0)?.attributes ?? [['SCHILY.xattr.user.a', 'Yg==']],
      [['SCHILY.xattr.user.a', 'Yg==']],
    );
  });

  it('finds the same wherever the stream is cut into pieces', () => {
    const whole = members(archive);
    fc.assert(
      fc.property(fc.array(fc.nat(archive.length), { maxLength: 40 }), (cuts) => {
        assert.deepEqual(members(archive, cuts), whole);
      }),
      { numRuns: 50 },
    );
  });

  it('reads what the tar of busybox and GNU tar in its own format write', () => {
    for (const command of ['busybox tar -c -f - ./app/sub ./app/file', 'tar -c --format=gnu -f - ./app']) {
      const made = execFileSync('sh', ['-c', `cd "$1" && ${command}`, 'sh', dir], { maxBuffer: 1e8 });
      assert.ok(members(made).length >= 2);
    }
  });

  it('notices a cut anywhere, and damage in a header', () => {
    fc.assert(
      fc.property(fc.nat(archive.length - 10240), (at) => {
        assert.throws(
          () => members(archive.subarray(0, at)),
          (error) => hasCode(error, 'archive-invalid'),
        );
      }),
      { numRuns: 50 },
    );
    const damaged = Buffer.from(archive);
    damaged[0] = (damaged[0] ?? 0) ^ 1;
    assert.throws(
      () => members(damaged),
      (error) => hasCode(error, 'archive-invalid'),
    );
  });

  it('never does anything else than read or refuse, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 2048 }), (bytes) => {
        try {
          members(bytes);
        } catch (error) {
          assert.ok(hasCode(error, 'archive-invalid'), String(error));
        }
      }),
    );
  });
});

const member = (name: string, changes: Partial<Member> = {}): Member => ({
  name,
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: '0',
  target: '',
  device: '',
  attributes: [],
  ...changes,
});
const directory = (name: string): Member => member(name, { type: 'directory' });

describe('members that are unpacked as root', () => {
  function guard(list: readonly Member[], devices = false): void {
    const guarding = new MemberGuard(['/opt/app'], devices);
    for (const each of list) guarding.check(each);
    guarding.end();
  }
  const top = directory('./opt/app/');

  it('may be everything below the saved paths', () => {
    guard([
      top,
      member('./opt/app/a'),
      directory('./opt/app/b/'),
      member('./opt/app/b/..c'),
      member('./opt/app/h', { type: 'hard-link', target: './opt/app/a' }),
    ]);
    guard([member('./opt/app')]);
    guard([top, member('./opt/app/dev', { type: 'char-device' })], true);
  });

  const evil: [string, Member[]][] = [
    ['an absolute name', [member('/etc/passwd')]],
    ['a name without the dot', [member('opt/app')]],
    ['a way up', [top, member('./opt/app/../../etc/passwd')]],
    ['a way up at the end', [top, directory('./opt/app/..')]],
    ['a dot', [top, directory('./opt/app/.')]],
    ['an empty part', [top, member('./opt/app//x')]],
    ['something outside', [top, member('./etc/passwd')]],
    ['something beside with the same beginning', [top, member('./opt/app2')]],
    [
      'something through a link',
      [top, member('./opt/app/l', { type: 'link', target: '/etc' }), member('./opt/app/l/passwd')],
    ],
    [
      'something through a link at the top',
      [member('./opt/app', { type: 'link', target: '/etc' }), member('./opt/app/passwd')],
    ],
    [
      'a directory in place of a link',
      [top, member('./opt/app/l', { type: 'link', target: '/etc' }), directory('./opt/app/l/')],
    ],
    ['something twice', [top, member('./opt/app/a'), member('./opt/app/a')]],
    ['a hard link to outside', [top, member('./opt/app/h', { type: 'hard-link', target: './etc/shadow' })]],
    ['a hard link to an absolute name', [top, member('./opt/app/h', { type: 'hard-link', target: '/etc/shadow' })]],
    ['a hard link that comes first', [top, member('./opt/app/h', { type: 'hard-link', target: './opt/app/later' })]],
    ['a member without its directory', [top, member('./opt/app/x/y')]],
    ['a device', [top, member('./opt/app/sda', { type: 'block-device' })]],
    ['nothing', []],
  ];
  for (const [what, list] of evil) {
    it(`may not be ${what}`, () => {
      assert.throws(
        () => guard(list),
        (error) => hasCode(error, 'archive-invalid'),
      );
    });
  }

  it('are listed with everything that counts', () => {
    const digest = (changed: Member): string => {
      const listing = new StreamListing();
      listing.add(changed);
      return listing.digest();
    };
    const plain = member('./a');
    const variants = [
      member('./b'),
      { ...plain, mode: 0o600 },
      { ...plain, uid: 1 },
      { ...plain, gid: 1 },
      { ...plain, size: 1 },
      { ...plain, mtime: '0.5' },
      { ...plain, type: 'link', target: 'x' } as const,
      { ...plain, attributes: [['SCHILY.xattr.user.a', 'eA==']] as const },
    ];
    assert.equal(new Set([plain, ...variants].map(digest)).size, variants.length + 1);
  });
});
