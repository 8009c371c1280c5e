import { strict as assert } from 'node:assert';
import { mkdirSync, writeFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InProcessNodes } from '../../lab/inprocess';
import { type Output, output } from '../../lab/tools';
import { sleep } from '../../../src/base/async';

describe('nodes inside the process', () => {
  let nodes: InProcessNodes;
  before(async () => {
    nodes = await InProcessNodes.start(['n1', 'n2']);
  });
  after(async () => {
    await nodes.stop();
    assert.equal(existsSync(nodes.dir), false);
  });

  const options = (port: number): string[] =>
    [
      'IdentitiesOnly=yes',
      'BatchMode=yes',
      'StrictHostKeyChecking=yes',
      `UserKnownHostsFile=${nodes.home}/.ssh/known_hosts`,
    ]
      .flatMap((each) => ['-o', each])
      .concat(['-F', 'none', '-o', `Port=${String(port)}`]);
  const ssh = (index: number, command: string, input?: string, key = nodes.keyFile): Promise<Output> => {
    const node = nodes.nodes[index];
    assert.ok(node);
    const args = ['-i', key, ...options(node.port), `${nodes.user}@${node.host}`, command];
    return output('ssh', args, input === undefined ? {} : { input });
  };

  it('run real shells, each in a home of its own', async () => {
    const [first, second] = [await ssh(0, 'echo "$HOME"; pwd'), await ssh(1, 'echo "$HOME"')];
    assert.equal(first.stdout, `${String(nodes.nodes[0]?.home)}\n${String(nodes.nodes[0]?.home)}\n`);
    assert.notEqual(first.stdout.split('\n')[0], second.stdout.trim());
  });

  it('pass input, output, errors, exit statuses and signals', async () => {
    const text = 'x'.repeat(1_000_000);
    assert.equal((await ssh(0, 'cat', text)).stdout, text);
    const result = await ssh(0, 'echo out; echo err >&2; exit 7');
    assert.deepEqual([result.code, result.stdout, result.stderr], [7, 'out\n', 'err\n']);
    assert.equal((await ssh(0, 'kill -TERM $$')).code, 255);
  });

  it('let only the one key in', async () => {
    const key = join(nodes.dir, 'other');
    await output('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    assert.equal((await ssh(0, 'true', undefined, key)).code, 255);
  });

  it('let a job outlive its session', async () => {
    const home = nodes.nodes[0]?.home ?? '';
    await ssh(0, 'setsid sh -c "sleep 0.3; echo done > job" >/dev/null 2>&1 </dev/null &');
    for (let tries = 0; !existsSync(join(home, 'job')); tries++) {
      assert.ok(tries < 100, 'the job died with the session');
      await sleep(50);
    }
  });

  it('let files be read and directories be listed by SFTP', async () => {
    const node = nodes.nodes[0];
    assert.ok(node);
    const bytes = Buffer.alloc(700_000, 'clusterlift');
    mkdirSync(join(node.home, 'media'));
    writeFileSync(join(node.home, 'media/a.iso'), bytes);
    const copy = join(nodes.dir, 'copy');
    const batch = `ls ${node.home}/media\nget ${node.home}/media/a.iso ${copy}\n`;
    const args = ['-i', nodes.keyFile, ...options(node.port), '-b', '-', `${nodes.user}@${node.host}`];
    const result = await output('sftp', args, { input: batch });
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /a\.iso/);
    assert.ok(readFileSync(copy).equals(bytes));
  });
});
