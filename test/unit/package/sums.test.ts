import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openIso, type IsoEntry, type IsoImage } from '../../../src/package/iso/image';
import { resolveEntry } from '../../../src/package/iso/resolve';
import { inspectSignature, type SignatureReport } from '../../../src/package/inspect-signature';
import { openPackage } from '../../../src/package/inspect';
import { judgeSignature, verifySignature, type Signers } from '../../../src/package/signature';
import { parseSums } from '../../../src/package/sums';
import { verifyContent } from '../../../src/package/verify';
import { hasTool, makePackage, type PackageSpec } from '../../lab/images';
import { memoryReader } from '../../lab/readers';
import { tryNow } from '../../lab/tools';

const run = promisify(execFile);
const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const SCRIPTS = { version: 'cat /etc/acme-version', upgrade: 'true' };

async function imageOf(spec: Partial<PackageSpec>, edit?: (bytes: Buffer) => void): Promise<IsoImage> {
  const made = await makePackage({ version: '24.2', scripts: SCRIPTS, flavour: 'builtin', ...spec });
  const bytes = await readFile(made.path);
  edit?.(bytes);
  return openIso(memoryReader(bytes));
}

const FILE: IsoEntry = { path: '', kind: 'file', size: 0, mode: 0o644, mtime: undefined, extents: [] };
const unsigned = { trustedSigners: [], revokedSigners: [], requireSignature: false };

describe('SHA256SUMS', () => {
  it('is read as sha256sum writes it', () => {
    const text = `${A}  a\n${B} *./dir/b c\r\n\\${A}  back\\\\slash\\nbreak\n\n`;
    assert.deepEqual(
      [...parseSums(text)],
      [
        ['a', A],
        ['dir/b c', B],
        ['back\\slash\nbreak', A],
      ],
    );
    assert.deepEqual([...parseSums(`${A.toUpperCase()}  a`)], [['a', A]]);
  });

  it('agrees with what sha256sum itself writes for odd names', async function () {
    if (!(await hasTool('sha256sum'))) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'clusterlift-sums-'));
    try {
      const names = ['plain', 'with blank', 'back\\slash', 'line\nbreak', '*star', 'ünïcode'];
      for (const name of names) await writeFile(join(folder, name), name);
      const { stdout } = await run('sha256sum', ['-b', ...names], { cwd: folder });
      assert.deepEqual([...parseSums(stdout).keys()], names);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is refused when it is something else, names files outside, or contradicts itself', () => {
    for (const text of [
      'hello',
      `${A} a`,
      `${A.slice(1)}  a`,
      `${A}  ../a`,
      `${A}  /a`,
      `${A}  a//b`,
      `${A}  a\n${B}  a`,
    ]) {
      assert.throws(() => parseSums(text), { code: 'sums-invalid', exit: 3 }, text);
    }
  });

  it('is checked for every file that it lists', async () => {
    const image = await imageOf({ sums: true, padBytes: 3_000_000, files: { empty: '' } });
    let last: [number, number] = [0, 1];
    const verified = await verifyContent(image, { ...unsigned, onProgress: (...each) => (last = each) });
    assert.deepEqual(verified.sums?.checked.files, 5);
    assert.equal(verified.sums.checked.unlisted, 0);
    assert.equal(last[0], last[1]);
    assert.ok(last[1] > 3_000_000);
  });

  it('finds one flipped bit', async () => {
    const image = imageOf({ sums: true }, (bytes) => (bytes[bytes.indexOf('cat /etc')] = 0x43));
    await assert.rejects(verifyContent(await image, unsigned), {
      code: 'sums-mismatch',
      exit: 3,
      message: /bin\/version/,
    });
  });

  it('finds a listed file that is missing, and takes one that is not listed only when nothing is signed', async () => {
    const gone = await imageOf({ files: { SHA256SUMS: `${A}  bin/gone\n` } });
    await assert.rejects(verifyContent(gone, unsigned), { code: 'sums-mismatch', message: /bin\/gone/ });
    const verified = await verifyContent(await imageOf({ files: { SHA256SUMS: '' } }), unsigned);
    assert.equal(verified.sums?.checked.unlisted, 3);
  });

  it('follows links to what they lead to', () => {
    const link = (path: string, target: string): [string, IsoEntry] => [
      path,
      { ...FILE, path, kind: 'symlink', target },
    ];
    const entries = new Map([
      ['a', { ...FILE, path: 'a', kind: 'directory' } as const],
      ['a/file', { ...FILE, path: 'a/file' }],
      link('one', 'a/file'),
      link('a/two', '../one'),
      link('dir', 'a'),
      link('round', 'about'),
      link('about', './round'),
      link('nowhere', 'gone'),
    ]);
    for (const path of ['a/file', 'one', 'a/two', 'dir/two'])
      assert.equal(resolveEntry(entries, path)?.path, 'a/file', path);
    for (const path of ['round', 'nowhere', 'a/../../x']) assert.equal(resolveEntry(entries, path), undefined, path);
  });

  it('stops when it is told to', async () => {
    const image = await imageOf({ sums: true, padBytes: 3_000_000 });
    await assert.rejects(
      verifyContent(image, { ...unsigned, signal: AbortSignal.abort(new Error('enough')) }),
      /enough/,
    );
  });
});

