import { strict as assert } from 'node:assert';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../../..');
const WORKFLOWS = join(ROOT, '.github/workflows');

describe('the workflows', () => {
  const files = readdirSync(WORKFLOWS).map((name) => readFileSync(join(WORKFLOWS, name), 'utf8'));
  const lines = files.flatMap((text) => text.split('\n'));

  it('pin every action by the digest of its commit', () => {
    const uses = lines.filter((line) => /^\s*(- )?uses:/.test(line));
    assert.ok(uses.length > 10);
    for (const line of uses) assert.match(line, /uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, line);
  });

  it('let no package run a script when it is installed, but for the one that is named', () => {
    const installs = lines.filter((line) => /npm (ci|install)\b/.test(line));
    assert.ok(installs.length > 0);
    for (const line of installs) assert.match(line, /npm ci --ignore-scripts && npm rebuild node$/, line);
  });

  it('keep no credentials of the checkout', () => {
    const checkouts = lines.flatMap((line, index) => (line.includes('actions/checkout@') ? [index] : []));
    for (const index of checkouts) assert.match(lines[index + 1] ?? '', /persist-credentials: false/);
  });

  it('give rights to write to the release alone', () => {
    for (const text of files) {
      const [before = '', release = ''] = text.split(/^ {2}release:$/m);
      assert.match(before, /^permissions:\n {2}contents: read$/m);
      assert.doesNotMatch(before, /: write\b/);
      assert.match(release, /sign-release\.sh/);
      assert.match(release, /attest-build-provenance@/);
    }
  });
});

describe('the signature of a release', () => {
  let dir = '';
  before(function () {
    if (process.platform === 'win32' || spawnSync('ssh-keygen', ['-?']).error !== undefined) this.skip();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'clusterlift-release-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true });
  });
  const sign = (env: Record<string, string>): ReturnType<typeof spawnSync> =>
    spawnSync('sh', [join(ROOT, 'scripts/sign-release.sh'), join(dir, 'release')], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
    });

  it('is verified as SECURITY.md says, and no longer once a file was changed', () => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(dir, 'key')]);
    execFileSync('mkdir', [join(dir, 'release')]);
    writeFileSync(join(dir, 'release', 'clusterlift.vsix'), 'a package');
    const key = readFileSync(join(dir, 'key'), 'utf8');
    assert.equal(sign({ RELEASE_SIGNING_KEY: key }).status, 0);
    assert.deepEqual(readdirSync(join(dir, 'release')).sort(), ['SHA256SUMS', 'SHA256SUMS.sig', 'clusterlift.vsix']);
    writeFileSync(join(dir, 'signers'), `release@clusterlift ${readFileSync(join(dir, 'key.pub'), 'utf8')}`);
    const commands = /```console\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'SECURITY.md'), 'utf8'))?.[1] ?? '';
    const script = commands.replace(/^\$ /gm, '').replaceAll('allowed_signers', join(dir, 'signers'));
    assert.match(script, /ssh-keygen -Y verify/);
    const verify = (): number | null => spawnSync('sh', ['-ec', script], { cwd: join(dir, 'release') }).status;
    assert.equal(verify(), 0);
    writeFileSync(join(dir, 'release', 'clusterlift.vsix'), 'another package');
    assert.notEqual(verify(), 0);
  });

  it('is not made without a key', () => {
    execFileSync('mkdir', [join(dir, 'release')]);
    assert.equal(sign({}).status, 1);
    assert.deepEqual(readdirSync(join(dir, 'release')), []);
  });
});
