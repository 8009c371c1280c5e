import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InProcessNodes } from '../test/lab/inprocess';
import { demoPackages } from './demo-product';

const CLI = resolve(__dirname, '../dist/cli.js');

async function main(): Promise<number> {
  const nodes = await InProcessNodes.start(['node1', 'node2', 'node3']);
  const state = await mkdtemp(join(tmpdir(), 'clusterlift-demo-'));
  try {
    const config = join(nodes.dir, 'clusters.json');
    await writeFile(config, JSON.stringify(nodes.clustersJson()));
    const env = nodes.env({ XDG_STATE_HOME: state, TERM: process.env['TERM'], NO_COLOR: process.env['NO_COLOR'] });
    const cluster = (...words: string[]): Promise<number> => run([...words, '--config', config], env);
    const { good, bad } = await demoPackages(join(nodes.dir, 'nodes'));

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
