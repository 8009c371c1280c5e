import { strict as assert } from 'node:assert';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliRun, type CliResult, said } from '../../lab/cli';

/** A cloned repository whose clusters.json makes this machine a node, with programs of its own as what is installed. */
class Clone {
  readonly dir = mkdtempSync(join(tmpdir(), 'clusterlift-clone-'));
  readonly work = join(this.dir, 'work');
  readonly state = join(this.work, '.s');
  readonly ran = join(this.dir, 'ran');
  readonly home = join(this.dir, 'home');

  constructor() {
    mkdirSync(this.home);
    this.write(this.state);
    const script = join(this.state, 'installed/app/files/bin/version');
    this.put(script, `#!/bin/sh\nid >${this.ran}\necho 1.0\n`);
    chmodSync(script, 0o755);
    const scripts = { version: 'bin/version', upgrade: 'bin/version' };
    this.put(
      join(this.state, 'installed/app/manifest.json'),
      JSON.stringify({ schema: 1, product: 'app', version: '1.0', scripts }),
    );
    const record = { schema: 1, run: 'r', product: 'app', from: '0.9', to: '1.0', sha256: '0'.repeat(64), time: 1 };
    this.put(join(this.state, 'installed/app/record.json'), JSON.stringify({ state: 'done', ...record }));
  }

  /** Its clusters.json, with this state directory. */
  write(stateDir: string): void {
    const nodes = [{ name: 'me', connection: 'local', stateDir }];
    this.put(join(this.work, '.vscode/clusters.json'), JSON.stringify({ clusters: { here: { nodes } } }));
  }

  run(...words: string[]): Promise<CliResult> {
    const env = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
      PATH: process.env['PATH'],
      HOME: this.home,
      ...extra,
    });
    return new CliRun({ env, home: this.home }, words, { cwd: this.work }).done;
  }

  private put(path: string, text: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

describe('a clusters.json that was found, not named', function () {
  this.timeout(300_000);
  let clone: Clone;
  beforeEach(() => {
    clone = new Clone();
  });
  afterEach(() => {
    rmSync(clone.dir, { recursive: true });
  });

  for (const command of ['status', 'check', 'backup list', 'provision'])
    it(`runs nothing of its folder on ${command} before a person has said yes`, async () => {
      const result = await clone.run(...command.split(' '));
      assert.equal(result.status, 2, said(result));
      assert.match(said(result), /confirmation-needed/);
      assert.equal(existsSync(clone.ran), false);
    });

  it('asks once, and again when it names another state directory', async () => {
    assert.equal((await clone.run('status', '--yes')).status, 0);
    assert.ok(existsSync(clone.ran));
    assert.equal((await clone.run('status')).status, 0);
    assert.equal((await readdir(join(clone.home, '.local/state/clusterlift/local-nodes'))).length, 1);
    clone.write(join(clone.work, '.other'));
    const changed = await clone.run('status');
    assert.equal(changed.status, 2, said(changed));
  });

  it('is used without a question when it is named', async () => {
    const result = await clone.run('status', '--config', '.vscode/clusters.json');
    assert.equal(result.status, 0, said(result));
  });

  it('of somebody else is refused, and is used when it is named', async function () {
    if (process.getuid?.() !== 0) this.skip();
    chownSync(clone.work, 12345, 12345);
    const result = await clone.run('status', '--yes');
    assert.equal(result.status, 2);
    assert.match(said(result), /config-foreign/);
    assert.equal(existsSync(clone.ran), false);
    assert.equal((await clone.run('status', '--config', '.vscode/clusters.json')).status, 0);
  });

  it('leads to a state directory of somebody else: it is refused in every command, and nothing in it runs', async function () {
    if (process.getuid?.() !== 0) this.skip();
    chownSync(clone.state, 12345, 12345);
    for (const words of [['status'], ['backup', 'list'], ['provision'], ['backup', 'create', 'localbackup']]) {
      const result = await clone.run(...words, '--yes', '--config', '.vscode/clusters.json');
      // A list of locations is a list, also where none can be reached.
      if (words[1] !== 'list') assert.notEqual(result.status, 0, said(result));
      // Where nothing in there is read, nothing is installed that could be provisioned.
      if (words[0] !== 'provision') assert.match(said(result), /state-foreign|state-owner/, words.join(' '));
      assert.equal(existsSync(clone.ran), false, words.join(' '));
    }
  });
});
