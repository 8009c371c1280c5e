// `npm run package`: builds clusterlift.vsix, lists what is in it, and fails when it holds too much.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NODE = join(ROOT, 'node_modules/node/bin/node');
const MAX_BYTES = 1.5e6;

function run(file, ...args) {
  const { status } = spawnSync(NODE, [join(ROOT, 'node_modules', file), ...args], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const vsix = join(ROOT, 'clusterlift.vsix');
run('webpack/bin/webpack.js', '--mode=production');
run(
  '@vscode/vsce/vsce',
  'package',
  '--no-dependencies',
  '--allow-missing-repository',
  '--no-rewrite-relative-links',
  '--out',
  vsix,
);

const { size } = statSync(vsix);
console.log(`clusterlift.vsix: ${(size / 1e6).toFixed(2)} MB of at most ${MAX_BYTES / 1e6} MB`);
if (size > MAX_BYTES) process.exitCode = 1;
