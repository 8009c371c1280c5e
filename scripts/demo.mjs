// `npm run demo`: three nodes inside one process, a real package, and the real command line. Installs and builds what it
// needs, changes nothing outside of a directory of its own, needs no root and nothing else.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, NODE, ROOT } from './bootstrap.mjs';

function main() {
  if (!ensureInstalled()) return 1;
  const path = `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`;
  const go = (args, stdio) => spawnSync(NODE, args, { cwd: ROOT, stdio, env: { ...process.env, PATH: path } });
  console.log('Building the command line …');
  const build = go(
    ['node_modules/webpack/bin/webpack.js', '--mode', 'production', '--config-name', 'cli'],
    ['ignore', 'ignore', 2],
  );
  if (build.status !== 0) return 1;
  return go(['--import', 'tsx', 'scripts/demo.ts'], 'inherit').status ?? 1;
}

process.exitCode = main();
