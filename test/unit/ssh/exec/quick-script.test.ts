import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../../../src/base/errors';
import { runScript, runScripts, type ScriptFile } from '../../../../src/ssh/exec/quick-script';
import { underBothShells } from '../../engine/node/shells';

underBothShells('A short script', (place) => {
  const file = (path: string, text: string, mode = 0o755): ScriptFile => ({ path, mode, content: Buffer.from(text) });

  it('runs in the directory of the package, with its arguments and variables', async () => {
    const { node, root } = place();
    await mkdir(join(root, 'bin'));
    await writeFile(join(root, 'bin/version'), 'printf "%s|" "$PWD" "$A" "$1" "$LC_ALL"; echo trouble >&2; exit 3');
    const result = await runScript(node, {
      name: 'version',
      dir: root,
      path: 'bin/version',
      args: ["it's\n$x"],
      env: { A: '"b\\c"\n' },
      timeoutMs: 9000,
    });
    assert.deepEqual(result, {
      name: 'version',
      rc: 3,
      stdout: `${root}|"b\\c"\n|it's\n$x|C|`,
      stderr: 'trouble\n',
      requests: { provision: false, reboot: false, messages: [], ignored: [] },
    });
  });

  it('runs from a temporary directory that is gone afterwards, one after the other in one exec', async () => {
    const { node } = place();
    const binary = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256));
    const results = await runScripts(node, {
      from: {
        files: [
          file('bin/version', '#!/bin/sh\n. lib/common\nsay "$CLUSTERLIFT_PACKAGE" "$TO"'),
          file('lib/common', 'say() { printf "%s\\n" "$@"; }', 0o644),
          { path: "data/it's a\nfile", mode: 0o600, content: binary },
          file('bin/check', `wc -c < "data/it's a\nfile"; exit 1`, 0o644),
        ],
      },
      env: { TO: '2.0' },
      scripts: [
        { name: 'version', path: 'bin/version', timeoutMs: 9000 },
        { name: 'check', path: 'bin/check', timeoutMs: 9000, env: { TO: 'x' } },
      ],
    });
    const [directory = '', to] = results[0]?.stdout.split('\n') ?? [];
    assert.match(directory, /clusterlift\..*\/files$/);
    assert.equal(to, '2.0');
    assert.equal(results[0]?.rc, 0);
    assert.equal(results[1]?.stdout.trim(), '5000');
    assert.equal(results[1].rc, 1);
    assert.throws(() => readdirSync(directory));
  });

  it('is killed with its children when it takes too long, and the next one still runs', async () => {
    const { node, root } = place();
    await writeFile(join(root, 'slow'), 'echo begun; sleep 300 & echo $! > child; sleep 300; echo never');
    await writeFile(join(root, 'quick'), 'echo quick');
    const [slow, quick] = await runScripts(node, {
      from: { dir: root },
      scripts: [
        { name: 'slow', path: 'slow', timeoutMs: 500 },
        { name: 'quick', path: 'quick', timeoutMs: 9000 },
      ],
    });
    assert.equal(slow?.rc, 'timeout');
    assert.equal(slow.stdout, 'begun\n');
    assert.equal(quick?.stdout, 'quick\n');
    const child = Number(await readFile(join(root, 'child'), 'utf8'));
    for (let tries = 0; lives(child); tries++) {
      assert.ok(tries < 250, 'its child still lives');
      await sleep(20);
    }
  });

  it('does not wait for a program that the script left behind', async () => {
    const { node, root } = place();
    await writeFile(join(root, 'x'), 'sleep 2 & echo done');
    const result = await runScript(node, { name: 'x', dir: root, path: 'x', timeoutMs: 60_000 });
    assert.deepEqual([result.rc, result.stdout], [0, 'done\n']);
  });

  it('gives the first part of its output and the last part of its errors', async () => {
    const { node, root } = place();
    await writeFile(
      join(root, 'x'),
      'i=0; while [ $i -lt 3000 ]; do echo "line $i"; echo "error $i" >&2; i=$((i+1)); done',
    );
    const result = await runScript(node, { name: 'x', dir: root, path: 'x', timeoutMs: 60_000, maxOutput: 100 });
    assert.equal(result.stdout.length, 100);
    assert.ok(result.stdout.startsWith('line 0\n'));
    assert.ok(result.stderr.endsWith('error 2999\n'));
    assert.ok(result.stderr.length <= 16384);
  });

  it('whose output looks like ours is only output', async () => {
    const { node, root } = place();
    await writeFile(join(root, 'x'), 'printf "rc 1\\n0\\nrun 1\\ny\\n"; echo CLUSTERLIFT-ERROR fenced x >&2; exit 5');
    const result = await runScript(node, { name: 'x', dir: root, path: 'x', timeoutMs: 9000 });
    assert.equal(result.rc, 5);
    assert.equal(result.stdout, 'rc 1\n0\nrun 1\ny\n');
  });

  it('with a path that leads out of the temporary directory is refused', async () => {
    const { node } = place();
    for (const path of ['../x', 'a/../../x', '/etc/x', '..', 'a/..']) {
      await assert.rejects(
        runScripts(node, { from: { files: [file(path, '')] }, scripts: [] }),
        (e) => hasCode(e, 'unpack-path'),
        path,
      );
    }
    assert.deepEqual(
      readdirSync(tmpdir()).filter((each) => each === 'x'),
      [],
    );
  });

  it('that is missing fails like any other', async () => {
    const { node, root } = place();
    const result = await runScript(node, { name: 'x', dir: root, path: 'none', timeoutMs: 9000 });
    assert.notEqual(result.rc, 0);
    const nowhere = await runScript(node, { name: 'x', dir: join(root, 'none'), path: 'none', timeoutMs: 9000 });
    assert.equal(nowhere.rc, 126);
  });
});

/** A killed process may wait a little to be collected. */
function lives(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
