import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makePackage } from '../test/lab/images';
import { InProcessNodes } from '../test/lab/inprocess';

/**
 * The product of the demo: a text in the directory of each node, and a service that is a file.
 * @param root holds a directory for each node: the nodes share everything else with this machine
 */
function scriptsIn(root: string): Record<string, string> {
  const home = `#!/bin/sh\nset -e\nhello=${root}/$CLUSTERLIFT_NODE/hello\n`;
  return {
    version: `${home}cat "$hello/version" 2>/dev/null || :\n`,
    stop: `${home}echo "stopping hello"\nrm -f "$hello/running"\n`,
    upgrade: `${home}echo "upgrading hello \${CLUSTERLIFT_FROM:-(new)} to $CLUSTERLIFT_TO"\nmkdir -p "$hello"\nfor part in 1 2 3; do echo "part $part of 3"; sleep 0.7; done\necho "$CLUSTERLIFT_TO" > "$hello/version"\n`,
    start: `${home}echo "starting hello"\n: > "$hello/running"\n`,
    health: `${home}test -e "$hello/running"\n`,
  };
}

/** The same, but the upgrade does not like the second node. */
function failingIn(root: string): Record<string, string> {
  const refuse =
    'if [ "$CLUSTERLIFT_NODE" = node2 ]; then\n  echo "the database schema 7 is not one of 8, 9" >&2\n  exit 3\nfi\n';
  const { upgrade = '', ...others } = scriptsIn(root);
  return { ...others, upgrade: upgrade.replace('mkdir', `${refuse}mkdir`) };
}

const CLI = resolve(__dirname, '../dist/cli.js');

async function main(): Promise<number> {
  const nodes = await InProcessNodes.start(['node1', 'node2', 'node3']);
  const state = await mkdtemp(join(tmpdir(), 'clusterlift-demo-'));
  try {
    const config = join(nodes.dir, 'clusters.json');
    await writeFile(config, JSON.stringify(nodes.clustersJson()));
    const env = nodes.env({ XDG_STATE_HOME: state, TERM: process.env['TERM'], NO_COLOR: process.env['NO_COLOR'] });
    const cluster = (...words: string[]): Promise<number> => run([...words, '--config', config], env);
    const root = join(nodes.dir, 'nodes');
    const manifest = { health: { interval: '200ms', stable: '0s' } };
    const good = await makePackage({
      product: 'hello',
      version: '2.0',
      scripts: scriptsIn(root),
      manifest,
      padBytes: 8_000_000,
    });
    const bad = await makePackage({ product: 'hello', version: '3.0', scripts: failingIn(root), manifest });

    title('1. One command upgrades three nodes');
    const first = await cluster('upgrade', good.path);
    title('2. The same again: nothing to do');
    const second = await cluster('upgrade', good.path);
    title('3. How the nodes are');
    const third = await cluster('status');
    title('4. A package that fails on one node stops, node after node, and says why');
    const fourth = await cluster('upgrade', bad.path, 'serial');
    title('5. What was done, and where it is written down');
    const fifth = await cluster('runs');
    console.log(`\nJournals, plans and the log of each node: ${join(state, 'clusterlift/runs')}/<run>/`);
    const asTold = first === 0 && second === 0 && third === 0 && fourth === 1 && fifth === 0;
    if (!asTold)
      console.log(`Not as it should be: the commands ended with ${[first, second, third, fourth, fifth].join(', ')}.`);
    return asTold ? 0 : 1;
  } finally {
    await nodes.stop();
  }
}

async function run(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const shown = words.filter((word, index) => word !== '--config' && words[index - 1] !== '--config');
  console.log(`$ clusterlift ${shown.join(' ')}\n`);
  const child = spawn(process.execPath, [CLI, ...words], { env, stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

function title(text: string): void {
  console.log(`\n${text}\n${'─'.repeat(text.length)}`);
}

void main().then((status) => {
  process.exitCode = status;
});
