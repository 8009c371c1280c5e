// `npm run demo`: three nodes inside one process, a real package, and the real command line. Installs and builds what it
// needs, changes nothing outside of a directory of its own, needs no root and nothing else.
// `npm run demo:code`: the same nodes in an editor, with the packed extension.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, NODE, ROOT } from './bootstrap.mjs';

function main() {
  if (!ensureInstalled()) return 1;
  const path = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`;
  const go = (args, stdio) => spawnSync(NODE, args, { cwd: ROOT, stdio, env: { ...process.env, PATH: path } });
  const [what, ...words] = process.argv.slice(2);
  const inEditor = what === 'code';
  console.log(inEditor ? 'Packing the extension …' : 'Building the command line …');
  const webpack = ['node_modules/webpack/bin/webpack.js', '--mode', 'production', '--config-name', 'cli'];
  const build = go(inEditor ? ['scripts/package.mjs'] : webpack, ['ignore', 'ignore', 2]);
  if (build.status !== 0) return 1;
  // Ctrl+C ends the demo, which cleans up after itself; we wait for it.
  if (inEditor) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  return (
    go(['--import', 'tsx', inEditor ? 'scripts/demo-code.ts' : 'scripts/demo.ts', ...words], 'inherit').status ?? 1
  );
}

process.exitCode = main();