const by = (...trusted: string[]): Signers => ({ trusted, revoked: [] });

describe('a signature by ssh-keygen -Y sign', () => {
  let folder: string;

  before(async function () {
    if (!(await hasTool('ssh-keygen'))) this.skip();
    folder = await mkdtemp(join(tmpdir(), 'clusterlift-sign-'));
  });

  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const makeKey = async (name: string, ...args: string[]): Promise<{ key: string; line: string }> => {
    const key = join(folder, name);
    await run('ssh-keygen', ['-q', '-N', '', '-C', `${name} release key`, '-f', key, ...args]);
    return { key, line: (await readFile(`${key}.pub`, 'utf8')).trim() };
  };

  const sign = async (key: string, text: string, ...args: string[]): Promise<string> => {
    const file = join(folder, 'text');
    await writeFile(file, text);
    await rm(`${file}.sig`, { force: true });
    await run('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'clusterlift', '-f', key, ...args, file]);
    return readFile(`${file}.sig`, 'utf8');
  };

  const kinds: [string, string[], string[]][] = [
    ['ed25519', ['-t', 'ed25519'], []],
    ['ed25519-sha256', ['-t', 'ed25519'], ['-O', 'hashalg=sha256']],
    ['rsa', ['-t', 'rsa', '-b', '2048'], []],
    ['p256', ['-t', 'ecdsa', '-b', '256'], []],
    ['p384', ['-t', 'ecdsa', '-b', '384'], []],
    ['p521', ['-t', 'ecdsa', '-b', '521'], []],
  ];
  for (const [name, make, how] of kinds) {
    it(`is good with a key of type ${name}, and only for the text that was signed`, async () => {
      const { key, line } = await makeKey(name, ...make);
      // Several: r and s of ECDSA vary in length.
      for (let i = 0; i < 4; i++) {
        const signature = await sign(key, `text ${String(i)}`, ...how);
        const signer = verifySignature(Buffer.from(`text ${String(i)}`), signature, by('ssh-ed25519 AAAA other', line));
        assert.equal(signer.name, `${name} release key`);
        const { stdout } = await run('ssh-keygen', ['-l', '-f', key]);
        assert.ok(stdout.includes(signer.fingerprint));
        assert.throws(() => verifySignature(Buffer.from('another'), signature, by(line)), {
          code: 'signature-invalid',
        });
      }
    });
  }

  it('does not count when somebody else made it, or when it was made for another use', async () => {
    const { key, line } = await makeKey('mine', '-t', 'ed25519');
    const other = await makeKey('other', '-t', 'ed25519');
    const text = Buffer.from('x');
    assert.throws(() => verifySignature(text, '', by(line)), { code: 'signature-invalid' });
    const signature = await sign(key, 'x');
    assert.throws(() => verifySignature(text, signature, by(other.line)), { code: 'signature-untrusted', exit: 3 });
    assert.throws(() => verifySignature(text, signature, by()), { code: 'signature-untrusted' });
    const file = join(folder, 'file');
    await writeFile(file, 'x');
    await run('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'file', '-f', key, file]);
    const forFile = await readFile(`${file}.sig`, 'utf8');
    assert.throws(() => verifySignature(text, forFile, by(line)), { code: 'signature-invalid', message: /file/ });
  });

  it('does not crash whatever byte of it is changed', async () => {
    const { key, line } = await makeKey('flip', '-t', 'ed25519');
    const lines = (await sign(key, 'x')).trim().split('\n');
    const blob = Buffer.from(lines.slice(1, -1).join(''), 'base64');
    for (let i = 0; i < blob.length; i++) {
      const bad = Buffer.from(blob);
      bad[i] = (bad[i] ?? 0) ^ 0x81;
      const text = `-----BEGIN SSH SIGNATURE-----\n${bad.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
      assert.throws(
        () => verifySignature(Buffer.from('x'), text, by(line)),
        { name: 'ClusterliftError' },
        `byte ${String(i)}`,
      );
    }
  });

  it('counts as OpenSSH says of the same line of allowed_signers, at the same moment', async () => {
    const { key, line } = await makeKey('limited', '-t', 'ed25519');
    const signature = await sign(key, 'x');
    const file = join(folder, 'limited.sig');
    await writeFile(file, signature);
    const limits = [
      '',
      'valid-after="20260101Z"',
      'valid-before="20260101Z"',
      'valid-after="20260101Z",valid-before="20260630Z"',
      'valid-before="202606301200Z",valid-after="20260101"',
      'valid-after="20260630115959Z"',
    ];
    const moments = [
      '20251231235959Z',
      '20260101000000Z',
      '20260101000001Z',
      '20260630115959Z',
      '20260630120000Z',
      '20270101Z',
    ];
    for (const limit of limits) {
      const signers = join(folder, 'allowed');
      await writeFile(signers, `me ${limit} ${line}\n`);
      for (const moment of moments) {
        const args = [
          '-Y',
          'verify',
          '-n',
          'clusterlift',
          '-f',
          signers,
          '-I',
          'me',
          '-s',
          file,
          '-O',
          `verify-time=${moment}`,
        ];
        const openssh = tryNow('ssh-keygen', args, 'x');
        const [year = 0, ...rest] = (moment.match(/^\d{4}|\d\d/g) ?? []).map(Number);
        const [month = 1, ...others] = rest;
        const at = Date.UTC(year, month - 1, ...others);
        const verdict = judgeSignature(Buffer.from('x'), signature, {
          trusted: [`${limit} ${line}`.trim()],
          revoked: [],
          at,
        });
        assert.equal(verdict.standing === 'trusted', openssh, `${limit} at ${moment}: ${verdict.standing}`);
      }
    }
  });

  it('counts no more once its key is revoked, by the key or its fingerprint, nor after its last day', async () => {
    const { key, line } = await makeKey('gone', '-t', 'ed25519');
    const signature = await sign(key, 'x');
    const text = Buffer.from('x');
    const { fingerprint } = verifySignature(text, signature, by(line));
    for (const revoked of [[line], [fingerprint], ['ssh-ed25519 AAAA other', line.split(' ').slice(0, 2).join(' ')]])
      assert.throws(() => verifySignature(text, signature, { trusted: [line], revoked }), {
        code: 'signature-revoked',
        exit: 3,
        message: /gone release key/,
      });
    const late = { code: 'signature-expired', exit: 3, message: /counted only until 2020-06-01/ };
    assert.throws(() => verifySignature(text, signature, by(`valid-before="20200601Z" ${line}`)), late);
    const early = { code: 'signature-expired', message: /counts only from 2999-/ };
    assert.throws(() => verifySignature(text, signature, by(`valid-after=29990601 ${line}`)), early);
    // The key was given another year, in a line of its own.
    const again = by(`valid-before="20200601" ${line}`, `valid-after="20200601" ${line}`);
    assert.equal(verifySignature(text, signature, again).name, 'gone release key');
    const packed = await imageOf({ signKey: key });
    const revokedSigners = [fingerprint];
    for (const trustedSigners of [[line], []])
      await assert.rejects(verifyContent(packed, { trustedSigners, revokedSigners, requireSignature: false }), {
        code: 'signature-revoked',
      });
  });

  it('is told by inspect for what it is: whose, trusted or not, no good and why', async () => {
    const { key, line } = await makeKey('shown', '-t', 'ed25519');
    const { line: other } = await makeKey('stranger', '-t', 'ed25519');
    const report = async (signers: Signers, spec: Partial<PackageSpec>): Promise<SignatureReport> => {
      const made = await makePackage({ version: '24.2', scripts: SCRIPTS, flavour: 'builtin', ...spec });
      return inspectSignature(await openPackage(memoryReader(await readFile(made.path))), signers);
    };
    const states = async (...args: Parameters<typeof report>): Promise<string> => (await report(...args)).state;
    assert.equal(await states(by(line), { sums: true }), 'none');
    assert.equal(await states(by(line), { signKey: key }), 'trusted');
    assert.equal(await states(by(other), { signKey: key }), 'unknown');
    assert.equal(await states(by(), { signKey: key }), 'unknown');
    assert.equal(await states({ trusted: [line], revoked: [line] }, { signKey: key }), 'revoked');
    assert.equal(await states(by(`valid-before="20200101" ${line}`), { signKey: key }), 'expired');
    const garbage = await report(by(line), { sums: true, files: { 'SHA256SUMS.sig': 'signed, honestly' } });
    assert.deepEqual(garbage, { state: 'invalid', why: 'it is not an SSH signature' });
    const noList = await report(by(line), { files: { 'SHA256SUMS.sig': await sign(key, '') } });
    assert.ok(noList.state === 'invalid' && noList.why.includes('no SHA256SUMS'));
    // The genuine list and signature of another package.
    const list = `${'0'.repeat(64)}  upgrade.json\n`;
    const moved = await report(by(line), { files: { SHA256SUMS: list, 'SHA256SUMS.sig': await sign(key, list) } });
    assert.ok(moved.state === 'invalid' && moved.why.includes('upgrade.json is not what the signed SHA256SUMS says'));
  });

  it('makes a package trusted whose list has every file, and no other', async () => {
    const { key, line } = await makeKey('publisher', '-t', 'ed25519');
    const options = { trustedSigners: [line], revokedSigners: [], requireSignature: true };
    const good = await verifyContent(await imageOf({ signKey: key }), options);
    assert.equal(good.signedBy?.name, 'publisher release key');

    const text = 'signed but short';
    const short = { SHA256SUMS: text, 'SHA256SUMS.sig': await sign(key, text) };
    await assert.rejects(verifyContent(await imageOf({ files: short }), options), { code: 'sums-invalid' });
    const empty = { SHA256SUMS: '\n', 'SHA256SUMS.sig': await sign(key, '\n') };
    await assert.rejects(verifyContent(await imageOf({ files: empty }), options), {
      code: 'sums-mismatch',
      message: /not listed/,
    });
    await assert.rejects(verifyContent(await imageOf({ sums: true }), options), { code: 'signature-missing', exit: 3 });
    await assert.rejects(verifyContent(await imageOf({ signKey: key }), { ...options, trustedSigners: [] }), {
      code: 'signature-missing',
    });
    const unlooked = await verifyContent(await imageOf({ signKey: key }), unsigned);
    assert.equal(unlooked.signedBy, undefined);
  });
});
